"""Blocks: the kinds of a DataBlock's target, and how each goes into an array and back; and the names of those of its input.

A block is frozen. `TargetBlock.parse` makes a target of what ``get_y`` gave; `setup` gives a block that knows the
training targets' vocabulary; `encode`, `decode` and `stack` go between targets and arrays. Only training targets make
the vocabulary: a label that stands only in validation is an error that names it. To skip such items would show figures
of an easier task than the one the data describe.
Shapes: N items, C labels, T numbers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, UsageError
from ...core.types import FloatArray, IntArray
from ..sources.folder import listed
from ..sources.table import text_of
from .describe import describe
from .image_block import ImageBlock, Mode
from .input_block import InputBlock

__all__ = [
    "STRATA",
    "CategoryBlock",
    "ImageBlock",
    "InputBlock",
    "Mode",
    "MultiCategoryBlock",
    "OneLabelBlock",
    "RegressionBlock",
    "TargetBlock",
]

Target = TypeVar("Target")

# Numbers are kept in proportion on both sides of a split by fifths of their range of ranks.
STRATA = 5


class TargetBlock(ABC, Generic[Target]):
    """The target that is to be predicted."""

    needs_each_side: ClassVar[bool] = False
    """Tells whether every stratum must stand in training and in validation."""

    @abstractmethod
    def parse(self, raw: object) -> Target:
        """Parse the value that ``get_y`` gave into the target.

        Raises:
            DataError: it is none; says what was received.
        """

    def carried(self, label: str | None, labels: Sequence[str] | None) -> object:
        """Return what is to be parsed of an item that carries its target: the label, or where it has a list the list."""
        return label if labels is None or len(labels) == 1 else list(labels)

    @abstractmethod
    def strata(self, targets: Sequence[Target]) -> list[str]:
        """The stratum of each item, whose proportions a split keeps."""

    @abstractmethod
    def setup(self, targets: Sequence[Target]) -> Self:
        """Return the block completed by what the training targets teach, such as the vocabulary."""

    @abstractmethod
    def encode(self, target: Target) -> NDArray[Any]:
        """Target → one row of the array.

        Raises:
            DataError: training has no such label.
        """

    @abstractmethod
    def decode(self, value: Any) -> Target:
        """One row of the array → target."""

    @abstractmethod
    def stack(self, values: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Rows → one array for a batch or a whole data set."""

    @abstractmethod
    def text(self, target: Target) -> str:
        """The text that people see below a picture."""

    @property
    def summary(self) -> str:
        """The result of `setup` in a few words."""
        return ""


@dataclass(frozen=True)
class _VocabBlock(TargetBlock[Target]):
    """Targets made of labels; ``vocab`` lists them in the order of their numbers."""

    vocab: tuple[str, ...] | None = None
    """The labels in the order of their numbers; by default the sorted labels of the training items."""

    def __post_init__(self) -> None:
        if self.vocab is None:
            return
        if not isinstance(self.vocab, tuple | list):
            raise UsageError(f"the vocab is {describe(self.vocab)}; give a list of labels")
        texts = [text_of(label, "a label of the vocab") for label in self.vocab]
        labels = tuple(text for text in texts if text is not None)
        twice = [label for label, count in Counter(labels).items() if count > 1]
        if twice or len(labels) < len(texts) or not labels:
            what = f"{twice[0]!r} twice" if twice else "an empty label" if labels else "no label"
            raise UsageError(f"the vocab has {what}; give each label once")
        object.__setattr__(self, "vocab", labels)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        if self.vocab is None:
            raise UsageError(f"{type(self).__name__} has no vocab yet; it gets one from DataBlock.datasets(source)")
        return {label: number for number, label in enumerate(self.vocab)}

    @property
    def labels(self) -> tuple[str, ...]:
        """The vocabulary, once there is one.

        Raises:
            UsageError: there is none yet.
        """
        return tuple(self._numbers)

    def _number(self, label: str) -> int:
        number = self._numbers.get(label)
        if number is None:
            raise DataError(
                f"the label {label!r} is not among the {len(self._numbers)} known ({listed(list(self._numbers), 10)}), which "
                "are those of the training items unless vocab= gives others; label such items for training too, or "
                "leave them out"
            )
        return number

    @property
    def summary(self) -> str:
        return f"{len(self.labels)} labels: {listed(list(self.labels), 10)}"


def _label(raw: object) -> str:
    label = text_of(raw, "the label")
    if label is None:
        raise DataError(f"there is no label (received {describe(raw)}); give one, or leave the item out")
    return label


@dataclass(frozen=True)
class OneLabelBlock(_VocabBlock[str]):
    """One label of several; in arrays its number, int64 of shape (N,)."""

    needs_each_side: ClassVar[bool] = True

    def parse(self, raw: object) -> str:
        return _label(raw)

    def strata(self, targets: Sequence[str]) -> list[str]:
        return list(targets)

    def encode(self, target: str) -> IntArray:
        return np.asarray(self._number(target), np.int64)

    def decode(self, value: Any) -> str:
        return self.labels[int(value)]

    def stack(self, values: Sequence[NDArray[Any]]) -> IntArray:
        return np.asarray(values, np.int64)

    def text(self, target: str) -> str:
        return target


@dataclass(frozen=True)
class CategoryBlock(OneLabelBlock):
    """One label of several; in arrays its number, int64 of shape (N,).

    An item without a label is an error, not a class of its own: a class of everything else would be learned and
    calibrated like any other. What is none of the classes is for the out-of-domain gate.

    >>> block = CategoryBlock().setup(["dog", "cat", "dog"])
    >>> block.vocab, int(block.encode("dog")), block.decode(0)
    (('cat', 'dog'), 1, 'cat')
    """

    def setup(self, targets: Sequence[str]) -> Self:
        """The block with the sorted labels of the training targets.

        Raises:
            DataError: they are all the same.
        """
        if self.vocab is not None:
            return self
        known = tuple(sorted(set(targets)))
        if len(known) < 2:
            raise DataError(
                f"all {len(targets)} training items are labelled {listed(list(known))}; a classifier needs two labels or "
                "more; check get_y, or the folders"
            )
        return replace(self, vocab=known)


@dataclass(frozen=True)
class MultiCategoryBlock(_VocabBlock[tuple[str, ...]]):
    """Any number of labels, none included; in arrays 1 for each that applies, float32 of shape (N, C).

    >>> block = MultiCategoryBlock().setup([("sea", "sky"), ("sky",), ()])
    >>> block.encode(("sky",)).tolist(), block.decode([1.0, 0.0])
    ([0.0, 1.0], ('sea',))
    """

    def carried(self, label: str | None, labels: Sequence[str] | None) -> object:
        return label if labels is None else list(labels)

    def parse(self, raw: object) -> tuple[str, ...]:
        if isinstance(raw, str | bytes) or not isinstance(raw, Iterable):
            raise DataError(
                f"received {describe(raw)}; give a list of labels, for instance with "
                "get_y=ColReader('labels', label_delim=' ')"
            )
        return tuple(sorted({_label(label) for label in raw}))

    def strata(self, targets: Sequence[tuple[str, ...]]) -> list[str]:
        counts = Counter(label for labels in targets for label in labels)
        return [min(labels, key=lambda label: (counts[label], label), default="") for labels in targets]

    def setup(self, targets: Sequence[tuple[str, ...]]) -> Self:
        if self.vocab is not None:
            return self
        known = tuple(sorted({label for labels in targets for label in labels}))
        if not known:
            raise DataError(f"none of the {len(targets)} training items has a label; check get_y")
        return replace(self, vocab=known)

    def encode(self, target: tuple[str, ...]) -> FloatArray:
        row = np.zeros(len(self._numbers), np.float32)
        row[[self._number(label) for label in target]] = 1
        return row

    def decode(self, value: Any) -> tuple[str, ...]:
        return tuple(label for label, on in zip(self.labels, value, strict=True) if float(on) > 0.5)

    def stack(self, values: Sequence[NDArray[Any]]) -> FloatArray:
        return np.asarray(values, np.float32).reshape(len(values), len(self._numbers))

    def text(self, target: tuple[str, ...]) -> str:
        return ", ".join(target) or "–"


@dataclass(frozen=True)
class RegressionBlock(TargetBlock[tuple[float, ...]]):
    """``n_out`` numbers; in arrays float32 of shape (N, n_out), also where it is one.

    >>> block = RegressionBlock()
    >>> block.parse("27"), block.encode((27.0,)).tolist()
    ((27.0,), [27.0])
    """

    n_out: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.n_out, bool) or not isinstance(self.n_out, int) or self.n_out < 1:
            raise UsageError(f"RegressionBlock's n_out is {self.n_out!r}; give how many numbers a target has")

    def parse(self, raw: object) -> tuple[float, ...]:
        parts: list[Any] = np.ravel(np.asarray(raw, object)).tolist()
        if len(parts) != self.n_out:
            raise DataError(f"received {describe(raw)}, {len(parts)} numbers; RegressionBlock expects {self.n_out}")
        try:
            numbers = tuple(float(part) for part in parts)
        except (TypeError, ValueError):
            numbers = (math.nan,)
        if not all(math.isfinite(number) for number in numbers):
            raise DataError(
                f"received {describe(raw)}; give {'a finite number' if self.n_out == 1 else 'finite numbers'}"
            )
        return numbers

    def strata(self, targets: Sequence[tuple[float, ...]]) -> list[str]:
        """The strata are fifths of the ranks of the first number; equal numbers stand in one stratum."""
        first_N = np.asarray([target[0] for target in targets])
        _, place_N, counts_U = np.unique(first_N, return_inverse=True, return_counts=True)
        rank_U = np.cumsum(counts_U) - (counts_U + 1) / 2
        return [str(int(fifth)) for fifth in rank_U[place_N] * STRATA // max(len(first_N), 1)]

    def setup(self, targets: Sequence[tuple[float, ...]]) -> Self:  # noqa: ARG002  # numbers need no vocabulary
        return self

    def encode(self, target: tuple[float, ...]) -> FloatArray:
        return np.asarray(target, np.float32)

    def decode(self, value: Any) -> tuple[float, ...]:
        return tuple(float(number) for number in np.ravel(value))

    def stack(self, values: Sequence[NDArray[Any]]) -> FloatArray:
        return np.asarray(values, np.float32).reshape(len(values), self.n_out)

    def text(self, target: tuple[float, ...]) -> str:
        return ", ".join(f"{number:.4g}" for number in target)

    @property
    def summary(self) -> str:
        return f"{self.n_out} number{'s' if self.n_out > 1 else ''}"
