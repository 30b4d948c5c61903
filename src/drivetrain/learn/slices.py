"""Parts of a data set that share something a person named: the camera, the site, the month.

Shapes: N items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.types import Interval
from .loss_sheet import Pictured

T = TypeVar("T", bound=Pictured)

Values = Sequence[str] | Mapping[str, str] | Callable[[T], str]
"""One name an item, in their order; or by the item's name; or worked out from the item."""

FEWEST_TRIALS = 10
"""Independent items below which a share says next to nothing: of 10 right ones, 72 % to 100 % may be right."""


@dataclass(frozen=True)
class SliceRow:
    """One slice of a classifier's answers. ``log_loss`` in nats; ``small``: too few independent items to judge by."""

    slice: str
    count: int
    accuracy: Interval
    log_loss: float
    small: bool


@dataclass(frozen=True)
class NumberSliceRow:
    """One slice of predicted numbers, in the number's unit. ``small``: too few independent items to judge by."""

    slice: str
    count: int
    mean_absolute_error: float
    bias: float
    """Mean of number − prediction: above 0 where the model says too little."""
    coverage: Interval
    """Share of the numbers within the interval around the prediction."""
    small: bool


def each_slice(values: Values[T], items: Sequence[T]) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """(name, rows) of every slice, by name.

    Raises:
        DataError: an item has no value, or there is not one value an item.
    """
    names = _names(values, items)
    for name in sorted(set(names)):
        yield name, np.flatnonzero([other == name for other in names])


def _names(values: Values[T], items: Sequence[T]) -> list[str]:
    if isinstance(values, Mapping):
        missing = [item.name for item in items if item.name not in values]
        if missing:
            raise DataError(f"no slice is given for {len(missing)} items, such as {missing[0]}; name all {len(items)}")
        return [str(values[item.name]) for item in items]
    if callable(values):
        return [str(values(item)) for item in items]
    if isinstance(values, str) or len(values) != len(items):
        raise DataError(f"received {len(values)} slices for {len(items)} items; give one an item, in their order")
    return [str(value) for value in values]
