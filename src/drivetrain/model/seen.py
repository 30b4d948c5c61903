"""Everything that an answer is judged by, of one item and of many.

Shapes: N items, W logits, D embedding, F embedding of the network before fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..core.types import Facts, FloatArray


@dataclass(frozen=True, eq=False)
class Seen:
    """The network's outputs, and facts of the item itself."""

    logits_W: FloatArray
    embedding_D: FloatArray
    frozen_embedding_F: FloatArray | None = None
    """The embedding before fine-tuning; None where no rule of the policy asks for it (`Policy.needs_frozen`)."""
    facts: Facts = field(default_factory=dict)
    """The item's facts that the input states, such as its width and height."""


@dataclass(frozen=True, eq=False)
class SeenItems:
    """The same of N items. What most rules do not ask for is made when one first does: it may be gigabytes."""

    logits_NW: FloatArray
    embedded: Callable[[], FloatArray]
    """Gives (N, D)."""
    frozen: Callable[[], FloatArray] | None
    """Gives (N, F); None where no rule of the policy asks for it."""
    facts_of: Callable[[int], Facts]
    """Return what was seen of one row."""
    p_in_domain_N: NDArray[np.float64] | None = None
    """(N,) the gate's p-values, where they are known: those of images that it was fitted on, out of fold."""

    def __len__(self) -> int:
        return len(self.logits_NW)

    def __getitem__(self, row: int) -> Seen:
        frozen_NF = self.frozen_embedding_NF
        frozen_F = None if frozen_NF is None else frozen_NF[row]
        return Seen(self.logits_NW[row], self.embedding_ND[row], frozen_F, self.facts_of(row))

    @cached_property
    def embedding_ND(self) -> FloatArray:
        """`Seen.embedding_D` of each."""
        return self.embedded()

    @cached_property
    def frozen_embedding_NF(self) -> FloatArray | None:
        """`Seen.frozen_embedding_F` of each."""
        return None if self.frozen is None else self.frozen()

    def take(self, rows_K: NDArray[np.intp]) -> SeenItems:
        """Return what was seen of the rows ``rows_K``."""

        def frozen() -> FloatArray:
            frozen_NF = self.frozen_embedding_NF
            assert frozen_NF is not None  # checked below
            return frozen_NF[rows_K]

        return SeenItems(
            self.logits_NW[rows_K],
            lambda: self.embedding_ND[rows_K],
            None if self.frozen is None else frozen,
            lambda row: self.facts_of(int(rows_K[row])),
            None if self.p_in_domain_N is None else self.p_in_domain_N[rows_K],
        )
