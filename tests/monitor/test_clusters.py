"""Clusters among refused images: planted groups are found whole, and strangers make none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drivetrain.model.predictor import load
from drivetrain.monitor.clusters import LEAST_MEMBERS, clusters, least_similarity

BUNDLES = Path(__file__).parent.parent / "bundles"


def planted(sizes: tuple[int, ...], strangers: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, 64) groups about middles of their own, strangers in all directions; (N,) the group, −1 for strangers."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=64) + 0.3 * rng.normal(size=(size, 64)) for size in sizes]
    rows = np.concatenate([*parts, rng.normal(size=(strangers, 64))]).astype(np.float32)
    group = np.r_[np.repeat(np.arange(len(sizes)), sizes), np.full(strangers, -1)]
    order = rng.permutation(len(rows))
    # Lengths differ, as those of a network do.
    return rows[order] * rng.uniform(0.5, 20, (len(rows), 1)).astype(np.float32), group[order]


def test_planted_groups_are_found_and_strangers_are_in_none() -> None:
    embedding_ND, group_N = planted((12, 5, 30), 20, 0)
    found = clusters(embedding_ND, 0.6)
    assert [len(cluster.rows_K) for cluster in found] == [30, 12, 5]
    for cluster in found:
        assert len(set(group_N[cluster.rows_K])) == 1
        assert 0.8 < cluster.similarity <= 1


def test_the_most_typical_comes_first() -> None:
    rng = np.random.default_rng(1)
    near = np.ones(32) + 0.05 * rng.normal(size=(9, 32))
    odd = np.ones(32) + 0.8 * rng.normal(size=32)
    (cluster,) = clusters(np.vstack([odd, near]).astype(np.float32), 0.5)
    assert cluster.rows_K[-1] == 0


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_few_images_are_no_cluster(count: int) -> None:
    assert LEAST_MEMBERS == 3
    assert clusters(np.ones((count, 4), np.float32), 0.5) == ()


def test_embeddings_that_say_nothing_are_left_out() -> None:
    embedding_ND, _ = planted((6,), 0, 2)
    odd = np.vstack([np.full((3, 64), np.nan), np.zeros((4, 64)), embedding_ND]).astype(np.float32)
    (cluster,) = clusters(odd, 0.6)
    assert sorted(cluster.rows_K) == list(range(7, 13))


@pytest.mark.parametrize("name", ["v1", "v3-classes", "v3-grades", "v3-labels", "v3-numbers"])
def test_every_kind_of_bundle_says_what_is_alike(name: str) -> None:
    arrays = load(BUNDLES / name, golden=False, quarantine=None).arrays()
    assert -1 <= least_similarity(arrays) <= 1
