"""Cohen's kappa: the agreement of two people beyond what chance would give, with its interval.

Cohen 1960, "A coefficient of agreement for nominal scales"; the variance is that of Fleiss, Cohen and Everitt 1969, "Large
sample standard errors of kappa and weighted kappa".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

NORMAL_95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement of two people on the same cases."""

    value: float
    low: float
    high: float
    """The ends of the interval of 95 %, by the large-sample variance."""
    n: int
    agreed: int


def kappa(pairs: Mapping[tuple[str, str], int]) -> Kappa | None:
    """Return Cohen's kappa of a table of pairs of labels; None where it has no meaning: both always gave one and the same label.

    >>> table = {("a", "a"): 20, ("a", "b"): 5, ("b", "a"): 10, ("b", "b"): 15}
    >>> found = kappa(table)
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (0.4, 0.151, 0.649)
    """
    n = sum(pairs.values())
    first: Counter[str] = Counter()
    second: Counter[str] = Counter()
    for (one, other), times in pairs.items():
        first[one] += times
        second[other] += times
    agreed = sum(times for (one, other), times in pairs.items() if one == other)
    if n == 0:
        return None
    by_chance = sum(first[label] * second[label] for label in first) / n**2
    if by_chance >= 1.0:
        return None
    seen = agreed / n
    value = (seen - by_chance) / (1 - by_chance)
    spread = NORMAL_95 * math.sqrt(_variance(pairs, first, second, n, seen, by_chance))
    return Kappa(value, max(-1.0, value - spread), min(1.0, value + spread), n, agreed)


def _variance(
    pairs: Mapping[tuple[str, str], int],
    first: Mapping[str, int],
    second: Mapping[str, int],
    n: int,
    seen: float,
    by_chance: float,
) -> float:
    """The large-sample variance, whose labels' shares are ``first`` (rows) and ``second`` (columns)."""
    rest = 1 - by_chance
    on = off = 0.0
    for (one, other), times in pairs.items():
        share = times / n
        if one == other:
            on += share * (rest - (first[one] + second[one]) / n * (1 - seen)) ** 2
        else:
            off += share * ((second[one] + first[other]) / n) ** 2
    last = (seen * by_chance - 2 * by_chance + seen) ** 2
    return max(0.0, (on + (1 - seen) ** 2 * off - last) / (n * rest**4))
