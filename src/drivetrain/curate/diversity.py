"""Typical and diverse items: which of many stand for the rest, by their embeddings alone.

Shapes: N items, D features, R axes, K clusters, M candidates, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray
from ..stats.metrics import Floats

# Clusters are found in the widest axes: beyond these, distances are mostly noise, and cost time.
AXES = 64

# Steps of Lloyd's algorithm: clusters are only to spread the choice, and need not have settled.
STEPS = 8

# An item is typical where this many others of its cluster are near (Hacohen, Dekel and Weinshall 2022, "Active learning on
# a budget: opposite strategies suit high and low budgets").
NEIGHBOURS = 20

# A larger cluster gives the item nearest to its middle, as comparing every pair would take long.
MOST_PAIRS = 400_000

# Items among which nearest neighbours are looked for, to learn how alike these are.
NEIGHBOURS_LOOKED_AT = 2000

Rows = NDArray[np.intp]


def widest_axes(features_ND: FloatArray, most: int = AXES) -> FloatArray:
    """Turn features into their ``most`` widest principal axes, (N, R).

    The axes are those of a matrix of D × D, or N × N where there are fewer items; more than 4,096 items are looked at by
    every so many of them.
    """
    centred_ND = features_ND - features_ND.mean(axis=0)
    looked_at_MD = centred_ND[:: max(1, -(-len(centred_ND) // 4096))]
    wide = len(looked_at_MD) < looked_at_MD.shape[1]
    square = looked_at_MD @ looked_at_MD.T if wide else looked_at_MD.T @ looked_at_MD
    energy, vectors = np.linalg.eigh(square)
    kept = np.argsort(energy)[::-1][:most]
    kept = kept[energy[kept] > 1e-7 * max(float(energy[-1]), 1e-12)]
    axes_DR = looked_at_MD.T @ vectors[:, kept] / np.sqrt(energy[kept]) if wide else vectors[:, kept]
    return np.ascontiguousarray(centred_ND @ axes_DR, np.float32)


def typical(axes_NR: FloatArray, known: Sequence[int], free_N: NDArray[np.bool_], count: int, seed: int) -> list[int]:
    """Choose ``count`` of the ``free_N`` items, each typical of a cluster that holds none of the ``known`` ones.

    There are as many clusters as known and chosen items together, the largest first; where the known ones have them all, the
    largest clusters give one more each. Fewer come back only where fewer are free.
    """
    n_free = int(free_N.sum())
    count = min(count, n_free)
    if count == 0:
        return []
    n_clusters = min(len(known) + count, len(axes_NR))
    cluster_N = _clusters(axes_NR, n_clusters, np.random.default_rng(seed))
    sizes_K = np.bincount(cluster_N, minlength=n_clusters)
    taken_K = np.bincount(cluster_N[np.asarray(known, np.intp)], minlength=n_clusters)
    free_N, chosen = free_N.copy(), list[int]()
    while len(chosen) < count:
        for cluster in np.lexsort((-sizes_K, taken_K)):
            members = np.flatnonzero(cluster_N == cluster)
            candidates = members[free_N[members]]
            if len(candidates) and len(chosen) < count:
                row = _most_typical(axes_NR, candidates, members)
                chosen.append(row)
                free_N[row] = False
                taken_K[cluster] += 1
    return chosen


def _most_typical(axes_NR: FloatArray, candidates: Rows, members: Rows) -> int:
    if len(candidates) * len(members) > MOST_PAIRS:
        middle_R = axes_NR[members].mean(axis=0)
        return int(candidates[np.argmin(np.linalg.norm(axes_NR[candidates] - middle_R, axis=1))])
    apart = _squares(axes_NR[candidates], axes_NR[members])
    near = np.sort(apart, axis=1)[:, : NEIGHBOURS + 1]
    return int(candidates[np.argmin(np.sqrt(near).mean(axis=1))])


def _clusters(axes_NR: FloatArray, count: int, random: np.random.Generator) -> Rows:
    """(N,) the cluster of each item: k-means, begun with k-means++ (Arthur and Vassilvitskii 2007)."""
    middles_KR = axes_NR[_far_apart(axes_NR, count, random)]
    cluster_N = np.zeros(len(axes_NR), np.intp)
    for _ in range(STEPS):
        cluster_N = _squares(axes_NR, middles_KR).argmin(axis=1)
        sizes_K = np.bincount(cluster_N, minlength=count)
        sums_KR = np.zeros_like(middles_KR)
        np.add.at(sums_KR, cluster_N, axes_NR)
        filled_K = sizes_K > 0
        middles_KR[filled_K] = sums_KR[filled_K] / sizes_K[filled_K, None]
    return cluster_N


def _far_apart(axes_NR: FloatArray, count: int, random: np.random.Generator) -> list[int]:
    chosen = [int(random.integers(len(axes_NR)))]
    nearest_N = _squares(axes_NR, axes_NR[chosen])[:, 0]
    while len(chosen) < count:
        total = float(nearest_N.sum())
        # Where everything left is a copy of what was chosen, any will do.
        shares_N = nearest_N / total if total > 0 else None
        row = int(random.choice(len(axes_NR), p=shares_N))
        chosen.append(row)
        nearest_N = np.minimum(nearest_N, _squares(axes_NR, axes_NR[[row]])[:, 0])
    return chosen


def _squares(a_NR: FloatArray, b_KR: FloatArray) -> Floats:
    """(N, K) squared distances; never below 0, as rounding would have it."""
    a_N, b_K = np.square(a_NR).sum(axis=1), np.square(b_KR).sum(axis=1)
    found: Floats = np.maximum(a_N[:, None] + b_K[None] - 2.0 * (a_NR @ b_KR.T), 0.0).astype(np.float64)
    return found


def unsure(probs_NC: Floats) -> Floats:
    """(N,) 1 − the margin between the two likeliest classes: 1 where they are equally likely."""
    if probs_NC.shape[1] < 2:
        return np.zeros(len(probs_NC))
    two_N2 = np.partition(probs_NC, -2, axis=1)[:, -2:]
    found: Floats = 1.0 - (two_N2[:, 1] - two_N2[:, 0])
    return found


def alike_from(features_AD: FloatArray) -> float:
    """Return the cosine from which on two items are as alike as an item and its nearest neighbour mostly are.

    ``features_AD`` are of unit length; `NEIGHBOURS_LOOKED_AT` of them at most are looked at. Below 1, so that a share of the way
    to equal can be told.
    """
    looked_at = features_AD[:: max(1, -(-len(features_AD) // NEIGHBOURS_LOOKED_AT))]
    if len(looked_at) < 2:
        return 0.0
    cosines = looked_at @ looked_at.T
    np.fill_diagonal(cosines, -1.0)
    return min(float(np.median(cosines.max(axis=1))), 0.999)


def unsure_and_unlike(worth_M: Floats, features_MD: FloatArray, count: int, alike: float) -> list[int]:
    """Choose ``count`` of M candidates one by one: each time the one worth most, less where it is like one just chosen.

    ``features_MD`` are of unit length. A cosine up to ``alike`` takes nothing off, and an equal item is worth nothing any more:
    what is asked together is answered before anything is learned from it, so that the second of two like items would teach
    little. Whatever is merely unlike the rest gains nothing by it: to seek that was worse than chance on clothes.
    """
    chosen: list[int] = []
    nearest_M = np.full(len(worth_M), -1.0)
    left_M = worth_M.astype(np.float64) + 1e-9
    while len(chosen) < min(count, len(worth_M)):
        row = int(np.argmax(left_M * (1.0 - np.clip((nearest_M - alike) / (1.0 - alike), 0.0, 1.0))))
        if left_M[row] == 0.0:  # everything left equals what was chosen
            row = int(np.argmax(left_M > 0))
        chosen.append(row)
        left_M[row] = 0.0
        nearest_M = np.maximum(nearest_M, features_MD @ features_MD[row])
    return chosen
