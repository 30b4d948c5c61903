"""Learning rate and momentum over a run: one cycle, and rates that differ from group to group.

One cycle (Smith 2018, arXiv 1803.09820) in fastai's form: half a cosine up, half a cosine down, momentum the other way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.errors import UsageError

Rate = float | slice
"""One rate, or ``slice(low, high)`` from the first group to the last; ``slice(high)`` gives the others a tenth."""


def _cosine(start: float, stop: float, share: float) -> float:
    return start + (1 - math.cos(math.pi * share)) * (stop - start) / 2


@dataclass(frozen=True)
class OneCycle:
    """A cycle of rates that starts at peak/div, peaks after ``pct_start`` of the steps, and ends at peak/div_final."""

    steps: int
    pct_start: float = 0.25
    div: float = 25.0
    div_final: float = 1e5
    momenta: tuple[float, float, float] = (0.95, 0.85, 0.95)

    def at(self, step: int) -> tuple[float, float]:
        """(factor on the peak rate, momentum) for ``step``, counted from 0."""
        share = step / max(self.steps, 1)
        if share < self.pct_start:
            up = share / self.pct_start
            return _cosine(1 / self.div, 1.0, up), _cosine(self.momenta[0], self.momenta[1], up)
        down = (share - self.pct_start) / max(1 - self.pct_start, 1e-9)
        return _cosine(1.0, 1 / self.div_final, down), _cosine(self.momenta[1], self.momenta[2], down)


def group_rates(rate: Rate, n_groups: int) -> tuple[float, ...]:
    """A peak rate for each group.

    >>> [round(r, 6) for r in group_rates(slice(1e-5, 1e-3), 3)]
    [1e-05, 0.0001, 0.001]
    >>> group_rates(slice(1e-3), 3)
    (0.0001, 0.0001, 0.001)

    Raises:
        UsageError: a rate is not above 0.
    """
    if not isinstance(rate, slice):
        rates: Sequence[float] = [rate] * n_groups
    elif rate.start is None:
        rates = [rate.stop / 10] * (n_groups - 1) + [rate.stop]
    else:
        ratio = rate.stop / rate.start if rate.start else 0
        rates = [rate.start * ratio ** (i / max(n_groups - 1, 1)) for i in range(n_groups)]
    if not all(isinstance(r, int | float) and 0 < r < math.inf for r in rates):
        raise UsageError(f"the learning rate is {rate}; it must be a number above 0, or slice(low, high) of two")
    return tuple(float(r) for r in rates)


@dataclass(frozen=True)
class Phase:
    """Some epochs with the groups before ``frozen_to`` frozen and one cycle of rates, one peak rate a group."""

    epochs: int
    frozen_to: int
    rates: tuple[float, ...]
    pct_start: float = 0.25
    div: float = 25.0
    div_final: float = 1e5

    def cycle(self, steps: int) -> OneCycle:
        return OneCycle(steps, self.pct_start, self.div, self.div_final)
