"""The adjudicators' own error, from discordant cases that two of them decided, neither knowing of the other.

Each errs with probability a, independently, so that two disagree with probability d = 2a(1 − a). A difference of errors is then
seen smaller than it is, by the factor 1 − 2a = √(1 − 2d), and a share of errors by 1 − a at the least.

How large d is is not known either. Rather than a bound of it, all its values are looked at together: for each, the evidence
against the model's being too bad under that d is multiplied by the evidence against d itself, and the least product counts. At
the true d that product is an e-process (two who agree never make the model look better than one does), so that the whole keeps
its α whatever d is, and costs next to nothing where adjudicators agree. Errors that both make, since a picture misleads both, are
not seen by it.

Array suffix: G = values of d.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...stats.betting import rate_below, rate_upper

CELLS = 32
"""The parts of 0 to ½ that values of d are looked at in; finer near 0, where it matters."""
HEAD = 0.5
"""The mixture of values of d leans to 0: adjudicators who agree are soon believed."""
EDGES_G = 0.5 * (np.arange(CELLS + 1) / CELLS) ** 2
SHRUNK_G = np.sqrt(1 - 2 * EDGES_G[1:])
"""1 − 2a at the upper end of each part, where it is least."""


class Adjudicators:
    """Pairs of adjudications, and how many of them disagreed."""

    __slots__ = ("_evidence_G", "_of", "disagreed", "pairs", "trusted")

    def __init__(self, trusted: bool) -> None:
        self.trusted = trusted
        """The policy lets nobody adjudicate twice, and so takes adjudicators to be right."""
        self.pairs = 0
        self.disagreed = 0
        self._of: tuple[int, int] | None = None
        self._evidence_G: NDArray[np.float64] = np.zeros(CELLS)

    def take(self, disagreed: bool) -> None:
        """Take a pair."""
        self.pairs += 1
        self.disagreed += disagreed

    @property
    def shrunk_G(self) -> NDArray[np.float64]:
        """1 − 2a of each value of d that is to be looked at."""
        return np.ones(1) if self.trusted else SHRUNK_G

    @property
    def evidence_G(self) -> NDArray[np.float64]:
        """The log-evidence that d is less than each value."""
        if self.trusted:
            return np.zeros(1)
        if self._of != (self.disagreed, self.pairs):
            self._of = (self.disagreed, self.pairs)
            self._evidence_G = np.asarray(rate_below(self.disagreed, self.pairs, EDGES_G[:-1], HEAD))
        return self._evidence_G

    def evidence_of_times(self, times: float) -> NDArray[np.float64]:
        """Return the same, had there been so many times as many pairs, and as many of them disagreed as have."""
        if self.trusted or times == 1:
            return self.evidence_G
        return np.asarray(rate_below(self.disagreed * times, self.pairs * times, EDGES_G[:-1], HEAD))

    @property
    def error(self) -> float | None:
        """The estimate of a; None: no pair yet."""
        return _error(self.disagreed / self.pairs) if self.pairs else None

    def error_upper(self, alpha: float) -> float:
        """Return an upper bound of a, valid at all times together."""
        return _error(rate_upper(self.disagreed, self.pairs, alpha))

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        return {"pairs": self.pairs, "disagreed": self.disagreed}

    @classmethod
    def of_json(cls, trusted: bool, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        adjudicators = cls(trusted)
        adjudicators.pairs, adjudicators.disagreed = state["pairs"], state["disagreed"]
        return adjudicators


def _error(disagreement: float) -> float:
    return (1 - math.sqrt(max(0.0, 1 - 2 * disagreement))) / 2
