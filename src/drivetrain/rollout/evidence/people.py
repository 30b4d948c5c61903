"""People's own errors: where two decide the same case blind, on seeded cases, and how often each overrides proposals."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Self

from ...stats.kappa import Kappa, kappa
from .adjudicators import Adjudicators
from .judged import person
from .rates import Rate
from .resolved import Resolved

MOST_PEOPLE = 1_000
"""The people that are told apart; those that come later share `OTHERS`."""
OTHERS = "(others)"


class People:
    """The agreement and errors of people by themselves."""

    __slots__ = ("both_wrong", "overrides", "pairs", "seeded", "seeded_by", "wrong")

    def __init__(self) -> None:
        self.pairs: Counter[tuple[str, str]] = Counter()
        """Labels of the first and the second who decided the same case."""
        self.seeded = Rate()
        """Decisions on cases whose right answer was known, and the wrong ones among them."""
        self.seeded_by: dict[str, Rate] = {}
        self.overrides: dict[str, Rate] = {}
        """Proposals answered, and overridden, by person."""
        self.wrong = Rate()
        """Blind decisions on which both agree or that somebody checked, and those that were found wrong."""
        self.both_wrong = Rate()
        """Cases on which both agree and which were adjudicated all the same, and those where both were wrong."""

    def take(self, resolved: Resolved) -> None:
        """Take what a final case says about people; the order does not matter."""
        if len(resolved.decisions) > 1:
            first, second = resolved.decisions[0].label, resolved.decisions[1].label
            if first is not None and second is not None:
                self.pairs[first, second] += 1
        if resolved.known is not None:
            self._seeded(resolved)
        elif resolved.confirmed is not None:
            _of(self.overrides, resolved.confirmed.by).take(resolved.confirmed.label != resolved.came.label)
        self._wrong(resolved)

    def _seeded(self, resolved: Resolved) -> None:
        told = [*resolved.decisions, *(() if resolved.confirmed is None else (resolved.confirmed,))]
        for one in told:
            wrong = one.label != resolved.known
            self.seeded.take(wrong)
            _of(self.seeded_by, one.by).take(wrong)

    def _wrong(self, resolved: Resolved) -> None:
        human = person(resolved)
        if human is None or resolved.came.draw.seeded:
            return
        right = resolved.outcome
        if right is None and resolved.adjudications:
            right = resolved.adjudications[0].label
        agreed = human == resolved.came.label
        if right is not None and agreed:
            self.both_wrong.take(human != right)
        if right is not None or agreed:
            self.wrong.take(right is not None and human != right)

    @property
    def agreement(self) -> Kappa | None:
        """Cohen's kappa of those who decided the same cases; None: too little to say."""
        return kappa(self.pairs)

    @property
    def error_by_pairs(self) -> float | None:
        """The error of one person, were errors independent and each time the same other answer; None: no pair yet."""
        n = sum(self.pairs.values())
        if not n:
            return None
        differing = sum(times for (first, second), times in self.pairs.items() if first != second)
        return (1 - math.sqrt(max(0.0, 1 - 2 * differing / n))) / 2

    def summary(self, adjudicators: Adjudicators) -> dict[str, Any]:
        """Return what a status shows of people: agreement and errors, each with the cases that it rests on."""
        agreement = self.agreement
        pairs = sum(self.pairs.values())
        return {
            "decided_twice": {
                "n": pairs,
                "agreed": sum(times for (first, second), times in self.pairs.items() if first == second),
                "kappa": None if agreement is None else agreement.value,
                "low": None if agreement is None else agreement.low,
                "high": None if agreement is None else agreement.high,
                "error": self.error_by_pairs,
            },
            "adjudicated_twice": {
                "n": adjudicators.pairs,
                "disagreed": adjudicators.disagreed,
                "error": adjudicators.error,
                "error_upper": adjudicators.error_upper(0.05) if adjudicators.pairs else None,
            },
            "seeded": _shown(self.seeded),
            "seeded_by": {by: _shown(rate) for by, rate in self.seeded_by.items()},
            "overrides_by": {by: _shown(rate) for by, rate in self.overrides.items()},
            "found_wrong": _shown(self.wrong),
            "both_wrong": _shown(self.both_wrong),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "pairs": [[first, second, times] for (first, second), times in self.pairs.items()],
            "seeded": _written(self.seeded),
            "seeded_by": {by: _written(rate) for by, rate in self.seeded_by.items()},
            "overrides": {by: _written(rate) for by, rate in self.overrides.items()},
            "wrong": _written(self.wrong),
            "both_wrong": _written(self.both_wrong),
        }

    @classmethod
    def of_json(cls, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        people = cls()
        people.pairs = Counter({(first, second): times for first, second, times in state["pairs"]})
        people.seeded, people.wrong = Rate(*state["seeded"]), Rate(*state["wrong"])
        people.both_wrong = Rate(*state["both_wrong"])
        people.seeded_by = {by: Rate(*kept) for by, kept in state["seeded_by"].items()}
        people.overrides = {by: Rate(*kept) for by, kept in state["overrides"].items()}
        return people


def _of(rates: dict[str, Rate], by: str) -> Rate:
    if by not in rates and len(rates) >= MOST_PEOPLE:
        by = OTHERS
    return rates.setdefault(by, Rate())


def _shown(rate: Rate) -> dict[str, Any]:
    known = rate.value is not None
    return {
        "hits": rate.hits,
        "n": rate.n,
        "value": rate.value,
        "lower": rate.lower(0.025) if known else None,
        "upper": rate.upper(0.025) if known else None,
    }


def _written(rate: Rate) -> list[int]:
    return [rate.hits, rate.n]
