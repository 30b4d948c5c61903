"""The pictures that are there already, so that a copy of one is known when it comes.

Equal pixels are a copy, and so is a picture whose perceptual hash is near and whose frequencies are alike, see
`drivetrain.data.image.copies`. Shapes: M known pictures, K×K frequencies, O = 8 orientations, C candidates.
"""

from __future__ import annotations

import numpy as np

from ...core.types import ItemFacts
from ...data.image import phash
from ...data.image.copies import LEAST_LIKENESS, MAX_HASH_DISTANCE

# Rows for which memory is taken at first; it doubles when they are full.
FIRST = 256


class Known:
    """Known pictures by name."""

    def __init__(self) -> None:
        self._by_content: dict[str, str] = {}
        self._names: list[str] = []
        self._hashes_M = np.empty(FIRST, np.uint64)
        self._frequencies_MKK = np.empty((FIRST, phash.KEPT, phash.KEPT), np.float32)

    def __len__(self) -> int:
        return len(self._by_content)

    def add(self, name: str, facts: ItemFacts) -> None:
        """Add a picture."""
        self._by_content.setdefault(facts.content_sha256, name)
        if facts.fingerprint is None:
            return
        row = len(self._names)
        if row == len(self._hashes_M):
            self._hashes_M = np.concatenate([self._hashes_M, np.empty_like(self._hashes_M)])
            self._frequencies_MKK = np.concatenate([self._frequencies_MKK, np.empty_like(self._frequencies_MKK)])
        frequencies_1KK = phash.frequencies([facts.fingerprint])
        self._frequencies_MKK[row] = frequencies_1KK[0]
        self._hashes_M[row] = phash.hashes(frequencies_1KK)[0, 0]
        self._names.append(name)

    def copy_of(self, facts: ItemFacts) -> str | None:
        """The name of a picture that this one is a copy of; None where it is new."""
        exact = self._by_content.get(facts.content_sha256)
        if exact is not None or facts.fingerprint is None or not self._names:
            return exact
        count = len(self._names)
        frequencies_1KK = phash.frequencies([facts.fingerprint])
        hashes_O1 = phash.hashes(frequencies_1KK)[0][:, None]
        near_M = (np.bitwise_count(hashes_O1 ^ self._hashes_M[None, :count]) <= MAX_HASH_DISTANCE).any(axis=0)
        rows_C = np.flatnonzero(near_M)
        if not len(rows_C):
            return None
        stacked = np.concatenate([frequencies_1KK, self._frequencies_MKK[rows_C]])
        likeness_C = phash.likeness(stacked, np.zeros(len(rows_C), np.intp), np.arange(1, len(rows_C) + 1))
        best = int(np.argmax(likeness_C))
        return self._names[rows_C[best]] if likeness_C[best] >= LEAST_LIKENESS else None
