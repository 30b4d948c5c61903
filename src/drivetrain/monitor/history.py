"""A stream's past in counts: fine where it is recent, coarse where it is long ago, so that its size stays about constant.

Blocks of votes are merged in pairs as they age, as the buckets of an exponential histogram are (Datar, Gionis, Indyk and Motwani
2002): 20,000 votes make about thirty blocks. What came before a change and what came since are then sums of blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..core.types import Facts
from ..core.verdict import Verdict
from .exact import read, written
from .observation import Observation
from .settings import BINS

BLOCK = 16
"""Votes in a block before it is closed."""
SAME_SIZE = 3
"""Blocks of one size that are kept apart."""
MOST_NAMES = 24
"""Labels, or values of one fact, that are counted apart."""
MOST_FACTS = 12
OTHER = "(other)"


@dataclass(slots=True)
class Counts:
    """Counts over some votes of one stream."""

    first: int
    """The number of the first vote, among those of all sources."""
    n: int = 0
    unreadable: int = 0
    refused: int = 0
    with_p: int = 0
    scores: list[int] = field(default_factory=lambda: [0] * BINS)
    """p-values in bins of equal width."""
    confidences: list[int] = field(default_factory=lambda: [0] * BINS)
    """Confidences in the reference's bins."""
    labels: dict[str, int] = field(default_factory=dict)
    facts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Values of each fact that is a text or a whole number."""
    measures: dict[str, list[float]] = field(default_factory=dict)
    """Number, sum and sum of squares of each fact that is a fraction."""

    def take(self, seen: Observation, refused: bool | None, score: float | None, place: int | None) -> None:
        """Count one vote. ``refused`` and ``score`` are None where they are not known; ``place`` is its confidence's bin."""
        self.n += 1
        if seen.verdict is Verdict.UNREADABLE:
            self.unreadable += 1
            return
        if refused is not None:
            self.with_p += 1
            self.refused += refused
        if score is not None:
            self.scores[max(0, min(int(score * BINS), BINS - 1))] += 1
        if place is not None:
            self.confidences[place] += 1
        if seen.label is not None:
            _count(self.labels, seen.label)
        if seen.facts:
            self._take_facts(seen.facts)

    def _take_facts(self, facts: Facts) -> None:
        for name, value in facts.items():
            if isinstance(value, float):
                if value == value and abs(value) < 1e150 and _has_room(self.measures, name):  # NaN is unlike itself
                    sums = self.measures.setdefault(name, [0.0, 0.0, 0.0])
                    sums[0] += 1.0
                    sums[1] += value
                    sums[2] += value * value
            elif _has_room(self.facts, name):
                _count(self.facts.setdefault(name, {}), str(value)[:80])

    def add(self, other: Counts) -> Counts:
        """Add the counts of later votes."""
        self.n += other.n
        self.unreadable += other.unreadable
        self.refused += other.refused
        self.with_p += other.with_p
        self.scores = [a + b for a, b in zip(self.scores, other.scores, strict=True)]
        self.confidences = [a + b for a, b in zip(self.confidences, other.confidences, strict=True)]
        for label, n in other.labels.items():
            _count(self.labels, label, n)
        for name, values in other.facts.items():
            if _has_room(self.facts, name):
                mine = self.facts.setdefault(name, {})
                for value, n in values.items():
                    _count(mine, value, n)
        for name, sums in other.measures.items():
            if _has_room(self.measures, name):
                before = self.measures.get(name, (0.0, 0.0, 0.0))
                self.measures[name] = [a + b for a, b in zip(before, sums, strict=True)]
        return self

    def to_json(self) -> list[Any]:
        """Return the state."""
        measures = {name: written(sums) for name, sums in self.measures.items()}
        numbers = [self.first, self.n, self.unreadable, self.refused, self.with_p]
        return [*numbers, self.scores, self.confidences, self.labels, self.facts, measures]

    @classmethod
    def of_json(cls, state: list[Any]) -> Counts:
        """Go on from a state."""
        first, n, unreadable, refused, with_p, scores, confidences, labels, facts, measures = state
        return cls(
            first,
            n,
            unreadable,
            refused,
            with_p,
            scores=list(scores),
            confidences=list(confidences),
            labels=dict(labels),
            facts={name: dict(values) for name, values in facts.items()},
            measures={name: read(sums) for name, sums in measures.items()},
        )


class History:
    """Blocks of counts, oldest first."""

    __slots__ = ("blocks",)

    def __init__(self, blocks: Iterable[Counts] = ()) -> None:
        self.blocks = list(blocks)

    def open(self, number: int) -> Counts:
        """The block in which the vote ``number`` counts."""
        blocks = self.blocks
        if not blocks or blocks[-1].n >= BLOCK:
            self._merge()
            blocks.append(Counts(number))
        return blocks[-1]

    def _merge(self) -> None:
        """Join the two oldest blocks of every size of which there are too many."""
        blocks = self.blocks
        end = len(blocks)
        while end > SAME_SIZE:
            size = blocks[end - 1].n
            start = end
            while start > 0 and blocks[start - 1].n == size:
                start -= 1
            if end - start <= SAME_SIZE:
                return
            blocks[start : start + 2] = [blocks[start].add(blocks[start + 1])]
            end = start + 1

    def parted(self, number: int) -> tuple[Counts, Counts]:
        """The votes before the one of this number and those from it on, as well as blocks part them.

        A block counts as later where most of it is.
        """
        before, since = Counts(0), Counts(number)
        ends: list[int | None] = [*(block.first for block in self.blocks[1:]), None][: len(self.blocks)]
        for block, end in zip(self.blocks, ends, strict=True):
            is_later = block.first >= number or end is None or end - number > number - block.first
            (since if is_later else before).add(block)
        return before, since

    def total(self) -> Counts:
        """All votes."""
        return self.parted(0)[1]

    def to_json(self) -> list[Any]:
        """Return the state."""
        return [block.to_json() for block in self.blocks]

    @classmethod
    def of_json(cls, state: list[Any]) -> History:
        """Go on from a state."""
        return cls(Counts.of_json(block) for block in state)


def _has_room(table: dict[str, Any], name: str) -> bool:
    return name in table or len(table) < MOST_FACTS


def _count(table: dict[str, int], name: str, n: int = 1) -> None:
    if name not in table and len(table) >= MOST_NAMES:
        name = OTHER
    table[name] = table.get(name, 0) + n
