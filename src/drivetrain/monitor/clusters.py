"""Clusters of images that look alike to a bundle's network.

Shapes: N images, D embedding, M images that the bundle remembers, K members of a cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray
from ..model.arrays import TrainingArrays, unit

LEAST_MEMBERS = 3
"""Two images may look alike by chance, or show one thing twice."""

# Where targets are no classes, the similarity of neighbours is taken from so many images, spread over all.
NEIGHBOURS_OF = 500

# A bundle whose training images tell nothing (one image a class) is taken to hold classes as tight as this.
USUAL = 0.6


@dataclass(frozen=True, eq=False)
class Cluster:
    """Images that look alike."""

    rows_K: NDArray[np.intp]
    """The most typical first."""
    similarity: float
    """Mean cosine similarity to the middle of the cluster."""


def clusters(embedding_ND: FloatArray, least: float) -> tuple[Cluster, ...]:
    """Group images by average linkage: two groups are one where the cosine of their images is ``least`` on average.

    Largest first; of equal ones the tighter goes ahead. Embeddings need not be of unit length. Images that are like no two
    others, and those whose embedding is not finite, are in none.
    """
    usable_N = np.flatnonzero(np.isfinite(embedding_ND).all(axis=1) & (np.abs(embedding_ND).max(axis=1, initial=0) > 0))
    if len(usable_N) < LEAST_MEMBERS:
        return ()
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    unit_ND = unit(np.asarray(embedding_ND[usable_N], np.float32))
    distance_NN = np.clip(1.0 - unit_ND @ unit_ND.T, 0.0, 2.0).astype(np.float64)
    np.fill_diagonal(distance_NN, 0.0)
    tree = linkage(squareform(distance_NN, checks=False), "average")
    label_N = fcluster(tree, max(0.0, 1.0 - least), "distance")
    groups = [np.flatnonzero(label_N == label) for label in np.unique(label_N)]
    found = [_cluster(unit_ND, usable_N, rows) for rows in groups if len(rows) >= LEAST_MEMBERS]
    return tuple(sorted(found, key=lambda cluster: (-len(cluster.rows_K), -cluster.similarity)))


def _cluster(unit_ND: FloatArray, usable_N: NDArray[np.intp], rows_K: NDArray[np.intp]) -> Cluster:
    middle_D = unit(unit_ND[rows_K].mean(axis=0)[None])[0]
    cosine_K = unit_ND[rows_K] @ middle_D
    order_K = np.argsort(-cosine_K, kind="stable")
    return Cluster(usable_N[rows_K[order_K]], float(np.clip(cosine_K.mean(), 0, 1)))


def least_similarity(arrays: TrainingArrays) -> float:
    """Return the average similarity from which on images are taken for one kind: nearer to that of the images of a class than
    to that of all images trained on.

    Midway between the two: of bears, people's faces and polar bears, which such a model has not seen, make clusters of their
    own, and unrelated photos none.
    """
    unit_MD = arrays.unit_ND
    overall = _mean_similarity(unit_MD)
    return USUAL if overall is None else (_class_similarity(unit_MD, arrays.targets_N) + overall) / 2


def _class_similarity(unit_MD: FloatArray, targets: NDArray[Any]) -> float:
    """The average similarity of images of one class: the median over classes. Where targets are no classes: the median
    similarity of an image to its nearest neighbour."""
    if targets.ndim == 1 and np.issubdtype(targets.dtype, np.integer):
        classes = [_mean_similarity(unit_MD[targets == label]) for label in np.unique(targets)]
        means = [mean for mean in classes if mean is not None]
        return float(np.median(means)) if means else USUAL
    some_MD = unit_MD[:: max(1, len(unit_MD) // NEIGHBOURS_OF)]
    cosine_MM = some_MD @ some_MD.T
    np.fill_diagonal(cosine_MM, -1.0)
    return float(np.median(cosine_MM.max(axis=1)))


def _mean_similarity(unit_KD: FloatArray) -> float | None:
    """Mean cosine over the pairs of K unit vectors: their sum's square is the sum over all pairs, each twice, and K ones."""
    count = len(unit_KD)
    if count < 2:
        return None
    total_D = unit_KD.sum(axis=0, dtype=np.float64)
    return float((total_D @ total_D - count) / (count * (count - 1)))


def joined(parts: Sequence[FloatArray]) -> FloatArray:
    """Stack embeddings (D,) to (N, D)."""
    return np.stack(parts) if parts else np.empty((0, 1), np.float32)
