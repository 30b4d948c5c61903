"""The account of a course beside people only: errors prevented and made, reviews saved, each with its interval or its bounds.

Where a course decides as people did, nothing differs, whoever was right: only cases decided otherwise need their truth.
Shapes: N cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.types import Interval
from ...stats.block_bootstrap import block_mean
from .course import Course
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
    """Of these, people were wrong and the course was right."""
    made: int
    """Of these, people were right and the course was wrong."""
    neither: int
    """Of these, both were wrong."""
    unknown: int
    """Of these, nobody knows who was right."""
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
class Differences:
    """By case, errors of a course less errors of people: −1, 0 or 1; NaN where nobody knows."""

    known_N: NDArray[np.float64]
    lowest_N: NDArray[np.float64]
    highest_N: NDArray[np.float64]
    otherwise_N: NDArray[np.bool_]

    @property
    def estimated_N(self) -> NDArray[np.float64] | None:
        """Differences in which known cases stand for those not known, each with the same weight; None where none is known."""
        unknown_N = np.isnan(self.known_N)
        otherwise, known = int(self.otherwise_N.sum()), int((self.otherwise_N & ~unknown_N).sum())
        if otherwise and not known:
            return None
        weight = otherwise / known if known else 1.0
        return np.where(unknown_N, 0.0, self.known_N * weight)


def differences(course: Course, people: Course, truths: Sequence[str | None]) -> Differences:
    """Compare a course with people, case by case. A decision of nobody ("cannot tell") is not right."""
    rows = [_difference(c, p, t) for c, p, t in zip(course.labels, people.labels, truths, strict=True)]
    known_N, lowest_N, highest_N = np.asarray(rows, np.float64).reshape(len(rows), 3).T
    otherwise_N = np.asarray([c != p for c, p in zip(course.labels, people.labels, strict=True)], np.bool_)
    return Differences(known_N, lowest_N, highest_N, otherwise_N)


def _difference(course: str | None, people: str | None, truth: str | None) -> tuple[float, float, float]:
    if course == people:
        return 0.0, 0.0, 0.0
    if truth is None:
        # Where one of both could not tell, it is wrong whatever is right.
        return np.nan, 0.0 if course is None else -1.0, 0.0 if people is None else 1.0
    found = float(course != truth) - float(people != truth)
    return found, found, found


def account_of(
    course: Course, people: Course, truths: Sequence[str | None], blocks_N: NDArray[np.int64], seed: int
) -> Account:
    """Sum up a course. Its own decisions hang together, so it runs once, and its differences are resampled by blocks."""
    found = differences(course, people, truths)
    estimated_N = found.estimated_N
    unknown_N = np.isnan(found.known_N)
    return Account(
        name=course.name,
        cases=len(course.labels),
        acted=int(course.by_model_N.sum()),
        otherwise=int(found.otherwise_N.sum()),
        prevented=int((found.known_N == -1).sum()),
        made=int((found.known_N == 1).sum()),
        neither=int((found.otherwise_N & (found.known_N == 0)).sum()),
        unknown=int(unknown_N.sum()),
        errors=None if estimated_N is None else block_mean(estimated_N, blocks_N, seed),
        lowest=float(found.lowest_N.mean()),
        highest=float(found.highest_N.mean()),
        reviews=int(course.reviews_N.sum()),
        saved=block_mean((1 - course.reviews_N).astype(np.float64), blocks_N, seed),
    )


def paired(
    one: Course, other: Course, truths: Sequence[str | None], blocks_N: NDArray[np.int64], seed: int
) -> tuple[Interval | None, Interval | None]:
    """The difference between two courses over the same cases, the first less the second: share of errors, reviews a case."""
    estimated_N = differences(one, other, truths).estimated_N
    errors = None if estimated_N is None else block_mean(estimated_N, blocks_N, seed)
    return errors, block_mean((one.reviews_N - other.reviews_N).astype(np.float64), blocks_N, seed)


def blocks_of(cases: Sequence[PastCase]) -> NDArray[np.int64]:
    """Number the blocks of cases that are not independent: those of one group on one day, in UTC; without a group, a day's."""
    names = [(one.case.at.date(), one.case.group) for one in cases]
    numbers = {name: n for n, name in enumerate(dict.fromkeys(names))}
    return np.asarray([numbers[name] for name in names], np.int64)
