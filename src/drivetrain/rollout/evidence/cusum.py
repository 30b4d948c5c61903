"""The alarm that rolls a model back: e-CUSUMs of the errors that audits of acted cases find, of all together and of each slice.

Each is at level A at most once in A healthy audits, on average. One slice alarms at A times the number of slices; the mean of the
slices, which sees a fault that all share sooner than any of them, at A. What nobody could tell is no error found: it is left out
here, while gates count it against the model, and silence pauses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ...stats import e_cusum
from ...stats.shiryaev_roberts import Factors, factors

MULTIPLES = (3.0, 6.0)
"""The error rates that are looked for, as multiples of the bound; those of the monitor of audited errors."""
MOST = 1e300
"""The level at which a statistic stops growing, so that it stays a number."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A level that was reached."""

    slice: str | None
    """None: all cases together, or the mean of the slices."""
    value: float
    level: float


class Cusum:
    """The e-CUSUMs of a rollout's audits."""

    __slots__ = ("_factors", "audits", "errors", "slices", "together")

    def __init__(self, bound: float) -> None:
        self._factors: Factors = factors(bound, MULTIPLES)
        self.together = [0.0] * len(self._factors.hit)
        self.slices: dict[str, list[float]] = {}
        self.audits = 0
        self.errors = 0.0

    def take(self, slices: Iterable[str], error: float) -> None:
        """Take an audit: an error (1), none (0), or ½ where two adjudicators disagree."""
        by = self._by(error)
        self.audits += 1
        self.errors += error
        self.together = _stepped(self.together, by)
        for name in slices:
            self.slices[name] = _stepped(self.slices.get(name, [0.0] * len(by)), by)

    def _by(self, error: float) -> Sequence[float]:
        if error == 0:
            return self._factors.miss
        if error == 1:
            return self._factors.hit
        # The weighted geometric mean is at most the arithmetic one, whose expectation is at most 1.
        pairs = zip(self._factors.hit, self._factors.miss, strict=True)
        return [math.pow(hit, error) * math.pow(miss, 1 - error) for hit, miss in pairs]

    @property
    def value(self) -> float:
        """The e-CUSUM of all together."""
        return e_cusum.mean(self.together)

    def ahead(self, errors: Iterable[float | None]) -> float:
        """Return what the e-CUSUM of all together will be at the least behind the watermark; None: an audit that is still open.

        An open audit can only be worse than none found, so that a level reached by this is reached for certain.
        """
        values, most = list(self.together), 0.0
        for error in errors:
            values = _stepped(values, self._factors.miss if error is None else self._by(error))
            most = max(most, e_cusum.mean(values))
        return most

    def reached(self, level: float) -> Reached | None:
        """Return the first of all together, the mean of slices, and each slice that has reached its level."""
        if self.value >= level:
            return Reached(None, self.value, level)
        if not self.slices:
            return None
        means = {name: e_cusum.mean(values) for name, values in self.slices.items()}
        of_all = sum(means.values()) / len(means)
        if of_all >= level:
            return Reached(None, of_all, level)
        name = max(means, key=means.__getitem__)
        if means[name] >= level * len(means):
            return Reached(name, means[name], level * len(means))
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        return {"together": self.together, "slices": self.slices, "audits": self.audits, "errors": self.errors}

    @classmethod
    def of_json(cls, bound: float, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        cusum = cls(bound)
        cusum.together = list(state["together"])
        cusum.slices = {name: list(values) for name, values in state["slices"].items()}
        cusum.audits, cusum.errors = state["audits"], float(state["errors"])
        return cusum


def _stepped(values: Sequence[float], by: Sequence[float]) -> list[float]:
    return [min(MOST, e_cusum.step(value, factor)) for value, factor in zip(values, by, strict=True)]
