"""A learning rate to start from: raise it until training falls apart, and look at where the loss fell.

Smith 2015 (arXiv 1506.01186); the two suggestions as in fastai.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .plot import Line, chart
from .recorder import smooth

# Past this multiple of the best smoothed loss there is nothing left to see.
FALLEN_APART = 4.0


@dataclass(frozen=True, repr=False)
class RateSearch:
    """The rates tried with the smoothed loss of each; ``valley`` is the suggestion, ``steep`` another one."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    valley: float
    steep: float

    @property
    def suggestion(self) -> float:
        """The rate to pass as ``lr_max``."""
        return self.valley

    def plot(self) -> str:
        """Draw as SVG the smoothed loss over the rate, with a dot at the suggestion."""
        return chart([Line("loss", self.rates, self.losses, mark=self.valley)], "learning rate", "loss", log_x=True)

    def __repr__(self) -> str:
        return f"<suggested rate {self.valley:.2g} (steepest at {self.steep:.2g}), from {len(self.rates)} steps>"

    def _repr_svg_(self) -> str:
        return self.plot()


def search(step: Callable[[float], float], steps: int, low: float, high: float) -> RateSearch:
    """Train ``steps`` steps at rates growing from ``low`` to ``high``; ``step(rate)`` makes one and gives its loss."""
    rates: list[float] = []
    losses: list[float] = []
    for rate in _ramp(steps, low, high):
        loss = step(rate)
        if not math.isfinite(loss):
            break
        rates.append(rate)
        losses.append(loss)
        smoothed = smooth(losses)
        if len(losses) > steps // 10 and smoothed[-1] > FALLEN_APART * min(smoothed):
            break
    smoothed = smooth(losses)
    # Losses are cut as in fastai: the first tenth is still warming up, the last five have fallen apart.
    first, last = len(rates) // 10, max(len(rates) - 5, len(rates) // 10 + 2)
    seen_rates, seen = rates[first:last], smoothed[first:last]
    return RateSearch(tuple(rates), tuple(smoothed), valley(seen_rates, seen), steepest(seen_rates, seen))


def _ramp(steps: int, low: float, high: float) -> Iterator[float]:
    return (low * (high / low) ** (i / max(steps - 1, 1)) for i in range(steps))


def valley(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Find the rate half way down the longest fall: the middle of the longest decreasing subsequence, by index."""
    n = len(losses)
    length, before = [1] * n, [-1] * n
    for i in range(n):
        for j in range(i):
            if losses[j] > losses[i] and length[j] + 1 > length[i]:
                length[i], before[i] = length[j] + 1, j
    if not n:
        return math.nan
    end = max(range(n), key=lambda i: length[i])
    chain = [end]
    while before[chain[-1]] >= 0:
        chain.append(before[chain[-1]])
    return rates[chain[len(chain) // 2]]


def steepest(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Find the rate where the loss falls fastest, over the logarithm of the rate."""
    if len(losses) < 2:
        return rates[0] if rates else math.nan
    falls = [
        (losses[i + 1] - losses[i]) / (math.log(rates[i + 1]) - math.log(rates[i])) for i in range(len(losses) - 1)
    ]
    return rates[min(range(len(falls)), key=lambda i: falls[i])]
