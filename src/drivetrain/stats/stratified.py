"""The share of a set that is wrong, from random samples of its parts.

Each part's share has its exact interval (Clopper and Pearson 1934), and that of the whole is made of these by the method of
variance estimates recovery (Zou and Donner 2008, "Construction of confidence limits about effect measures"). A part that was
looked at throughout is known, and widens nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.types import Interval
from .metrics import clopper_pearson

TAIL = 0.025
METHOD = "95 %, from Clopper–Pearson limits of each part (Zou and Donner)"


@dataclass(frozen=True)
class Stratum:
    """A part of a set of which some members, drawn at random, were looked at."""

    size: int
    looked_at: int
    wrong: int

    @property
    def share(self) -> Interval | None:
        """The share that is wrong; None where nobody has looked at any."""
        if self.size == 0 or self.looked_at >= self.size:
            known = self.wrong / self.size if self.size else 0.0
            return Interval(known, known, known, "all were looked at")
        return None if self.looked_at == 0 else clopper_pearson(self.wrong, self.looked_at, TAIL)


def share_of_all(strata: Sequence[Stratum]) -> Interval | None:
    """The share of the whole that is wrong; None where nobody has looked at any member of a part.

    >>> found = share_of_all([Stratum(100, 100, 60), Stratum(900, 100, 0)])
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (0.06, 0.06, 0.093)
    """
    total = sum(stratum.size for stratum in strata)
    if total == 0:
        return None
    shares = [stratum.share for stratum in strata]
    known = [(stratum.size / total, share) for stratum, share in zip(strata, shares, strict=True) if share is not None]
    if len(known) < len(shares):
        return None
    value = sum(weight * share.value for weight, share in known)
    below = math.hypot(*(weight * (share.value - share.low) for weight, share in known))
    above = math.hypot(*(weight * (share.high - share.value) for weight, share in known))
    return Interval(value, max(value - below, 0.0), min(value + above, 1.0), METHOD)
