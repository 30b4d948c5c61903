"""The interface of a splitter, and the checks that any split must pass.

A splitter is a callable from items to two sequences of rows, ``(train_rows, valid_rows)``; any function will do. Those
of `splitters` derive from `Splitter`: they also see what a DataBlock knows of each item, and give a `Split`. Rows on
neither side are left out (a test set, for instance).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, UsageError
from ...core.ports import Progress, Silent
from ...core.types import IntArray, Skipped
from .describe import called, describe
from .sample import Sample, plain_samples

Rows = NDArray[np.intp]
PlainSplitter = Callable[[Sequence[object]], object]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of the two sides. Unpacks into them: ``train_rows, valid_rows = splitter(items)``."""

    train: Rows
    valid: Rows
    notes: tuple[str, ...] = ()
    """Notes for a person on how the split came about."""
    groups_N: IntArray | None = None
    """Group of every item, where the splitter kept groups together."""
    skipped: tuple[Skipped, ...] = ()
    """Files that turned out to be unusable; they are on neither side."""

    def __iter__(self) -> Iterator[Rows]:
        return iter((self.train, self.valid))

    @staticmethod
    def of(held_N: NDArray[np.bool_]) -> Split:
        """Make a split from a mask that tells whether each item is held out for validation."""
        return Split(np.flatnonzero(~held_N), np.flatnonzero(held_N))


class Splitter(ABC):
    """A splitter of this library."""

    @abstractmethod
    def split(self, samples: Sequence[Sample], progress: Progress) -> Split:
        """Split what a DataBlock made of its items.

        Raises:
            DataError: the items cannot be split this way.
        """

    def __call__(self, items: Sequence[object]) -> Split:
        """Split `Item`s, paths or rows of a table by what they say of themselves.

        Raises:
            DataError: the items cannot be split this way, or one side lacks a label that some `Item` has.
        """
        samples = plain_samples(items)
        split = self.split(samples, Silent())
        check_labels(samples, split, called(self))
        return split


def split_samples(splitter: Splitter | PlainSplitter | None, samples: Sequence[Sample], progress: Progress) -> Split:
    """Run any splitter; None puts all items into training.

    Raises:
        DataError: it cannot split them, or what it gave is no split.
    """
    if splitter is None:
        return Split(np.arange(len(samples)), np.empty(0, np.intp))
    if isinstance(splitter, Splitter):
        return splitter.split(samples, progress)
    return _checked(splitter([sample.item for sample in samples]), samples, called(splitter))


def _checked(given: object, samples: Sequence[Sample], name: str) -> Split:
    """Check a split that a user's function gave: rows in range, none on both sides, some in training."""
    if isinstance(given, Split):
        return given
    if not isinstance(given, Sequence | np.ndarray) or len(given) != 2:
        raise DataError(f"the splitter {name} gave {describe(given)}; it must give (train_rows, valid_rows)")
    sides = [np.asarray(list(side)) if not isinstance(side, np.ndarray) else side for side in given]
    for side in sides:
        if side.size and (side.ndim != 1 or side.dtype.kind not in "iu"):
            raise DataError(f"the splitter {name} gave {describe(side)}; rows must be whole numbers")
        outside = side[(side < 0) | (side >= len(samples))]
        if outside.size:
            raise DataError(f"the splitter {name} gave row {outside[0]}; there are {len(samples)} items, from 0")
    train, valid = (side.astype(np.intp) for side in sides)
    rows, counts = np.unique(np.concatenate([train, valid]), return_counts=True)
    if (counts > 1).any():
        raise DataError(f"the splitter {name} gave {samples[rows[counts > 1][0]]} twice; an item has one side at most")
    if not train.size:
        raise DataError(f"the splitter {name} gave no training rows of {len(samples)} items")
    return Split(train, valid)


def check_labels(samples: Sequence[Sample], split: Split, name: str) -> None:
    """Check that every label stands on both sides, so that it can be learned and the figures speak of all labels.

    Nothing is asked of a split without validation, nor of items without a label.

    Raises:
        DataError: one does not; says why where the groups are known.
    """
    if not len(split.valid):
        return
    train, valid = (Counter(samples[row].stratum for row in rows) for rows in split)
    # Training is checked first: a label that cannot be learned is worse than one that is not judged.
    for where, side, other in (("training", train, valid), ("validation", valid, train)):
        for label in sorted(key for key in other.keys() - side.keys() if key is not None):
            rows = [row for row, sample in enumerate(samples) if sample.stratum == label]
            raise DataError(
                f"{where} has none of the {other[label]} items labelled {label!r} (e.g. {samples[rows[0]].name}); "
                f"{_why_one_sided(rows, split, name)}"
            )


def _why_one_sided(rows: Sequence[int], split: Split, name: str) -> str:
    if len(rows) == 1:
        return "one item cannot be both learned and checked; add images of it, or leave it out"
    if split.groups_N is not None and len(np.unique(split.groups_N[rows])) == 1:
        return (
            "they are one group (copies, or a group given), which must not stand on both sides; add images of it from "
            "elsewhere, or leave it out"
        )
    return (
        f"{name} left none there; use LeakFreeSplitter, which keeps labels in proportion, or a larger validation share"
    )


def check_share(share: float, name: str) -> None:
    """Check that ``valid_pct`` leaves items on both sides.

    Raises:
        UsageError: it does not lie between 0 and 1.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise UsageError(
            f"{name}'s valid_pct is {share!r}; give a share between 0 and 1, such as 0.2; splitter=None trains on all"
        )


def check_two(samples: Sequence[Sample], name: str) -> None:
    """Check that there is an item for each side.

    Raises:
        DataError: there are fewer than two.
    """
    if len(samples) < 2:
        raise DataError(f"{name} received {len(samples)} item{'s' * (not samples)}; a split needs at least two")
