"""The risk of answers that the model would act on, or acted on: the share that is wrong, by blind audits drawn by chance.

One running e-process: it goes on from step to step while bundle and threshold stand. Adjudicators with error a find at least
1 − a of the model's errors (see `adjudicators`), so that the threshold that is tested is shrunk by that.

Array suffix: G = values of the adjudicators' disagreement.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from ...stats.betting import least, more_needed, rate_above, rate_below, rate_growth
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
        found_G = (1 + adjudicators.shrunk_G) / 2
        hits_G = self._errors + self._exact * found_G
        return float(np.min(rate_below(hits_G, self.n, threshold * found_G) + adjudicators.evidence_G))

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
        """Return the audits still to be expected until the threshold is shown; None: not as things stand."""
        if not self.n:
            return None
        found = (1 + adjudicators.shrunk_G) / 2
        evidence_G = rate_below(self._errors + self._exact * found, self.n, threshold * found) + adjudicators.evidence_G
        cell = int(np.argmin(evidence_G))
        tested = threshold * float(found[cell])
        # Half an error is imagined, or else few audits would promise that there never will be one.
        gain = rate_growth((self._errors + self._exact + 0.5) / (self.n + 1), tested)
        return more_needed(float(evidence_G[cell]), gain, alpha)

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
