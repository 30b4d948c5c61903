"""The one row numbering of a training run: labelled images, and all that is known of each by its row.

Shapes: N images, D features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.types import Embeddings, FloatArray, IntArray, Item
from ..learn.groups import group_numbers
from ..learn.kinds.targets import Targets
from ..learn.reading import Read


@dataclass(frozen=True, eq=False)
class Sample:
    """N images in the source's order; row n of every part is about the same image."""

    items: tuple[Item, ...]
    targets: Targets
    groups_N: IntArray
    """Images of one group never stand on both sides of a split."""
    weights_N: FloatArray
    """The weights that the source gives."""
    features_ND: FloatArray
    """The head's features; without columns before anything is embedded."""

    def __post_init__(self) -> None:
        lengths = {len(part) for part in (self.targets, self.groups_N, self.weights_N, self.features_ND)}
        assert lengths == {len(self.items)}, "the parts of a sample are about the same images"

    @classmethod
    def of(cls, found: Read) -> Sample:
        """Make a sample of the items read, grouped as the source says."""
        items = found.dataset.items
        weights_N = np.asarray([item.weight for item in items], np.float32)
        return cls(items, found.targets, group_numbers(items), weights_N, np.empty((len(items), 0), np.float32))

    def __len__(self) -> int:
        return len(self.items)

    def take(self, rows: NDArray[np.intp]) -> Sample:
        """The images at ``rows``, in that order."""
        return Sample(
            tuple(self.items[row] for row in rows),
            self.targets.take(rows),
            self.groups_N[rows],
            self.weights_N[rows],
            self.features_ND[rows],
        )

    def embedded(self, embeddings: Embeddings) -> Sample:
        """The images that could be used, with their features; rows are then numbered anew."""
        taken = self.take(embeddings.rows_N)
        return replace(taken, items=embeddings.of(self.items), features_ND=embeddings.features_ND)

    def grouped(self, groups_N: IntArray) -> Sample:
        """The same images in other groups."""
        return replace(self, groups_N=groups_N)
