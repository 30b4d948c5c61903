"""The account of a course beside people only: errors prevented and made, reviews saved, each with its interval or its bounds.

Where a course decides as people did, nothing differs, whoever was right: only cases decided otherwise need their truth.
Shapes: N cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.types import Interval
from ...stats.block_bootstrap import block_mean
from .course import Course, people_only
from .past import PastCase


@dataclass(frozen=True)
class Account:
    """A course against people only, over all of its cases."""

    name: str
    cases: int
    acted: int
    """Cases that the model decided without a person."""
    otherwise: int
    """Cases decided otherwise than people did."""
    prevented: int
    """Cases in which people were wrong and the course was right."""
    made: int
    """Cases in which people were right and the course was wrong."""
    neither: int
    """Cases decided otherwise in which both were wrong, or neither was."""
    unknown: int
    """Cases decided otherwise in which nobody knows who was right."""
    errors: Interval | None
    """The difference of the shares of wrong decisions, course less people; below 0: fewer errors. None where blocks are too
    few, or the truth of no case is known that was decided otherwise. Where it is known of a part, that part stands for all."""
    lowest: float
    """The least that the difference can be, were the course right in every case of unknown truth."""
    highest: float
    """The most, were people right in all of them."""
    reviews: int
    """Reviews that the course asks people for."""
    saved: Interval | None
    """Reviews saved a case: 1 less those asked for; negative where audits and adjudications ask for more. None where blocks are
    too few."""

    @property
    def saved_a_case(self) -> float:
        """Reviews saved a case."""
        return 1 - self.reviews / self.cases

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**own, "errors": interval_json(self.errors), "saved": interval_json(self.saved)}


def interval_json(interval: Interval | None) -> dict[str, float] | None:
    """Return an interval as plain data; None stays None."""
    return None if interval is None else {"value": interval.value, "low": interval.low, "high": interval.high}


@dataclass(frozen=True, eq=False)
class Ground:
    """The cases that courses are compared on, and what is known of them."""

    cases: tuple[PastCase, ...]
    truths: tuple[str | None, ...]
    """The right answers; None: unknown."""
    seed: int = 0

    @cached_property
    def people(self) -> Course:
        """The course of people only."""
        return people_only(self.cases)

    @cached_property
    def blocks_N(self) -> NDArray[np.int64]:
        """The blocks that are resampled."""
        return blocks_of(self.cases)

    def take(self, rows: Sequence[int]) -> Ground:
        """Return some of the cases."""
        return Ground(tuple(self.cases[n] for n in rows), tuple(self.truths[n] for n in rows), self.seed)


@dataclass(frozen=True, eq=False)
class Differences:
    """By case, errors of one course less errors of another: −1, 0 or 1."""

    known_N: NDArray[np.float64]
    """NaN where nobody knows."""
    lowest_N: NDArray[np.float64]
    highest_N: NDArray[np.float64]
    otherwise_N: NDArray[np.bool_]
    """Tells where the two decided differently."""
    pools_N: NDArray[np.int64]
    """0: nothing can differ; 1: decided otherwise; 2: decided by the model in the log, so that people's decision is known only
    of audits. Known cases of a pool stand for its unknown ones."""

    @property
    def estimated_N(self) -> NDArray[np.float64] | None:
        """Differences in which known cases are weighted so that they stand for their pool; None where none of a pool is known."""
        estimated_N, unknown_N = np.zeros(len(self.known_N)), np.isnan(self.known_N)
        for pool in (1, 2):
            known_N = (self.pools_N == pool) & ~unknown_N
            total, known = int((self.pools_N == pool).sum()), int(known_N.sum())
            if total and not known:
                return None
            if known:
                estimated_N[known_N] = self.known_N[known_N] * (total / known)
        return estimated_N


def differences(one: Course, other: Course, ground: Ground) -> Differences:
    """Compare two courses, case by case. Somebody who cannot tell makes no error, as the gates have it, too."""
    known, pools = [], []
    for a, b, truth, case in zip(one.labels, other.labels, ground.truths, ground.cases, strict=True):
        # People's decision of a case that nobody looked at is not known.
        missing = case.decided is None and (one is ground.people or other is ground.people)
        known.append((np.nan, -1.0, 1.0) if missing else _difference(a, b, truth))
        pools.append(2 if case.acted else int(a != b or missing))
    known_N, lowest_N, highest_N = np.asarray(known, np.float64).reshape(len(known), 3).T
    otherwise_N = np.asarray([a != b for a, b in zip(one.labels, other.labels, strict=True)], np.bool_)
    return Differences(known_N, lowest_N, highest_N, otherwise_N, np.asarray(pools, np.int64))


def _difference(one: str | None, other: str | None, truth: str | None) -> tuple[float, float, float]:
    if one == other:
        return 0.0, 0.0, 0.0
    if truth is None:
        return np.nan, 0.0 if other is None else -1.0, 0.0 if one is None else 1.0
    found = float(_wrong(one, truth)) - float(_wrong(other, truth))
    return found, found, found


def _wrong(label: str | None, truth: str) -> bool:
    return label is not None and label != truth


def account_of(course: Course, ground: Ground) -> Account:
    """Sum up a course. Its own decisions hang together, so it runs once, and its differences are resampled by blocks."""
    found = differences(course, ground.people, ground)
    estimated_N = found.estimated_N
    return Account(
        name=course.name,
        cases=len(course.labels),
        acted=int(course.by_model_N.sum()),
        otherwise=int(found.otherwise_N.sum()),
        prevented=int((found.known_N == -1).sum()),
        made=int((found.known_N == 1).sum()),
        neither=int((found.otherwise_N & (found.known_N == 0)).sum()),
        unknown=int(np.isnan(found.known_N).sum()),
        errors=None if estimated_N is None else block_mean(estimated_N, ground.blocks_N, ground.seed),
        lowest=float(found.lowest_N.mean()),
        highest=float(found.highest_N.mean()),
        reviews=int(course.reviews_N.sum()),
        saved=block_mean((1 - course.reviews_N).astype(np.float64), ground.blocks_N, ground.seed, rare=False),
    )


def paired(one: Course, other: Course, ground: Ground) -> tuple[Interval | None, Interval | None]:
    """The difference between two courses over the same cases, the first less the second: share of errors, reviews a case."""
    estimated_N = differences(one, other, ground).estimated_N
    reviews_N = (one.reviews_N - other.reviews_N).astype(np.float64)
    errors = None if estimated_N is None else block_mean(estimated_N, ground.blocks_N, ground.seed)
    return errors, block_mean(reviews_N, ground.blocks_N, ground.seed, rare=False)


def blocks_of(cases: Sequence[PastCase]) -> NDArray[np.int64]:
    """Number the blocks of cases that are not independent: those of one group on one day, in UTC; without a group, a day's."""
    names = [(one.case.at.date(), one.case.group) for one in cases]
    numbers = {name: n for n, name in enumerate(dict.fromkeys(names))}
    return np.asarray([numbers[name] for name in names], np.int64)
