"""A bundle's memory of its training set, as far as rules look things up in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray
from .arrays import TrainingArrays, unit
from .gate import GateArrays
from .products import products

# The images among which the nearest are looked for: more would cost more than the rest of a verdict.
LOOKED_AT = 1000


@dataclass(frozen=True, eq=False)
class Memory:
    """The gate's arrays, and those of the training set."""

    gate: GateArrays | None
    arrays: TrainingArrays

    def nearest(self, embedding_F: NDArray[Any], count: int) -> list[NDArray[Any]]:
        """Return the targets of the training images most like an embedding before fine-tuning, best first; among `LOOKED_AT`
        images at most, spread over the training set."""
        cosines_B = products(unit(embedding_F[None]), self._looked_at_BF)[0]
        return [self.arrays.targets_N[self._rows_B[place]] for place in np.argsort(-cosines_B, kind="stable")[:count]]

    @cached_property
    def _rows_B(self) -> NDArray[np.intp]:
        n = len(self.arrays.targets_N)
        return np.unique(np.linspace(0, n - 1, min(n, LOOKED_AT)).round().astype(np.intp))

    @cached_property
    def _looked_at_BF(self) -> FloatArray:
        frozen_NF = self.arrays.frozen_NF
        return unit((self.arrays.embeddings_ND if frozen_NF is None else frozen_NF)[self._rows_B])
