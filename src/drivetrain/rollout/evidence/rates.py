"""The rates of one stage or step: what came, what lay outside the domain, how long answers took, what people overrode."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Self

from ...stats.betting import FARTHEST, rate_below, rate_lower, rate_upper, times_needed

FIRST_S = 1e-4
PER_FACTOR_10 = 40
"""Bins of latency to each factor of ten: one is 6 % wide."""


@dataclass(slots=True)
class Rate:
    """Hits among what was seen."""

    hits: int = 0
    n: int = 0

    def take(self, hit: bool) -> None:
        """Take one observation."""
        self.hits += hit
        self.n += 1

    @property
    def value(self) -> float | None:
        """The share of hits; None: nothing was seen."""
        return self.hits / self.n if self.n else None

    def upper(self, alpha: float) -> float:
        """Return the upper bound, valid at all times together."""
        return rate_upper(self.hits, self.n, alpha)

    def lower(self, alpha: float) -> float:
        """Return the lower bound, valid at all times together."""
        return rate_lower(self.hits, self.n, alpha)

    def expected_more(self, most: float, alpha: float) -> int | None:
        """Return the observations still to be expected until the upper bound is at most ``most``; None: never so."""
        seen = self.hits + 0.5, self.n + 0.5

        def at(times: float) -> float:
            return float(rate_below(seen[0] * times, seen[1] * times, most))

        times = times_needed(at, alpha, FARTHEST) if self.n and 0 < most < 1 else None
        return None if times is None else max(1, math.ceil(self.n * (times - 1)))


@dataclass(slots=True)
class Latency:
    """A histogram of the seconds that answers took, in bins of equal ratio."""

    bins: dict[int, int] = field(default_factory=dict)
    n: int = 0

    def take(self, seconds: float) -> None:
        """Take one answer."""
        place = 0 if seconds <= FIRST_S else math.ceil(PER_FACTOR_10 * math.log10(seconds / FIRST_S) - 1e-9)
        self.bins[place] = self.bins.get(place, 0) + 1
        self.n += 1

    def within_s(self, share: float) -> float | None:
        """Return the time within which a share of answers came, rounded up to the end of its bin; None: none came.

        >>> latency = Latency()
        >>> for seconds in (0.1, 0.1, 0.1, 2.0):
        ...     latency.take(seconds)
        >>> round(latency.within_s(0.75), 3), round(latency.within_s(0.95), 2)
        (0.1, 2.11)
        """
        needed, seen = share * self.n, 0
        for place in sorted(self.bins):
            seen += self.bins[place]
            if seen >= needed - 1e-9:
                return FIRST_S * 10 ** (place / PER_FACTOR_10)
        return None


@dataclass(slots=True)
class Rates:
    """The rates of all cases together, or of one slice."""

    cases: int = 0
    """Units that came: a group once."""
    out_of_domain: Rate = field(default_factory=Rate)
    latency: Latency = field(default_factory=Latency)
    overridden: Rate = field(default_factory=Rate)
    """Proposals that a person answered, and those among them that were overridden or that the person could not tell."""
    differed: Rate = field(default_factory=Rate)
    """Blind decisions on cases that would have been proposed, and those among them that differ from the model's answer."""
    audits: int = 0
    """Cases of this stage and step that were released as evidence."""

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "cases": self.cases,
            "out_of_domain": [self.out_of_domain.hits, self.out_of_domain.n],
            "latency": [[place, times] for place, times in self.latency.bins.items()],
            "overridden": [self.overridden.hits, self.overridden.n],
            "differed": [self.differed.hits, self.differed.n],
            "audits": self.audits,
        }

    @classmethod
    def of_json(cls, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        bins: dict[int, int] = dict(state["latency"])
        return cls(
            cases=state["cases"],
            out_of_domain=Rate(*state["out_of_domain"]),
            latency=Latency(bins, sum(bins.values())),
            overridden=Rate(*state["overridden"]),
            differed=Rate(*state["differed"]),
            audits=state["audits"],
        )
