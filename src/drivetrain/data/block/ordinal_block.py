"""The block of grades that have an order."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Self

from ...core.errors import DataError
from ...core.types import IntArray
from ..sources.folder import listed
from .blocks import OneLabelBlock


@dataclass(frozen=True)
class OrdinalBlock(OneLabelBlock):
    """The target is one of several ordered grades: in the order of ``vocab``, by default in that of the labels' numbers.

    >>> block = OrdinalBlock().setup(["10", ".5", "2", "2"])
    >>> block.vocab, int(block.encode("2"))
    (('.5', '2', '10'), 1)
    """

    def setup(self, targets: Sequence[str]) -> Self:
        """Return the block with the training targets' grades in the order of their numbers.

        Raises:
            DataError: they are all the same, not all numbers, or different texts for one number.
        """
        if self.vocab is not None:
            return self
        known = in_order(set(targets))
        if len(known) < 2:
            raise DataError(
                f"all {len(targets)} training items have the grade {listed(list(known))}; there must be two"
            )
        return replace(self, vocab=known)

    def encode(self, target: str) -> IntArray:
        """The place of the grade in the order; a number finds its grade however it is written."""
        return super().encode(as_named(target, self.labels))


def as_named(grade: str, names: Collection[str]) -> str:
    """Return the name of ``names`` for this grade: the same text or, where both are numbers, the same number; else the text.

    >>> as_named("0.33", ("0", ".33", "1")), as_named("fair", ("0", ".33", "1"))
    ('.33', 'fair')
    """
    if grade in names:
        return grade
    number = _number_of(grade)
    return next((name for name in names if _number_of(name) == number), grade) if number is not None else grade


def _number_of(grade: str) -> float | None:
    try:
        number = float(grade)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def in_order(grades: Collection[str]) -> tuple[str, ...]:
    """Sort grades that are numbers from the lowest to the highest.

    Raises:
        DataError: one is no finite number, or two are the same one.
    """
    numbers: dict[float, str] = {}
    for grade in sorted(grades):
        number = _number_of(grade)
        if number is None:
            raise DataError(
                f"the grade {grade!r} is no number, so the labels do not say their order; name them from the lowest to the "
                f"highest with --order (order=, or OrdinalBlock's vocab): {listed(sorted(grades))}"
            )
        if number in numbers:
            raise DataError(
                f"the grades {numbers[number]!r} and {grade!r} are the same number; write them alike, or merge them with "
                "--normalise-labels"
            )
        numbers[number] = grade
    return tuple(numbers[number] for number in sorted(numbers))
