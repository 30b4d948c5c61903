"""Exact and near-duplicates: pictures that must not stand on both sides of a split.

Four looks, from the surest to the widest: equal content (decoded pixels); equal perceptual hash confirmed by the likeness of the
pictures' frequencies (re-encoded, resized, mirrored or turned copies); nearest neighbours by their embeddings of which one proves
to be a crop of the other; a cosine of embeddings so high that only copies reach it (recoloured copies, frames of one video). How
high is measured on the data itself.
Shapes: N images, D features, P pairs, F images with a fingerprint, S images of a sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..core.cores import available_cores
from ..core.types import FloatArray, IntArray, ItemFacts
from ..data.image import phash
from ..data.image.alignment import crop_likeness
from ..data.image.copies import LEAST_LIKENESS, MAX_HASH_DISTANCE, PARTNERS, copy_pairs, joined
from .medoids import around_medoids
from .near_pairs import MANY, Rows, cosines, near_pairs, norms, spread, whole

# Quantile of altered copies' cosines that is the lowest threshold: all but this share of them would still be caught.
PROBE_QUANTILE = 0.25
# Upper fence of nearest-neighbour cosines: median + 1.5 × (90th percentile − median). Only pairs beyond it count as
# copies; and where ordinary neighbours (the 90th percentile) are as close as copies are, none do.
FENCE = 1.5
# Up to `MANY` images, every one's nearest neighbour is looked at for the fence; of more, those of an evenly spread sample.
NEAREST_SAMPLE = 1024

# Crops move an embedding further than a probe does: of 590 photos cropped to 90 % of each side, 98 % had 1 − cosine up to three
# times that of the probe that 5 % of the probes are beyond.
CROP_QUANTILE, CROP_REACH = 0.05, 3.0
# A crop is among the so many nearest of the picture or the picture among the crop's (of 590, none came after the fifth).
CROP_NEIGHBOURS = 5
# Where many images are close to one another, only the closest of them, so many an image, are candidates; and only so many pairs
# are aligned in all, at about 0.3 ms each.
CANDIDATES, MOST_ALIGNED = 16, 20_000

# A member of a group may be twice as far from the group's medoid as a pair may be apart.
MEDOID_REACH = 2.0

KINDS = ("exact", "hash", "crop", "embedding")


@dataclass(frozen=True)
class Duplicates:
    """Pairs found and the groups they join.

    ``groups_N`` numbers every image; images of one number are joined by pairs, and stand on one side of every split.
    ``pairs`` are (i, j, kind, score), surest first: kind ``exact``, ``hash`` (score: likeness), ``crop`` (likeness where they
    overlap) or ``embedding`` (score: cosine). ``cosine_threshold`` is None where embeddings cannot tell copies from neighbours.
    """

    groups_N: IntArray
    pairs: tuple[tuple[int, int, str, float], ...]
    cosine_threshold: float | None
    pictures: IntArray | None = None
    """(N,) numbers as `groups_N`, but of groups in which each image is like one of them, the medoid: a chain of which the ends
    have nothing in common is several. None where nobody looked."""

    @cached_property
    def pictures_N(self) -> IntArray:
        """(N,) numbers of the groups that a person is shown: one picture each."""
        return self.groups_N if self.pictures is None else self.pictures

    def clusters(self) -> list[list[int]]:
        """The pictures that occur twice and more, the most frequent first."""
        order = np.argsort(self.pictures_N, kind="stable")
        _, starts = np.unique(self.pictures_N[order], return_index=True)
        parts = [part.tolist() for part in np.split(order, starts[1:]) if len(part) > 1]
        return sorted(parts, key=lambda part: (-len(part), part))


@dataclass(frozen=True)
class _Pairs:
    """Pairs of one kind."""

    kind: str
    i_P: Rows
    j_P: Rows
    score_P: FloatArray

    def chosen(self, kept_P: NDArray[np.bool_]) -> _Pairs:
        return _Pairs(self.kind, self.i_P[kept_P], self.j_P[kept_P], self.score_P[kept_P])


def find_duplicates(
    facts: tuple[ItemFacts, ...], features_ND: FloatArray, probe_cosines: FloatArray | None = None
) -> Duplicates:
    """Find duplicates among N items.

    ``features_ND`` rows need not be normalised. ``probe_cosines`` are the cosines between some images and slightly
    altered copies of themselves; without them the cosine of embeddings is not used, and crops are not found.
    """
    n = len(facts)
    prints = _Prints.of(facts)
    found = [_equal_content(facts), prints.copies()]
    threshold, lengths_N = None, None
    if probe_cosines is not None and len(probe_cosines) and n > 2:
        lengths_N = norms(features_ND)
        known_N = joined(n, *(np.concatenate(column) for column in ([p.i_P for p in found], [p.j_P for p in found])))
        threshold, wide = _by_cosine(features_ND, lengths_N, probe_cosines, known_N, prints)
        found += wide
    i_P, j_P, kind_P, score_P = _surest(n, found)

    def alike(medoid_M: Rows, member_M: Rows) -> NDArray[np.bool_]:
        like_M = prints.like(medoid_M, member_M)
        if lengths_N is not None and probe_cosines is not None:
            limit = threshold or float(np.quantile(probe_cosines, PROBE_QUANTILE))
            like_M |= cosines(features_ND, lengths_N, medoid_M, member_M) >= 1 - MEDOID_REACH * (1 - limit)
        return like_M

    pictures_N = around_medoids(n, i_P, j_P, score_P, alike)
    kinds = [KINDS[kind] for kind in kind_P.tolist()]
    pairs = tuple(zip(i_P.tolist(), j_P.tolist(), kinds, score_P.tolist(), strict=True))
    return Duplicates(joined(n, i_P, j_P), pairs, threshold, pictures_N)


def copies_of(facts: Sequence[ItemFacts], known_sha256_M32: NDArray[np.uint8], known_NKK: FloatArray) -> dict[int, int]:
    """Find images that are copies of known ones, by pixels or perceptual hash: row in ``facts`` → row among the known."""
    digests = {row.tobytes(): index for index, row in enumerate(known_sha256_M32)}
    found = {}
    for row, fact in enumerate(facts):
        index = digests.get(bytes.fromhex(fact.content_sha256))
        if index is not None:
            found[row] = index
    prints = _Prints.of(facts)
    if not len(prints.rows_F) or not len(known_NKK):
        return found
    frequencies_NKK = np.concatenate([known_NKK, prints.frequencies_FKK])
    offset = len(known_NKK)
    for i_P, j_P in phash.near_pairs(phash.hashes(frequencies_NKK), MAX_HASH_DISTANCE):
        across = (i_P < offset) & (j_P >= offset)
        i_P, j_P = i_P[across], j_P[across]
        kept = phash.likeness(frequencies_NKK, i_P, j_P) >= LEAST_LIKENESS
        for known, row in zip(i_P[kept].tolist(), (j_P[kept] - offset).tolist(), strict=True):
            found.setdefault(int(prints.rows_F[row]), known)
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


@dataclass(frozen=True)
class _Prints:
    """The fingerprints of those that have one: pictures do, other inputs have none."""

    rows_F: Rows
    frequencies_FKK: FloatArray
    place_N: Rows
    """(N,) each item's place among them, −1 where it has no fingerprint."""

    @classmethod
    def of(cls, facts: Sequence[ItemFacts]) -> _Prints:
        rows_F = np.asarray([row for row, fact in enumerate(facts) if fact.fingerprint is not None], np.intp)
        place_N = np.full(len(facts), -1, np.intp)
        place_N[rows_F] = np.arange(len(rows_F))
        return cls(rows_F, phash.frequencies([facts[row].fingerprint or b"" for row in rows_F]), place_N)

    def copies(self) -> _Pairs:
        """Pairs by perceptual hash."""
        i_P, j_P, likeness_P = copy_pairs(self.frequencies_FKK)
        return _Pairs("hash", self.rows_F[i_P], self.rows_F[j_P], likeness_P)

    def crops(self, i_P: Rows, j_P: Rows) -> FloatArray:
        """(P,) likeness of crops, 0 of other pairs."""
        likeness_P = np.zeros(len(i_P), np.float32)
        both = np.flatnonzero((self.place_N[i_P] >= 0) & (self.place_N[j_P] >= 0))
        parts = np.array_split(both, max(1, -(-len(both) // 256)))
        with ThreadPoolExecutor(available_cores()) as pool:
            for part, values in zip(
                parts, pool.map(lambda rows: self._crops(i_P[rows], j_P[rows]), parts), strict=True
            ):
                likeness_P[part] = values
        return likeness_P

    def _crops(self, i_P: Rows, j_P: Rows) -> FloatArray:
        return crop_likeness(self.frequencies_FKK, self.place_N[i_P], self.place_N[j_P])

    def like(self, i_P: Rows, j_P: Rows) -> NDArray[np.bool_]:
        """(P,) whether two are copies by their frequencies, whatever their hashes, or crops."""
        both = np.flatnonzero((self.place_N[i_P] >= 0) & (self.place_N[j_P] >= 0))
        like_P = np.zeros(len(i_P), bool)
        like_P[both] = (
            phash.likeness(self.frequencies_FKK, self.place_N[i_P[both]], self.place_N[j_P[both]]) >= LEAST_LIKENESS
        )
        rest = both[~like_P[both]][:MOST_ALIGNED]
        like_P[rest] = self.crops(i_P[rest], j_P[rest]) > 0
        return like_P


def _equal_content(facts: tuple[ItemFacts, ...]) -> _Pairs:
    first: dict[str, int] = {}
    others = [(first.setdefault(fact.content_sha256, row), row) for row, fact in enumerate(facts)]
    pairs_P2 = np.asarray([pair for pair in others if pair[0] != pair[1]], np.intp).reshape(-1, 2)
    return _Pairs("exact", pairs_P2[:, 0], pairs_P2[:, 1], np.ones(len(pairs_P2), np.float32))


def _surest(n: int, found: Sequence[_Pairs]) -> tuple[Rows, Rows, Rows, FloatArray]:
    """Each pair once, as what it surest is: kind by kind, and within a kind the likest first."""
    kind_P = np.concatenate([np.full(len(pairs.i_P), KINDS.index(pairs.kind)) for pairs in found])
    i_P, j_P, score_P = (
        np.concatenate([getattr(pairs, name) for pairs in found]) for name in ("i_P", "j_P", "score_P")
    )
    order = np.lexsort((j_P, i_P, -score_P, kind_P))
    _, firsts = np.unique((i_P * n + j_P)[order], return_index=True)
    kept = order[np.sort(firsts)]
    return i_P[kept], j_P[kept], kind_P[kept], score_P[kept]


def _by_cosine(
    features_ND: FloatArray, norms_N: FloatArray, probe_cosines: FloatArray, known_N: IntArray, prints: _Prints
) -> tuple[float | None, list[_Pairs]]:
    """Pairs that only embeddings show; ``known_N`` numbers the pictures that are known to be one."""
    lowest = min(float(np.quantile(probe_cosines, PROBE_QUANTILE)), 1.0)
    reach = 1 - CROP_REACH * (1 - min(float(np.quantile(probe_cosines, CROP_QUANTILE)), 1.0))
    n = len(norms_N)
    whole_NN = whole(features_ND, norms_N) if n <= MANY else None
    rows_S = np.arange(n) if whole_NN is not None else spread(n, NEAREST_SAMPLE)
    nearest_S, floor = _neighbours(features_ND, norms_N, known_N, rows_S, reach, whole_NN)
    first = _threshold(nearest_S, lowest)
    least = min(floor, first or 1.0)
    close = _close_pairs(features_ND, norms_N, known_N, least, first, whole_NN)
    candidates = close.chosen(_worth_aligning(close, n))
    likeness_P = prints.crops(candidates.i_P, candidates.j_P)
    crops = _Pairs("crop", candidates.i_P, candidates.j_P, likeness_P).chosen(likeness_P > 0)
    # A crop is a copy, and no neighbour that a threshold must keep clear of.
    known_N = merge_groups(known_N, joined(n, crops.i_P, crops.j_P))
    at = np.flatnonzero(np.isin(rows_S, np.concatenate([crops.i_P, crops.j_P])))
    whole_TN = None if whole_NN is None else whole_NN[rows_S[at]]
    nearest_S[at], _ = _neighbours(features_ND, norms_N, known_N, rows_S[at], reach, whole_TN)
    threshold = _threshold(nearest_S, lowest)
    if (threshold or 1.0) < least:
        close = _close_pairs(features_ND, norms_N, known_N, threshold or 1.0, threshold, whole_NN)
    return threshold, [crops] if threshold is None else [crops, close.chosen(close.score_P >= threshold)]


def _threshold(nearest_S: FloatArray, lowest: float) -> float | None:
    """The cosine from which on two are copies, None where none tells copies from neighbours."""
    median, ninetieth = np.quantile(nearest_S, [0.5, 0.9])
    threshold = max(lowest, float(median + FENCE * (ninetieth - median)))
    # The fence is no cosine itself: where neighbours' cosines vary widely, it lies beyond 1, and no pair reaches it.
    return None if ninetieth >= lowest or threshold > 1 else threshold


def _neighbours(
    features_ND: FloatArray,
    norms_N: FloatArray,
    known_N: IntArray,
    rows_S: Rows,
    reach: float,
    whole_SN: FloatArray | None,
) -> tuple[FloatArray, float]:
    """(S,) cosines of the image nearest to each of ``rows_S`` that is not known to be a copy; and ``reach``, or the cosine that
    only `CANDIDATES` images an image come to where more come to ``reach``."""
    nearest_S = np.full(len(rows_S), -1.0, np.float32)
    # A histogram of cosines from `reach` on tells how many images come to which.
    edges = np.linspace(reach, 1.0, 513)
    counts = np.zeros(512, np.int64)
    for part, cosines_SB in _blocks(features_ND, norms_N, rows_S, whole_SN):
        cosines_SB[known_N[rows_S][:, None] == known_N[part][None, :]] = -1.0
        nearest_S = np.maximum(nearest_S, cosines_SB.max(axis=1))
        counts += np.histogram(np.minimum(cosines_SB[cosines_SB >= reach], 1.0), edges)[0]
    nearest_S = np.minimum(nearest_S, 1.0)
    from_above = np.cumsum(counts[::-1])[::-1]
    allowed = np.flatnonzero(from_above <= CANDIDATES * len(rows_S))
    return nearest_S, float(edges[allowed[0]]) if len(allowed) else 1.0


def _blocks(
    features_ND: FloatArray, norms_N: FloatArray, rows_S: Rows, whole_SN: FloatArray | None, block: int = 1024
) -> Iterator[tuple[slice, FloatArray]]:
    """Yield (S, B) cosines of some with all, block by block, each to be written to."""
    parts = [slice(start, start + block) for start in range(0, len(norms_N) if len(rows_S) else 0, block)]
    if whole_SN is not None:
        yield from ((part, whole_SN[:, part].copy()) for part in parts)
        return
    unit_SD: FloatArray = features_ND[rows_S] / norms_N[rows_S, None]
    for part in parts:
        cosines_SB: FloatArray = np.matmul(unit_SD, features_ND[part].T, dtype=np.float32)
        cosines_SB /= norms_N[part]
        yield part, cosines_SB


def _close_pairs(
    features_ND: FloatArray,
    norms_N: FloatArray,
    known_N: IntArray,
    least: float,
    threshold: float | None,
    whole_NN: FloatArray | None,
) -> _Pairs:
    """Pairs with a cosine of ``least`` or more that are not known yet; once an image has enough partners beyond
    ``threshold``, those that it has among images with as many are not looked for."""
    n = len(norms_N)
    settled_N, partners_N = np.zeros(n, bool), np.zeros(n, np.int64)
    found = [(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float32))]
    for i_P, j_P, cosines_P in near_pairs(features_ND, norms_N, least, settled_N, whole_NN=whole_NN):
        new = known_N[i_P] != known_N[j_P]
        found.append((i_P[new], j_P[new], cosines_P[new]))
        sure = cosines_P >= (2.0 if threshold is None else threshold)
        partners_N += np.bincount(i_P[sure], minlength=n) + np.bincount(j_P[sure], minlength=n)
        settled_N |= partners_N >= PARTNERS
    return _Pairs("embedding", *(np.concatenate(column) for column in zip(*found, strict=True)))


def _worth_aligning(pairs: _Pairs, n: int) -> NDArray[np.bool_]:
    """(P,) whether one is among the nearest of the other; at most `MOST_ALIGNED`, the closest."""
    nodes = np.concatenate([pairs.i_P, pairs.j_P])
    both = np.concatenate([pairs.score_P, pairs.score_P])
    order = np.lexsort((np.arange(len(nodes)), -both, nodes))
    starts = np.searchsorted(nodes[order], np.arange(n))
    rank = np.empty(len(nodes), np.int64)
    rank[order] = np.arange(len(nodes)) - starts[nodes[order]]
    near = (rank < CROP_NEIGHBOURS).reshape(2, -1).any(axis=0)
    chosen = np.flatnonzero(near)
    if len(chosen) > MOST_ALIGNED:
        chosen = chosen[np.argsort(-pairs.score_P[chosen], kind="stable")[:MOST_ALIGNED]]
    worth = np.zeros(len(pairs.i_P), bool)
    worth[chosen] = True
    return worth
