"""The model beside people: the difference of their errors on cases that both answered, against the margin.

The null hypothesis is E[D] ≥ margin, D = the model's error less the person's; cases on which both agree give 0 without anybody
adjudicating. What adjudicators say shrinks D by 1 − 2a (see `adjudicators`), and so the margin that is tested; an outcome, which
is exact, is shrunk likewise, so that one margin holds for all. Where an outcome finds both wrong alike, D is 0 as well.

Array suffixes: G = values of the adjudicators' disagreement, V = values of D.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...stats.betting import FARTHEST, PRECISION, least, mean_above, mean_below, rate_below, times_needed
from .adjudicators import Adjudicators
from .judged import Judged

VALUES_V = np.array([-1.0, -0.5, 0.0, 0.5, 1.0, -1.0, 1.0, 0.0])
"""Values of D that are counted: of adjudicated cases, of outcomes (-1 and 1), and of cases on which both agree."""
OUTCOMES = slice(5, 7)
AGREED = 7
BY_AGREEMENT = 0.2
"""The part of the wealth that is bet on model and people's differing in few cases, were adjudicators no better than chance."""
PLACE = {-1.0: 0, -0.5: 1, 0.0: 2, 0.5: 3, 1.0: 4}


class Comparison:
    """Counts of D, of all cases together or of one slice."""

    __slots__ = ("_counts", "_worst", "n", "worst")

    def __init__(self) -> None:
        self._counts = [0] * len(VALUES_V)
        self._worst = [0] * len(VALUES_V)
        self.n = 0
        """The number of cases."""
        self.worst = 0
        """The number of cases of which something was missing, and was taken at its worst."""

    def take(self, judged: Judged) -> None:
        """Take one case, in the order in which cases came."""
        if not judged.discordant:
            place = AGREED
        elif judged.exact and judged.value:
            place = 5 if judged.value < 0 else 6
        else:
            place = PLACE[judged.value]
        self._counts[place] += 1
        self.n += 1
        if judged.worst:
            self._worst[place] += 1
            self.worst += 1

    @property
    def value(self) -> float | None:
        """The mean of D; None: no case yet."""
        return float(np.dot(self._counts, VALUES_V)) / self.n if self.n else None

    @property
    def discordant(self) -> int:
        """The number of cases on which the two differ, or a person could not tell."""
        return self.n - self._counts[AGREED]

    def evidence(self, margin: float, adjudicators: Adjudicators) -> float:
        """Return the log-evidence that the mean of D lies below a margin."""
        return _evidence(np.asarray(self._counts, float), margin, adjudicators.shrunk_G, adjudicators.evidence_G)

    def evidence_against(self, margin: float) -> float:
        """Return the log-evidence that the mean of D lies above a margin, by what people did say alone."""
        return mean_above(np.subtract(self._counts, self._worst), VALUES_V, margin)

    def upper(self, alpha: float, adjudicators: Adjudicators) -> float:
        """Return the upper bound of the mean of D, valid at all times together."""
        if not self.n:
            return 1.0
        # Below 0 a margin would be shrunk the wrong way; nobody asks for one there.
        return least(lambda margin: self.evidence(margin, adjudicators), alpha, 0.0, 1.0 - PRECISION)

    def expected_more(self, margin: float, alpha: float, adjudicators: Adjudicators) -> int | None:
        """Return the cases still to be expected until the margin is shown, went things on as they have; None: never so."""
        if not self.n:
            return None
        seen_V = np.asarray(self._counts, float)
        # One discordant case is imagined, or else few cases would promise that there never will be one.
        seen_V[[0, 4]] += 0.5

        def at(times: float) -> float:
            evidence_G = adjudicators.evidence_of_times(times)
            return _evidence(seen_V * times, margin, adjudicators.shrunk_G, evidence_G)

        times = times_needed(at, alpha, FARTHEST)
        return None if times is None else max(1, math.ceil(self.n * (times - 1)))

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        return {"counts": list(self._counts), "worst": list(self._worst)}

    @classmethod
    def of_json(cls, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        comparison = cls()
        comparison._counts, comparison._worst = list(state["counts"]), list(state["worst"])
        comparison.n, comparison.worst = sum(comparison._counts), sum(comparison._worst)
        return comparison


def _evidence(
    counts_V: NDArray[np.float64], margin: float, shrunk_G: NDArray[np.float64], evidence_G: NDArray[np.float64]
) -> float:
    """The least over all values of the adjudicators' disagreement.

    Beside the bets on D stands the evidence that the two differ in fewer cases than the margin, which needs no adjudicator. The
    less they can be trusted, the more of the wealth it has from the beginning.
    """
    values_GV = np.tile(VALUES_V, (len(shrunk_G), 1))
    values_GV[:, OUTCOMES] *= shrunk_G[:, None]
    by_bets_G = mean_below(counts_V, values_GV, margin * shrunk_G)
    n = float(counts_V.sum())
    by_agreement = rate_below(n - float(counts_V[AGREED]), n, margin)
    part_G = BY_AGREEMENT * (1 - shrunk_G)
    with np.errstate(divide="ignore"):
        found_G = np.logaddexp(np.log1p(-part_G) + by_bets_G, np.log(part_G) + by_agreement)
    return float(np.min(found_G + evidence_G))
