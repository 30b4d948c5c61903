"""The order of labelling: typical, unsure, unlike each other, and every fifth from the reserve."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.curate.diversity import alike_from, typical, unsure, unsure_and_unlike, widest_axes
from drivetrain.workbench.label_queue import COLD_LABELS, RESERVE_EVERY, Asked, Chosen, LabelQueue

CLUSTERS, EACH, WIDTH = 4, 30, 16


def clustered(seed: int = 0, spread: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Items around a few middles, of unit length, and the middle of each."""
    random = np.random.default_rng(seed)
    middles = np.linalg.qr(random.normal(size=(WIDTH, CLUSTERS)))[0].T
    of = np.repeat(np.arange(CLUSTERS), EACH)
    found = middles[of] + spread * random.normal(size=(len(of), WIDTH))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32), of


def queue(groups: np.ndarray | None = None, seed: int = 0) -> LabelQueue:
    features, _ = clustered()
    return LabelQueue(features, np.arange(len(features)) if groups is None else groups, seed)


def rows(asked: tuple[Asked, ...]) -> list[int]:
    return [one.row for one in asked]


def test_axes_keep_distances_where_there_are_as_many_as_features() -> None:
    features, _ = clustered()
    axes = widest_axes(features)
    apart = np.linalg.norm(features[:5, None] - features[None], axis=2)
    assert np.allclose(np.linalg.norm(axes[:5, None] - axes[None], axis=2), apart, atol=1e-3)
    few = widest_axes(features[:6])  # fewer items than features take the other way
    apart = np.linalg.norm(features[:6, None] - features[None, :6], axis=2)
    assert np.allclose(np.linalg.norm(few[:, None] - few[None], axis=2), apart, atol=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_typical_items_stand_for_a_cluster_each(seed: int) -> None:
    features, of = clustered()
    chosen = typical(widest_axes(features), [], np.ones(len(of), bool), CLUSTERS, seed)
    middles = np.stack([features[of == cluster].mean(axis=0) for cluster in range(CLUSTERS)])
    assert len(set(chosen)) == CLUSTERS
    assert len({int(of[row]) for row in chosen}) >= CLUSTERS - 1  # k-means may start with two middles in one
    for row in chosen:
        apart = np.linalg.norm(features[of == of[row]] - middles[of[row]], axis=1)
        assert np.linalg.norm(features[row] - middles[of[row]]) < np.quantile(apart, 0.7)


def test_typical_items_are_of_clusters_without_a_label() -> None:
    features, of = clustered()
    known = [int(np.flatnonzero(of == cluster)[0]) for cluster in (0, 1)]
    free = np.ones(len(of), bool)
    free[known] = False
    found = {int(of[row]) for seed in range(6) for row in typical(widest_axes(features), known, free, 2, seed)}
    assert found >= {2, 3}


def test_typical_items_run_out() -> None:
    features, _ = clustered()
    free = np.zeros(len(features), bool)
    free[[3, 77]] = True
    assert sorted(typical(widest_axes(features), [], free, 9, 0)) == [3, 77]


def test_the_least_sure_is_between_two_classes() -> None:
    probs = np.asarray([[0.9, 0.05, 0.05], [0.4, 0.39, 0.21], [0.34, 0.33, 0.33]])
    assert np.allclose(unsure(probs), [0.15, 0.99, 0.99])
    assert unsure(np.ones((3, 1))).tolist() == [0, 0, 0]


def test_like_items_are_not_asked_together() -> None:
    features = np.asarray([[1, 0], [1, 0], [0.9988, 0.05], [0, 1]], np.float32)
    worth = np.asarray([0.9, 0.9, 0.89, 0.2])
    assert unsure_and_unlike(worth, features, 2, alike=0.5) == [0, 3]
    assert unsure_and_unlike(worth, features, 2, alike=0.999) == [0, 2]
    assert sorted(unsure_and_unlike(worth, features, 4, alike=0.5)) == [0, 1, 2, 3]


def test_what_is_alike_is_read_off_nearest_neighbours() -> None:
    tight, loose = clustered(spread=0.01)[0], clustered(spread=0.2)[0]
    assert 0 < alike_from(loose) < alike_from(tight) <= 0.999
    assert alike_from(tight[:1]) == 0
    assert alike_from(np.repeat(tight[:1], 5, axis=0)) == 0.999


def test_every_fifth_is_from_the_reserve_and_nothing_else_takes_from_it() -> None:
    asked = queue()
    labelled: set[int] = set()
    probs = np.tile(np.asarray([[0.6, 0.4]]), (CLUSTERS * EACH, 1))
    seen: list[Asked] = []
    while len(labelled) < 60:
        batch = asked.following(7, labelled, (), probs if len(labelled) > 5 else None)
        seen += batch
        labelled |= set(rows(batch))
    places = [place for place, one in enumerate(seen) if one.chosen is Chosen.RESERVE]
    assert places == list(range(RESERVE_EVERY - 1, len(seen), RESERVE_EVERY))
    assert [seen[place].row for place in places] == list(asked.reserve[: len(places)])
    assert not set(asked.reserve) & {one.row for one in seen if one.chosen is not Chosen.RESERVE}
    assert {one.chosen for one in seen[:COLD_LABELS]} == {Chosen.TYPICAL, Chosen.RESERVE}
    assert {one.chosen for one in seen[COLD_LABELS + 7 :]} == {Chosen.UNSURE, Chosen.RESERVE}


def test_a_model_that_was_taught_elsewhere_is_asked_for_its_doubts_at_once() -> None:
    features, _ = clustered()
    probs = np.tile(np.asarray([[0.6, 0.4]]), (CLUSTERS * EACH, 1))
    probs[7] = 0.5, 0.5
    asked = LabelQueue(features, np.arange(len(features)), seed=2, is_taught=True)
    assert 7 not in asked.reserve
    assert asked.following(1, (), (), probs) == (Asked(7, Chosen.UNSURE),)
    assert asked.following(1, (), (), None)[0].chosen is Chosen.TYPICAL


def test_copies_are_asked_once() -> None:
    groups = np.arange(CLUSTERS * EACH) // 3
    asked = queue(groups)
    assert asked.size == len(np.unique(groups))
    labelled: set[int] = set()
    while batch := asked.following(16, labelled, (), None):
        labelled |= set(rows(batch))
    assert len(labelled) == asked.size
    assert len(np.unique(groups[sorted(labelled)])) == asked.size


def test_the_reserve_is_a_random_sample() -> None:
    """Over many seeds each item stands in it as often as any other, also where some are copies of each other."""
    groups = np.concatenate([np.zeros(20, int), np.arange(1, CLUSTERS * EACH - 19)])
    runs = 600
    counted = np.zeros(groups.max() + 1)
    for seed in range(runs):
        counted[groups[list(queue(groups, seed).reserve)]] += 1
    share = len(queue(groups).reserve) / len(counted)
    # Of 101 binomial counts the most distant from its mean is within five standard deviations.
    assert np.abs(counted - runs * share).max() < 5 * np.sqrt(runs * share * (1 - share))


def test_what_is_on_a_screen_or_skipped_is_not_asked() -> None:
    asked = queue()
    first = rows(asked.following(8, (), (), None))
    second = rows(asked.following(8, (), first, None))
    assert not set(first) & set(second)


def test_the_same_seed_asks_the_same() -> None:
    assert queue(seed=3).following(20, (), (), None) == queue(seed=3).following(20, (), (), None)
    assert queue(seed=3).reserve != queue(seed=4).reserve
