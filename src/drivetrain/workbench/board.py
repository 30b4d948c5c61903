"""The items of a surveyed set as they lie in the source, each under a key that an address can hold. Shapes: N items."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..core.types import IntArray, Item, ItemFacts
from ..data.edits.edit import Standing
from .survey import Survey

KEY_BYTES = 9
"""Bytes of a key: among a million names the chance that two share one is 1 in ten thousand million."""


def key_of(name: str) -> str:
    """The key of an item of that name: the same in every session.

    >>> key_of("grizzly/00000007.jpg")
    'f15cb408e864f69f67'
    """
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).hexdigest()


@dataclass(frozen=True, eq=False)
class Board:
    """The usable items, a row each, as the source has them: no edit has touched these."""

    items: tuple[Item, ...]
    facts: tuple[ItemFacts, ...]
    groups_N: IntArray
    """Items of one group are copies, or belong together otherwise."""

    @classmethod
    def of(cls, survey: Survey) -> Board:
        """The board of what was surveyed. An item read has its target in words for people; here it is written in full."""
        items, targets = survey.sample.items, survey.sample.targets
        if targets.delimited:
            names = np.asarray(targets.names, object)
            labels = [tuple(names[values > 0]) for values in targets.values]
            items = tuple(replace(item, labels=own) for item, own in zip(items, labels, strict=True))
        elif not targets.counted:
            texts = [", ".join(map(_in_full, values)) for values in targets.values]
            items = tuple(replace(item, label=text) for item, text in zip(items, texts, strict=True))
        return cls(items, survey.chosen.embeddings.facts, survey.sample.groups_N)

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The key of each row."""
        return tuple(key_of(item.name) for item in self.items)

    @cached_property
    def rows_by_key(self) -> dict[str, int]:
        """The row of each key."""
        return {key: row for row, key in enumerate(self.keys)}

    @cached_property
    def rows_by_name(self) -> dict[str, int]:
        """The row of each name."""
        return {item.name: row for row, item in enumerate(self.items)}

    @cached_property
    def rows_in_order(self) -> tuple[int, ...]:
        """All rows, by name."""
        return tuple(sorted(range(len(self.items)), key=lambda row: self.items[row].name))

    @cached_property
    def rows_by_sha256(self) -> dict[str, int]:
        """The row of each content that only one item has."""
        counts = Counter(item.sha256 for item in self.items)
        return {item.sha256: row for row, item in enumerate(self.items) if item.sha256 and counts[item.sha256] == 1}

    @cached_property
    def lying(self) -> tuple[Standing, ...]:
        """The standing of each item, as long as nobody has touched it."""
        return tuple(Standing(item.label, labels=item.labels) for item in self.items)

    def size(self, row: int) -> tuple[int | None, int | None]:
        """Width and height in pixels; None of an input that has none."""
        details = self.facts[row].details
        return _whole(details.get("width")), _whole(details.get("height"))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _in_full(number: np.float32) -> str:
    """Write a number with as many digits as it takes to read the same one again."""
    return np.format_float_positional(number, unique=True, trim="-")
