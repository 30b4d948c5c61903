"""Exact and near-duplicates: pictures that must not stand on both sides of a split.

Three looks, from the surest to the widest: equal content (decoded pixels); equal perceptual hash confirmed by the likeness of the
pictures' frequencies (re-encoded, resized, mirrored or turned copies); a cosine of embeddings so high that only copies
reach it (crops, recoloured copies, frames of one video). How high is measured on the data itself.
Shapes: N images, D features, P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray, IntArray, ItemFacts
from ..data.image import phash
from ..data.image.copies import LEAST_LIKENESS, MAX_HASH_DISTANCE, joined

# Quantile of altered copies' cosines that is the lowest threshold: all but this share of them would still be caught.
PROBE_QUANTILE = 0.25
# Upper fence of nearest-neighbour cosines: median + 1.5 × (90th percentile − median). Only pairs beyond it count as
# copies; and where ordinary neighbours (the 90th percentile) are as close as copies are, none do.
FENCE = 1.5

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Duplicates:
    """Pairs found and the groups they join.

    ``groups_N`` numbers every image; images of one number are one picture. ``pairs`` are (i, j, kind, score), surest
    first: kind ``exact``, ``hash`` (score: likeness) or ``embedding`` (score: cosine). ``cosine_threshold`` is None where
    embeddings cannot tell copies from neighbours.
    """

    groups_N: IntArray
    pairs: tuple[tuple[int, int, str, float], ...]
    cosine_threshold: float | None

    def clusters(self) -> list[list[int]]:
        """The groups of two items and more, largest first."""
        order = np.argsort(self.groups_N, kind="stable")
        _, starts = np.unique(self.groups_N[order], return_index=True)
        parts = [part.tolist() for part in np.split(order, starts[1:]) if len(part) > 1]
        return sorted(parts, key=lambda part: (-len(part), part))


def find_duplicates(
    facts: tuple[ItemFacts, ...], features_ND: FloatArray, probe_cosines: FloatArray | None = None
) -> Duplicates:
    """Find duplicates among N items.

    ``features_ND`` rows need not be normalised. ``probe_cosines`` are the cosines between some images and slightly
    altered copies of themselves; without them the cosine of embeddings is not used.
    """
    exact = [(i, j, "exact", 1.0) for i, j in _equal_content(facts)]
    near = _by_hash(facts)
    wide: list[tuple[int, int, str, float]] = []
    threshold = None
    if probe_cosines is not None and len(probe_cosines) and len(facts) > 2:
        threshold, wide = _by_cosine(features_ND, probe_cosines)
    seen: set[tuple[int, int]] = set()
    pairs = []
    for pair in [*exact, *sorted(near, key=lambda p: -p[3]), *sorted(wide, key=lambda p: -p[3])]:
        if pair[:2] not in seen:
            seen.add(pair[:2])
            pairs.append(pair)
    i_P, j_P = np.asarray([p[0] for p in pairs], int), np.asarray([p[1] for p in pairs], int)
    return Duplicates(joined(len(facts), i_P, j_P), tuple(pairs), threshold)


def copies_of(facts: Sequence[ItemFacts], known_sha256_M32: NDArray[np.uint8], known_NKK: FloatArray) -> dict[int, int]:
    """Find images that are copies of known ones, by pixels or perceptual hash: row in ``facts`` → row among the known."""
    digests = {row.tobytes(): index for index, row in enumerate(known_sha256_M32)}
    found = {}
    for row, fact in enumerate(facts):
        index = digests.get(bytes.fromhex(fact.content_sha256))
        if index is not None:
            found[row] = index
    with_print = [row for row, fact in enumerate(facts) if fact.fingerprint is not None]
    if not with_print or not len(known_NKK):
        return found
    frequencies_NKK = np.concatenate([known_NKK, _frequencies(facts)])
    offset = len(known_NKK)
    for i_P, j_P in phash.near_pairs(phash.hashes(frequencies_NKK), MAX_HASH_DISTANCE):
        across = (i_P < offset) & (j_P >= offset)
        i_P, j_P = i_P[across], j_P[across]
        kept = phash.likeness(frequencies_NKK, i_P, j_P) >= LEAST_LIKENESS
        for known, row in zip(i_P[kept].tolist(), (j_P[kept] - offset).tolist(), strict=True):
            found.setdefault(with_print[row], known)
    return dict(sorted(found.items()))


def merge_groups(a_N: IntArray, b_N: IntArray) -> IntArray:
    """Merge two groupings, so that items joined in either are joined: the union of two partitions."""
    n = len(a_N)
    _, a_N = np.unique(a_N, return_inverse=True)
    _, b_N = np.unique(b_N, return_inverse=True)
    rows = np.arange(n)
    size = n + int(a_N.max(initial=-1)) + 1 + int(b_N.max(initial=-1)) + 1
    a_nodes, b_nodes = n + a_N, n + int(a_N.max(initial=-1)) + 1 + b_N
    return joined(size, np.concatenate([rows, rows]), np.concatenate([a_nodes, b_nodes]))[:n]


def _equal_content(facts: tuple[ItemFacts, ...]) -> list[tuple[int, int]]:
    first: dict[str, int] = {}
    pairs = []
    for row, fact in enumerate(facts):
        other = first.setdefault(fact.content_sha256, row)
        if other != row:
            pairs.append((other, row))
    return pairs


def _by_hash(facts: tuple[ItemFacts, ...]) -> list[tuple[int, int, str, float]]:
    """Find pairs by perceptual hash; only inputs with a fingerprint, such as pictures, have any."""
    row_F = [row for row, fact in enumerate(facts) if fact.fingerprint is not None]
    frequencies_NKK = _frequencies(facts)
    found: list[tuple[int, int, str, float]] = []
    for i_P, j_P in phash.near_pairs(phash.hashes(frequencies_NKK), MAX_HASH_DISTANCE):
        likeness_P = phash.likeness(frequencies_NKK, i_P, j_P)
        kept = likeness_P >= LEAST_LIKENESS
        found += [
            (row_F[i], row_F[j], "hash", float(score))
            for i, j, score in zip(i_P[kept], j_P[kept], likeness_P[kept], strict=True)
        ]
    return found


def _frequencies(facts: Sequence[ItemFacts]) -> FloatArray:
    """The (F, K, K) frequencies of the F facts that have a fingerprint."""
    return phash.frequencies([fact.fingerprint for fact in facts if fact.fingerprint is not None])


def _by_cosine(
    features_ND: FloatArray, probe_cosines: FloatArray, block: int = 1024
) -> tuple[float | None, list[tuple[int, int, str, float]]]:
    unit_ND = features_ND / np.maximum(np.linalg.norm(features_ND, axis=1, keepdims=True), 1e-12)
    # The vectors are of unit length to within the rounding of float32, so a cosine may exceed 1 and is clipped.
    lowest = min(float(np.quantile(probe_cosines, PROBE_QUANTILE)), 1.0)
    nearest_N = np.full(len(unit_ND), -1.0, np.float32)
    candidates: list[tuple[int, int, float]] = []
    for start in range(0, len(unit_ND), block):
        cosines = np.clip(unit_ND[start : start + block] @ unit_ND.T, -1.0, 1.0)
        own = np.arange(start, start + len(cosines))
        cosines[np.arange(len(cosines)), own] = -1.0
        nearest_N[own] = cosines.max(axis=1)
        rows, columns = np.nonzero(np.triu(cosines >= lowest, k=start + 1))
        candidates += zip((rows + start).tolist(), columns.tolist(), cosines[rows, columns].tolist(), strict=True)
    median, ninetieth = np.quantile(nearest_N, [0.5, 0.9])
    threshold = max(lowest, float(median + FENCE * (ninetieth - median)))
    # The fence is no cosine itself: where neighbours' cosines vary widely, it lies beyond 1, and no pair reaches it.
    if ninetieth >= lowest or threshold > 1:
        return None, []
    return threshold, [(i, j, "embedding", score) for i, j, score in candidates if score >= threshold]
