"""A batch: pictures and targets as arrays, and which items they are. N items, K channels, H, W pixels, C labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.types import FloatArray
from .sample import Sample


@dataclass(frozen=True, eq=False)
class Batch:
    """The unit that a loader gives. A batch transform returns one like it, made with `dataclasses.replace`."""

    x: Any
    """(N, K, H, W) uint8, laid out in memory with channels last; a batch transform may put a float array or a tensor of
    any library in its place."""
    y: Any
    """The targets as their block stacks them: (N,) int64, (N, C) float32 or (N, numbers) float32; None without a target."""
    samples: tuple[Sample, ...]
    training: bool = False
    """Tells whether the batch is for training; a transform that augments does so only then."""

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def rows(self) -> NDArray[np.intp]:
        """(N,) the items' positions among what ``get_items`` gave."""
        return np.asarray([sample.row for sample in self.samples], np.intp)

    @property
    def names(self) -> tuple[str, ...]:
        """The items' names, as people see them."""
        return tuple(sample.name for sample in self.samples)

    @property
    def paths(self) -> tuple[Path | None, ...]:
        """The items' files; None for pictures from memory."""
        return tuple(sample.path for sample in self.samples)

    @property
    def weights(self) -> FloatArray:
        """(N,) float32 weights that the source gives."""
        return np.asarray([sample.weight for sample in self.samples], np.float32)


BatchTransform = Callable[[Batch, np.random.Generator], Batch]
"""Changes a whole batch. One that has a method ``undo(batch)`` can be shown to people (normalisation, say)."""
