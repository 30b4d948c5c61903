"""Chains are cut: each member of a group is linked to its medoid, or like it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.types import IntArray
from drivetrain.curate.medoids import around_medoids
from drivetrain.data.image.phash import Rows


def grouped(n: int, pairs: list[tuple[int, int]], reach: int) -> IntArray:
    """Items are like those at most ``reach`` away from them."""

    def alike(i: Rows, j: Rows) -> NDArray[np.bool_]:
        like: NDArray[np.bool_] = np.abs(i - j) <= reach
        return like

    i, j = np.asarray(pairs, np.intp).reshape(-1, 2).T
    return around_medoids(n, i, j, np.ones(len(i), np.float32), alike)


def members(groups: IntArray) -> list[list[int]]:
    return [np.flatnonzero(groups == group).tolist() for group in np.unique(groups)]


def test_a_chain_is_cut_into_pieces_around_medoids() -> None:
    chain = [(row, row + 1) for row in range(29)]
    for reach in (1, 2, 4):
        parts = members(grouped(30, chain, reach))
        assert sorted(row for part in parts for row in part) == list(range(30))
        assert all(part[-1] - part[0] <= 2 * reach for part in parts)
        assert len(parts) <= 30 / reach


def test_members_that_are_all_like_the_medoid_stay_together() -> None:
    star = [(0, row) for row in range(1, 9)]
    assert len(members(grouped(9, star, 0))) == 1
    assert len(members(grouped(5, [(0, 1), (1, 2), (2, 3), (3, 4)], 9))) == 1


def test_items_without_a_partner_stay_alone() -> None:
    assert sorted(members(grouped(4, [(1, 3)], 0))) == [[0], [1, 3], [2]]
    assert grouped(3, [], 9).tolist() == [0, 1, 2]
    assert grouped(0, [], 9).tolist() == []
