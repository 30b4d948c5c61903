"""Folds that respect groups and keep the classes balanced.

Shapes: N items, C classes, F folds. Labels are class indices 0…C−1, groups any integers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.types import IntArray

DEFAULT_FOLDS = 5


def grouped_folds(labels_N: IntArray, groups_N: IntArray, n_folds: int, seed: int) -> IntArray:
    """Return the (N,) fold of each item. No group is on both sides of a fold; each fold has nearly its share of each class.

    Groups of several items go first, the largest ahead, each to the fold that it leaves most balanced; single items are
    then dealt, class by class, to the folds that lack most of that class. Ties go to the emptiest fold, so that none
    stays empty, then by the seed.

    Raises:
        DataError: there are fewer groups than folds.
    """
    rng = np.random.default_rng(seed)
    _, group_N, sizes_G = np.unique(groups_N, return_inverse=True, return_counts=True)
    if len(sizes_G) < n_folds:
        raise DataError(f"{len(sizes_G)} groups cannot be split into {n_folds} folds; ask for at most one fold a group")
    n_classes = int(labels_N.max()) + 1
    share_C = np.maximum(np.bincount(labels_N, minlength=n_classes) / n_folds, 1e-9)
    filled_FC = np.zeros((n_folds, n_classes))
    fold_G = np.full(len(sizes_G), -1)

    members_G = np.split(np.argsort(group_N, kind="stable"), np.cumsum(sizes_G)[:-1])
    several = np.flatnonzero(sizes_G > 1)
    several = several[rng.permutation(len(several))]
    for group in several[np.argsort(-sizes_G[several], kind="stable")]:
        counts_C = np.bincount(labels_N[members_G[group]], minlength=n_classes)
        # The sum over folds and classes of (filled / share − 1)² grows least where this product is smallest.
        cost_F = (filled_FC / share_C) @ (counts_C / share_C)
        fold = np.lexsort((rng.permutation(n_folds), filled_FC.sum(axis=1), cost_F))[0]
        fold_G[group] = fold
        filled_FC[fold] += counts_C

    alone = np.flatnonzero(sizes_G == 1)
    label_of_alone = labels_N[[members_G[group][0] for group in alone]] if len(alone) else alone
    for label in rng.permutation(n_classes):
        chosen = alone[label_of_alone == label]
        chosen = chosen[rng.permutation(len(chosen))]
        shares_F = _level(filled_FC[:, label], len(chosen), filled_FC.sum(axis=1), rng)
        fold_G[chosen] = np.repeat(np.arange(n_folds), shares_F)
        filled_FC[:, label] += shares_F
    folds: IntArray = fold_G[group_N].astype(np.int64)
    return folds


def _level(
    filled_F: NDArray[np.float64], count: int, total_F: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Deal ``count`` single items of a class to the folds, so that the class comes out as even as it can; returns their
    shares."""
    shares_F = np.zeros(len(filled_F), np.int64)
    # The water level: each fold gets the items that lift it to the level, which is found on the sorted heights.
    order = np.argsort(filled_F, kind="stable")
    heights = filled_F[order]
    room = heights * np.arange(1, len(heights) + 1) - np.cumsum(
        heights
    )  # the items it takes to lift all lower folds to each height
    k = int(np.searchsorted(room, count, side="right"))
    level = (count + heights[:k].sum()) / max(k, 1)
    shares_F[order[:k]] = np.floor(np.maximum(level - heights[:k], 0)).astype(np.int64)
    rest = count - int(shares_F.sum())
    if rest > 0:
        # Items left over go to the folds with the fewest of the class, then with the fewest of all.
        tie = rng.permutation(len(filled_F))
        emptiest = np.lexsort((tie, total_F, filled_F + shares_F))
        np.add.at(shares_F, np.resize(emptiest, rest), 1)
    return shares_F


def random_folds(labels_N: IntArray, n_folds: int, seed: int) -> IntArray:
    """Return (N,) stratified folds that know nothing of groups, as a random split would make them."""
    return grouped_folds(labels_N, np.arange(len(labels_N)), n_folds, seed)


def fold_count(labels_N: IntArray, groups_N: IntArray, wanted: int = DEFAULT_FOLDS) -> int:
    """Return ``wanted`` folds, or fewer where a class stands in fewer groups: each training part should know each class.

    At least 2. A class that has no item at all (its files were all unusable) does not count.
    """
    pairs = np.unique(np.stack([labels_N, groups_N]), axis=1)
    _, groups_C = np.unique(pairs[0], return_counts=True)
    return max(2, min(wanted, int(groups_C.min(initial=wanted))))


def in_several_groups(labels_N: IntArray, groups_N: IntArray) -> NDArray[np.bool_]:
    """Return (N,) which items are of a class that stands in two groups or more: a fold cannot know the others' class.

    >>> in_several_groups(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 2, 2, 3])).tolist()
    [True, True, False, False, False]
    """
    pairs = np.unique(np.stack([labels_N, groups_N]), axis=1)
    counts_C = np.bincount(pairs[0], minlength=int(labels_N.max(initial=0)) + 1)
    several_N: NDArray[np.bool_] = counts_C[labels_N] >= 2
    return several_N
