"""The upshot of an audit: how many labels of a set are wrong, what looking further would find, and whether it is worth it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.types import Interval
from ..draw.numbers import between, percent
from ..stats.stratified import Stratum, share_of_all
from .audit import Answers

LOOKS = 50
"""The looks ahead of which is said what they would find."""

WORTH = 0.1
"""Looking on is worth it while at least this share of the next looks is expected to find a wrong label."""

FEWEST = 30
"""With fewer answers of items that nobody suspects, nothing is said about going on."""


@dataclass(frozen=True)
class Estimate:
    """An audit's answers, reckoned up."""

    answers: Answers
    rate: Interval | None
    """The share of wrong labels in the set; None where one of its parts has no answer yet."""
    suspects: Interval | None
    """The share of suspects that are wrong."""
    others: Interval | None
    """The share of the other items that are wrong."""
    next_looks: int
    """The looks that `expected` is about: `LOOKS`, or fewer where fewer items are left."""
    expected: Interval | None
    """The wrong labels that these are expected to find."""
    go_on: bool | None
    """Tells whether to look further; None while too little is known."""

    @classmethod
    def of(cls, answers: Answers, left: tuple[int, int]) -> Estimate:
        """Reckon. ``left``: suspects and other items that no person has looked at yet, now."""
        suspects, others = answers.suspects, answers.others
        rate = share_of_all([part for part in (suspects, others) if part.size])
        first = min(left[0], LOOKS)
        second = min(left[1], LOOKS - first)
        expected = _expected(((first, suspects), (second, others)))
        go_on = None
        if expected is not None and (others.looked_at >= min(FEWEST, others.size)):
            go_on = first + second > 0 and expected.value >= WORTH * (first + second)
        return cls(answers, rate, suspects.share, others.share, first + second, expected, go_on)

    def sentences(self) -> list[str]:
        """Say what is known, for people."""
        told = len(self.answers.wrong)
        first = f"{told} of {told + len(self.answers.open)} items of the audit are answered"
        if self.rate is None:
            return [f"{first}; answer items of both parts of the set to learn how many of its labels are wrong"]
        found = [
            f"{first}: about {percent(self.rate.value)} of the labels are wrong ({between(self.rate.low, self.rate.high)}, 95 %)"
        ]
        if self.others is not None and self.answers.others.size:
            found.append(
                f"of the items that nobody suspects {percent(self.others.value)} are wrong "
                f"({between(self.others.low, self.others.high)})"
            )
        return [*found, self._advice()]

    def _advice(self) -> str:
        if self.go_on is None or self.expected is None:
            return "too few answers yet to say whether to go on; answer the rest of the audit"
        if self.next_looks == 0:
            return "stop here: a person has looked at everything"
        looks, found = counted(self.next_looks, "look"), counted(round(self.expected.value), "wrong label")
        finds = f"the next {looks} will find about {found} ({self.expected.low:.0f} to {self.expected.high:.0f})"
        return f"go on: {finds}" if self.go_on else f"stop here: {finds}"

    def to_json(self) -> dict[str, Any]:
        """Return the document of an audit."""
        return {
            "drawn": len(self.answers.audit.items),
            "answered": len(self.answers.wrong),
            "error_rate": _json(self.rate),
            "suspects": _part(self.answers.suspects, self.suspects),
            "others": _part(self.answers.others, self.others),
            "next_looks": self.next_looks,
            "expected": _json(self.expected),
            "go_on": self.go_on,
            "text": self.sentences(),
        }


def _expected(parts: tuple[tuple[int, Stratum], ...]) -> Interval | None:
    """Return how many wrong labels so many looks at each part find, if they are as those that were drawn."""
    from scipy.stats import binom

    value = low = high = 0.0
    for looks, part in parts:
        if looks == 0:
            continue
        share = part.share
        if share is None:
            return None
        value += looks * share.value
        low += float(binom.ppf(0.025, looks, share.low)) if share.low > 0 else 0.0
        high += float(binom.ppf(0.975, looks, share.high))
    return Interval(value, min(low, value), max(high, value), "95 %, the share's interval and chance together")


def counted(count: int, one: str) -> str:
    """Write a number of things."""
    return f"{count} {one}{'' if count == 1 else 's'}"


def _json(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {"value": interval.value, "low": interval.low, "high": interval.high, "method": interval.method}


def _part(part: Stratum, share: Interval | None) -> dict[str, Any]:
    return {"size": part.size, "answered": part.looked_at, "wrong": part.wrong, "error_rate": _json(share)}
