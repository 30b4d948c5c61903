"""Splitting chains: a group of pictures holds together only as far as each is like one of them, the group's medoid.

Where A is like B, B like C, and so on, the last may have nothing in common with the first. Such a chain is cut into groups around
their medoids, the pictures with the most partners. Shapes: N items, P pairs, M members.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..core.types import FloatArray, IntArray
from ..data.image.copies import joined
from ..data.image.phash import Rows

Alike = Callable[[Rows, Rows], np.ndarray[tuple[int], np.dtype[np.bool_]]]
"""Tells of pairs that are not linked whether they are alike all the same."""


def around_medoids(n: int, i_P: Rows, j_P: Rows, scores_P: FloatArray, alike: Alike) -> IntArray:
    """(n,) group numbers: each member of a group is linked to the group's medoid, or alike to it.

    What a medoid does not hold is grouped once more by the links among itself.
    """
    groups_N = np.full(n, -1, np.int64)
    left_N, count = np.ones(n, bool), 0
    while left_N.any():
        inside = left_N[i_P] & left_N[j_P]
        i, j, scores = i_P[inside], j_P[inside], scores_P[inside]
        parts_N = joined(n, i, j)
        medoids_N = _medoids(parts_N, i, j, scores)
        linked_N = np.arange(n) == medoids_N
        linked_N[j[medoids_N[i] == i]] = True
        linked_N[i[medoids_N[j] == j]] = True
        others = np.flatnonzero(left_N & ~linked_N)
        linked_N[others] = alike(medoids_N[others], others)
        held_N = left_N & linked_N
        groups_N[held_N] = parts_N[held_N] + count
        count += int(parts_N.max(initial=-1)) + 1
        left_N &= ~linked_N
    return np.unique(groups_N, return_inverse=True)[1].astype(np.int64)


def _medoids(parts_N: IntArray, i_P: Rows, j_P: Rows, scores_P: FloatArray) -> Rows:
    """(N,) the row of each item's medoid: most links, then the highest sum of their scores, then the first."""
    n = len(parts_N)
    links_N = np.bincount(i_P, minlength=n) + np.bincount(j_P, minlength=n)
    sums_N = np.bincount(i_P, scores_P, minlength=n) + np.bincount(j_P, scores_P, minlength=n)
    order = np.lexsort((np.arange(n), -sums_N, -links_N, parts_N))
    _, firsts = np.unique(parts_N[order], return_index=True)
    medoids: Rows = order[firsts][parts_N]
    return medoids
