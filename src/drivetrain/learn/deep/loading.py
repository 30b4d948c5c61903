"""The data as training needs it: batches of bytes, epoch by epoch, the same for the same epoch.

`data.block.loader` gives them. Shapes: N batch, K channels (1 or 3), H and W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class TrainingBatch(Protocol):
    """Images of one size with their targets and rows."""

    @property
    def x(self) -> Any:
        """(N, K, H, W) uint8."""
        ...

    @property
    def y(self) -> Any:
        """(N,) class numbers, (N, C) 0 or 1 for several labels, or (N, C) numbers to predict."""
        ...

    @property
    def rows(self) -> NDArray[np.intp]:
        """(N,) the items' positions in the data set, from which their augmentation is drawn."""
        ...


class BatchSource(Protocol):
    """One side of the split."""

    def __len__(self) -> int:
        """The most batches in an epoch."""
        ...

    def batches(self, epoch: int, start: int = 0) -> Iterator[TrainingBatch]:
        """The batches of one epoch from number ``start`` on: the same whenever they are asked for."""
        ...


class Loaders(Protocol):
    """Both sides of the split."""

    @property
    def train(self) -> BatchSource: ...

    @property
    def valid(self) -> BatchSource: ...
