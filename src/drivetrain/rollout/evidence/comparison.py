"""The model beside people: the difference of their errors on cases that both answered, against the margin.

The null hypothesis is E[D] ≥ margin, D = the model's error less the person's; cases on which both agree give 0 without anybody
adjudicating. What adjudicators say shrinks D by 1 − 2a (see `adjudicators`), and so the margin that is tested; an outcome, which
is exact, is shrunk likewise, so that one margin holds for all.

Array suffixes: G = values of the adjudicators' disagreement, V = values of D.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...stats.betting import growth, least, mean_above, mean_below, more_needed
from .adjudicators import Adjudicators
from .judged import Judged

VALUES_V = np.array([-1.0, -0.5, 0.0, 0.5, 1.0, -1.0, 1.0])
"""Values of D that are counted; the last two are those of outcomes."""
PLACE = {-1.0: 0, -0.5: 1, 0.0: 2, 0.5: 3, 1.0: 4}


class Comparison:
    """Counts of D, of all cases together or of one slice."""

    __slots__ = ("_counts", "_worst")

    def __init__(self) -> None:
        self._counts = [0] * len(VALUES_V)
        self._worst = [0] * len(VALUES_V)

    def take(self, judged: Judged) -> None:
        """Take one case, in the order in which cases came."""
        value = judged.value
        place = PLACE[value] if not judged.exact or value == 0 else 5 if value < 0 else 6
        self._counts[place] += 1
        if judged.worst:
            self._worst[place] += 1

    @property
    def n(self) -> int:
        """The number of cases."""
        return sum(self._counts)

    @property
    def worst(self) -> int:
        """The number of cases of which something was missing, and was taken at its worst."""
        return sum(self._worst)

    @property
    def value(self) -> float | None:
        """The mean of D; None: no case yet."""
        return float(np.dot(self._counts, VALUES_V)) / self.n if self.n else None

    @property
    def discordant(self) -> int:
        """The number of cases with an error of one of both, or of none that could be told."""
        return self.n - self._counts[2]

    def evidence(self, margin: float, adjudicators: Adjudicators) -> float:
        """Return the log-evidence that the mean of D lies below a margin."""
        shrunk_G = adjudicators.shrunk_G
        found_G = mean_below(self._counts, _values_GV(shrunk_G), margin * shrunk_G) + adjudicators.evidence_G
        return float(np.min(found_G))

    def evidence_against(self, margin: float) -> float:
        """Return the log-evidence that the mean of D lies above a margin, by what people did say alone."""
        told_V = np.subtract(self._counts, self._worst)
        return mean_above(told_V, VALUES_V, margin)

    def upper(self, alpha: float, adjudicators: Adjudicators) -> float:
        """Return the upper bound of the mean of D, valid at all times together."""
        if not self.n:
            return 1.0
        # Below 0 a margin would be shrunk the wrong way; nobody asks for one there.
        return least(lambda margin: self.evidence(margin, adjudicators), alpha, 0.0, 1.0 - 1e-9)

    def expected_more(self, margin: float, alpha: float, adjudicators: Adjudicators) -> int | None:
        """Return the cases still to be expected until the margin is shown; None: not as things stand."""
        shrunk_G = adjudicators.shrunk_G
        values_GV = _values_GV(shrunk_G)
        found_G = mean_below(self._counts, values_GV, margin * shrunk_G) + adjudicators.evidence_G
        cell = int(np.argmin(found_G))
        shares_V = np.asarray(self._counts, float)
        # One discordant case of either kind is imagined, or else few cases would promise that there never will be one.
        shares_V[[0, 4]] += 0.5
        gain = growth(shares_V / shares_V.sum(), values_GV[cell], margin * float(shrunk_G[cell]))
        return more_needed(float(found_G[cell]), gain, alpha) if self.n else None

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        return {"counts": list(self._counts), "worst": list(self._worst)}

    @classmethod
    def of_json(cls, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        comparison = cls()
        comparison._counts, comparison._worst = list(state["counts"]), list(state["worst"])
        return comparison


def _values_GV(shrunk_G: NDArray[np.float64]) -> NDArray[np.float64]:
    values_GV = np.tile(VALUES_V, (len(shrunk_G), 1))
    values_GV[:, 5:] *= shrunk_G[:, None]
    return values_GV
