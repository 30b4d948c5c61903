"""Contradictions: the same picture with different targets, of which at least one is wrong.

Only what shows the same picture counts, equal pixels or a copy found by its hash. Embeddings join pictures that are closely
alike, such as two frames of one video, and those may differ in what is asked of them. Shapes: N images, O outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .duplicates import Duplicates

# Numbers that were read off two copies of a picture may differ a little; more than this share of a standard deviation is a
# contradiction.
NOISE = 0.5


@dataclass(frozen=True)
class Contradiction:
    """Two images that show the same picture and have different targets: their rows, and ``exact`` or ``near``."""

    first: int
    second: int
    kind: str


def contradictions(duplicates: Duplicates, targets_N: NDArray[Any], *, are_numbers: bool) -> tuple[Contradiction, ...]:
    """Find one contradiction for each picture that has one, identical copies first.

    ``targets_N``: (N,) classes, or (N, O) labels or numbers. Numbers of copies that are not identical may differ by
    `NOISE` standard deviations.
    """
    rows_NO = targets_N.reshape(len(targets_N), -1).astype(np.float64)
    noise_O = NOISE * rows_NO.std(axis=0) if are_numbers else 0.0
    found: dict[int, Contradiction] = {}
    for i, j, kind, _ in duplicates.pairs:
        if kind == "embedding":
            continue
        gap_O = np.abs(rows_NO[i] - rows_NO[j])
        if (gap_O > (0.0 if kind == "exact" else noise_O)).any():
            found.setdefault(int(duplicates.pictures_N[i]), Contradiction(i, j, "exact" if kind == "exact" else "near"))
    return tuple(sorted(found.values(), key=lambda one: (one.kind != "exact", one.first, one.second)))
