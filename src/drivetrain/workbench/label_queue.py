"""The order in which unlabelled items are shown to a person: typical ones first, then those that a label says most about.

Every so many, one is taken at random, from a reserve that nothing else may choose from. Its suggestion is hidden, and what the
model makes of it without having learned from it estimates the accuracy; items chosen for being hard would not. Copies count once:
one item of each group stands for all of it. Shapes: A items, D features, R axes, C classes, M candidates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray, IntArray
from ..curate.diversity import alike_from, typical, unsure, unsure_and_unlike, widest_axes
from ..stats.metrics import Floats

RESERVE_EVERY = 5
"""Every item of this number is from the reserve: 60 labels then hold 12 of it."""

RESERVE_MOST = 400
"""Beyond so many, the interval of the accuracy is ±2 to 3 points, and more labels teach more than they tell."""

# With fewer labels than this, or this many a class, a model's doubts say little: typical items teach more.
COLD_LABELS = 20
COLD_PER_CLASS = 2


class Chosen(StrEnum):
    """The reason why an item is shown."""

    RESERVE = "reserve"
    """At random, to estimate the accuracy."""
    TYPICAL = "typical"
    """Standing for many others, of which none is labelled."""
    UNSURE = "unsure"
    """The model wavers, and no item that is nearly the same is asked together with it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An item to be shown: its row, and why."""

    row: int
    chosen: Chosen


@dataclass(frozen=True, eq=False)
class LabelQueue:
    """The order for one set of items; everything random in it follows from ``seed``."""

    features_AD: FloatArray
    """The features, of unit length."""
    groups_A: IntArray
    seed: int = 0
    is_taught: bool = False
    """Tells whether the model has learned from other items, so that its doubts mean something from the start."""
    reserve: tuple[int, ...] = field(init=False)
    """Rows of the reserve, in the order in which they are shown: a random sample of all groups, one item of each."""
    _axes_AR: FloatArray = field(init=False)
    _first_A: NDArray[np.bool_] = field(init=False)
    _alike: float = field(init=False)

    def __post_init__(self) -> None:
        random = np.random.default_rng(self.seed)
        shuffled = random.permutation(len(self.groups_A))
        _, first = np.unique(self.groups_A[shuffled], return_index=True)
        # A group of many copies is no likelier to be drawn than one item by itself.
        rows = random.permutation(shuffled[first])
        most = min(RESERVE_MOST, max(1, len(rows) // RESERVE_EVERY))
        first_A = np.zeros(len(self.groups_A), np.bool_)
        first_A[rows] = True
        object.__setattr__(self, "reserve", tuple(rows[:most].tolist()))
        object.__setattr__(self, "_first_A", first_A)
        object.__setattr__(self, "_axes_AR", widest_axes(self.features_AD))
        object.__setattr__(self, "_alike", alike_from(self.features_AD))

    @property
    def size(self) -> int:
        """The number of items to label, copies counted once."""
        return int(self._first_A.sum())

    def following(
        self, count: int, labelled: Collection[int], passed: Collection[int], probs_AC: Floats | None
    ) -> tuple[Asked, ...]:
        """Choose what to show next, at most ``count`` items.

        ``labelled`` rows have a label; ``passed`` ones were skipped, left out, or are on some screen already. ``probs_AC`` are
        the answers of the model so far, None where there is none.
        """
        done = {*labelled, *passed}
        done_groups = np.unique(self.groups_A[np.fromiter(done, np.intp, len(done))])
        free_A = self._first_A & ~np.isin(self.groups_A, done_groups)
        shown = len(labelled) + len(passed)
        reserve = iter([row for row in self.reserve if free_A[row]])
        free_A[list(self.reserve)] = False
        due = [(shown + place) % RESERVE_EVERY == RESERVE_EVERY - 1 for place in range(count)]
        drawn = [row for _, row in zip(range(sum(due)), reserve, strict=False)]
        others = self._taught_most(count - len(drawn), free_A, labelled, probs_AC)
        if len(others) < count - len(drawn):  # nothing else is left
            others += [Asked(row, Chosen.RESERVE) for _, row in zip(range(count), reserve, strict=False)]
        return tuple(_woven(due, drawn, others))[:count]

    def _taught_most(
        self, count: int, free_A: NDArray[np.bool_], labelled: Collection[int], probs_AC: Floats | None
    ) -> list[Asked]:
        few = 0 if probs_AC is None or self.is_taught else max(COLD_LABELS, COLD_PER_CLASS * probs_AC.shape[1])
        if probs_AC is None or len(labelled) < few:
            rows = typical(self._axes_AR, sorted(labelled), free_A, count, self.seed + len(labelled))
            return [Asked(row, Chosen.TYPICAL) for row in rows]
        candidates = np.flatnonzero(free_A)
        worth_M = unsure(probs_AC[candidates])
        picked = unsure_and_unlike(worth_M, self.features_AD[candidates], count, self._alike)
        return [Asked(int(candidates[row]), Chosen.UNSURE) for row in picked]


def _woven(due: list[bool], drawn: list[int], others: list[Asked]) -> Iterator[Asked]:
    """Put the reserve's items where they are due, and the others between them; whichever is used up, the other goes on."""
    of_reserve, of_others = iter(drawn), iter(others)
    for is_due in due:
        row = next(of_reserve, None) if is_due else None
        if row is not None:
            yield Asked(row, Chosen.RESERVE)
        elif (one := next(of_others, None)) is not None:
            yield one
    yield from of_others
