"""An e-CUSUM: the largest evidence that any process begun up to now has, which latches a change and estimates when it began.

M ← max(M, 1) · L with e-values L (expectation at most 1 under the null hypothesis, whatever went before). M is at most the
Shiryaev–Roberts sum, so that the mean time to a false alarm at level A is at least A observations (Shin, Ramdas and Rinaldo
2023, "E-detectors"). The observation after M was last at or below 1 is the maximum-likelihood estimate of the change
(Page 1954, "Continuous inspection schemes").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Mark = TypeVar("Mark")


def step(value: float, factor: float) -> float:
    """M ← max(M, 1) · L.

    >>> step(0.2, 3.0), step(2.0, 3.0)
    (3.0, 6.0)
    """
    return (value if value > 1.0 else 1.0) * factor


def run(value: float, began: Mark | None, factor: float, mark: Mark) -> tuple[float, Mark]:
    """The statistic after one observation, and the mark of the observation with which its present run began.

    >>> run(0.5, "a", 2.0, "b"), run(1.5, "a", 2.0, "b")
    ((2.0, 'b'), (3.0, 'a'))
    """
    if value > 1.0 and began is not None:
        return value * factor, began
    return factor, mark


def mean(values: Sequence[float]) -> float:
    """The mean over alternatives, which keeps the mean time to a false alarm."""
    return sum(values) / len(values)
