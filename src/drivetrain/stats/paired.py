"""The difference of two shares found on the same items, with an interval that holds also where few items differ."""

from __future__ import annotations

import math

from scipy.optimize import brentq

from ..core.types import Interval
from .metrics import Z_95

# Where only some five items differ, the plain interval misses in 6 to 7 % of samples (simulated); with half an item less of
# distance it misses in at most 5 % throughout.
CONTINUITY = 0.5

METHOD = "Tango's score interval with continuity correction, 95 %"


def paired_shares(gained: float, lost: float, n: float) -> Interval:
    """The share after less the share before, of ``n`` independent items: ``gained`` are right only after, ``lost`` only before.

    Tango's score interval (1998, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design"), with a continuity correction: the differences that a score test at 5 % would not reject. Counts may be
    fractional, those that weighted items are worth.

    >>> found = paired_shares(6, 1, 400)
    >>> f"{found.value:.4f} ({found.low:.4f} to {found.high:.4f})"
    '0.0125 (-0.0024 to 0.0318)'
    """
    value = (gained - lost) / n
    return Interval(value, _limit(gained, lost, n, value, -1.0), _limit(gained, lost, n, value, 1.0), METHOD)


def _limit(gained: float, lost: float, n: float, inner: float, outer: float) -> float:
    """The farthest difference from ``inner``, the one found, towards ``outer`` that a score test would not reject."""

    def beyond(difference: float) -> float:
        return abs(score(gained, lost, n, difference)) - Z_95

    return outer if inner == outer or beyond(outer) <= 0 else float(brentq(beyond, inner, outer, xtol=1e-10))


def score(gained: float, lost: float, n: float, difference: float) -> float:
    """The score statistic of a difference: how many standard errors the data lie from it, where it holds."""
    if abs(difference) >= 1:
        return math.copysign(math.inf, -difference) if (gained - lost) != n * difference else 0.0
    b = (2 * n + lost - gained) * difference - gained - lost
    c = -lost * difference * (1 - difference)
    only_before = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * only_before + difference * (1 - difference))
    distance = gained - lost - n * difference
    distance = math.copysign(max(abs(distance) - CONTINUITY, 0.0), distance)
    return (
        distance / math.sqrt(variance) if variance > 1e-12 else math.copysign(math.inf, distance) if distance else 0.0
    )
