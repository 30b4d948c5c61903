"""The risk of answers that the model would act on, or acted on: the share that is wrong, by blind audits drawn by chance.

One running e-process: it goes on from step to step while bundle and threshold stand. Adjudicators with error a find at least
1 − a of the model's errors (see `adjudicators`), so that the threshold that is tested is shrunk by that.

Array suffix: G = values of the adjudicators' disagreement.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from ...stats.betting import FARTHEST, least, rate_above, rate_below, times_needed
from .adjudicators import Adjudicators
from .judged import Judged


class Risk:
    """Counts of audited cases and errors, of all together or of one slice."""

    __slots__ = ("_errors", "_exact", "_worst_errors", "n", "worst")

    def __init__(self) -> None:
        self.n = 0
        """The number of audited cases."""
        self.worst = 0
        """The number of them of which something was missing, and was taken at its worst."""
        self._errors = 0.0
        self._exact = 0.0
        self._worst_errors = 0.0

    def take(self, judged: Judged) -> None:
        """Take one audited case, in the order in which cases came."""
        self.n += 1
        if judged.exact:
            self._exact += judged.value
        else:
            self._errors += judged.value
        if judged.worst:
            self.worst += 1
            self._worst_errors += judged.value

    @property
    def value(self) -> float | None:
        """The share of errors; None: no case yet."""
        return (self._errors + self._exact) / self.n if self.n else None

    def evidence(self, threshold: float, adjudicators: Adjudicators) -> float:
        """Return the log-evidence that the risk lies below a threshold."""
        return self._evidence(threshold, adjudicators, 0.0, 1.0)

    def _evidence(self, threshold: float, adjudicators: Adjudicators, imagined: float, times: float) -> float:
        found_G = (1 + adjudicators.shrunk_G) / 2
        hits_G = (self._errors + imagined + self._exact * found_G) * times
        by_audits_G = rate_below(hits_G, (self.n + imagined) * times, threshold * found_G)
        return float(np.min(by_audits_G + adjudicators.evidence_of_times(times)))

    def evidence_against(self, threshold: float) -> float:
        """Return the log-evidence that the risk lies above a threshold, by what people did say alone."""
        told = self.n - self.worst
        return rate_above(min(told, self._errors + self._exact - self._worst_errors), told, threshold)

    def upper(self, alpha: float, adjudicators: Adjudicators) -> float:
        """Return the upper bound of the risk, valid at all times together."""
        if self.value is None:
            return 1.0
        return least(lambda threshold: self.evidence(threshold, adjudicators), alpha, self.value, 1.0)

    def expected_more(self, threshold: float, alpha: float, adjudicators: Adjudicators) -> int | None:
        """Return the audits still to be expected until the threshold is shown, went things on as they have; None: never so."""
        if not self.n:
            return None
        # Half an error is imagined, or else few audits would promise that there never will be one.
        times = times_needed(lambda times: self._evidence(threshold, adjudicators, 0.5, times), alpha, FARTHEST)
        return None if times is None else max(1, math.ceil(self.n * (times - 1)))

    def to_json(self) -> dict[str, Any]:
        """Return the state; its numbers are halves, and so exact."""
        return {
            "n": self.n,
            "worst": self.worst,
            "errors": self._errors,
            "exact": self._exact,
            "worst_errors": self._worst_errors,
        }

    @classmethod
    def of_json(cls, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        risk = cls()
        risk.n, risk.worst = state["n"], state["worst"]
        risk._errors, risk._exact = float(state["errors"]), float(state["exact"])
        risk._worst_errors = float(state["worst_errors"])
        return risk
