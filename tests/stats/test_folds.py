"""Folds: groups stay whole, classes stay balanced, no fold is empty, and the seed alone decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from drivetrain.core.errors import DataError
from drivetrain.core.types import IntArray
from drivetrain.stats.folds import fold_count, grouped_folds, random_folds

Counts = NDArray[np.int64]


def table(labels_N: IntArray, folds_N: IntArray, n_folds: int) -> Counts:
    """(F, C) items of each class in each fold."""
    counts_FC = np.zeros((n_folds, int(labels_N.max()) + 1), np.int64)
    np.add.at(counts_FC, (folds_N, labels_N), 1)
    return counts_FC


def uneven(counts_FC: Counts) -> float:
    """Root mean square of how far folds are from their share of each class, relative to that share."""
    share_C = counts_FC.sum(axis=0) / len(counts_FC)
    present = share_C > 0
    return float(np.sqrt(np.mean((counts_FC[:, present] / share_C[present] - 1) ** 2)))


def videos(seed: int, n: int = 600, n_classes: int = 4, longest: int = 25) -> tuple[IntArray, IntArray]:
    """Items in groups of 1 to ``longest``, most groups of one class, the classes unequally frequent."""
    rng = np.random.default_rng(seed)
    frequency_C = rng.dirichlet(np.full(n_classes, 2.0))
    labels: list[int] = []
    groups: list[int] = []
    while len(labels) < n:
        size = int(rng.integers(1, longest + 1))
        main = rng.choice(n_classes, p=frequency_C)
        labels += [int(main if rng.random() < 0.9 else rng.integers(n_classes)) for _ in range(size)]
        groups += [len(groups) + 1] * size
    return np.asarray(labels, np.int64), np.asarray(groups, np.int64)


@st.composite
def data_sets(draw: st.DrawFn) -> tuple[IntArray, IntArray, int]:
    n_folds = draw(st.integers(2, 7))
    n_groups = draw(st.integers(n_folds, 40))
    n_classes = draw(st.integers(1, 5))
    sizes = draw(st.lists(st.sampled_from([1, 1, 1, 2, 3, 9]), min_size=n_groups, max_size=n_groups))
    n = sum(sizes)
    labels_N = np.asarray(draw(st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n)), np.int64)
    names = draw(st.permutations([g * 7 - 50 for g in range(n_groups)]))  # any integers, in any order
    shuffled = draw(st.permutations(range(n)))
    groups_N = np.repeat(np.asarray(names, np.int64), sizes)[np.asarray(shuffled)]
    return labels_N, groups_N, n_folds


@pytest.mark.thorough
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(data=data_sets(), seed=st.integers(0, 2**32 - 1))
def test_groups_stay_whole_and_no_fold_is_empty(data: tuple[IntArray, IntArray, int], seed: int) -> None:
    labels_N, groups_N, n_folds = data
    folds_N = grouped_folds(labels_N, groups_N, n_folds, seed)
    assert folds_N.shape == labels_N.shape
    assert folds_N.dtype == np.int64
    assert sorted(set(folds_N.tolist())) == list(range(n_folds))
    for group in np.unique(groups_N):
        assert len(set(folds_N[groups_N == group].tolist())) == 1
    assert np.array_equal(folds_N, grouped_folds(labels_N.copy(), groups_N.copy(), n_folds, seed))


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    labels=st.lists(st.integers(0, 6), min_size=7, max_size=120),
    n_folds=st.integers(2, 7),
    seed=st.integers(0, 2**32 - 1),
)
def test_single_items_are_dealt_to_within_one(labels: list[int], n_folds: int, seed: int) -> None:
    labels_N = np.asarray(labels, np.int64)
    counts_FC = table(labels_N, random_folds(labels_N, n_folds, seed), n_folds)
    assert np.ptp(counts_FC, axis=0).max() <= 1  # of each class
    assert np.ptp(counts_FC.sum(axis=1)) <= 1  # and of all together


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(big=st.lists(st.integers(2, 12), max_size=8), singles=st.integers(5, 80), seed=st.integers(0, 2**32 - 1))
def test_single_items_make_up_for_what_groups_leave(big: list[int], singles: int, seed: int) -> None:
    """One class: the singles fill the folds up to one level, as far as the groups have not risen above it."""
    groups_N = np.concatenate([np.repeat(np.arange(len(big)), big), 1000 + np.arange(singles)]).astype(np.int64)
    folds_N = grouped_folds(np.zeros(len(groups_N), np.int64), groups_N, 5, seed)
    total_F = np.bincount(folds_N, minlength=5)
    from_groups_F = np.bincount(folds_N[groups_N < 1000], minlength=5)
    topped_up = total_F > from_groups_F
    assert np.ptp(total_F[topped_up]) <= 1
    assert (from_groups_F[~topped_up] >= total_F[topped_up].max() - 1).all()


def test_groups_of_different_classes_do_not_pile_up() -> None:
    """Five groups of five classes in five folds: to each class all folds look alike, yet none may stay empty."""
    labels_N = np.repeat(np.arange(5), 4)
    for seed in range(50):
        folds_N = grouped_folds(labels_N, labels_N, 5, seed)
        assert np.bincount(folds_N, minlength=5).tolist() == [4] * 5


@pytest.mark.thorough
@pytest.mark.parametrize("longest", [3, 25, 60])
def test_as_balanced_as_scikit_learn(longest: int) -> None:
    """Over 20 data sets of uneven groups: better on average, and nowhere much worse."""
    ours, theirs = [], []
    for seed in range(20):
        labels_N, groups_N = videos(seed, longest=longest)
        folds_N = np.empty(len(labels_N), np.int64)
        split = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(labels_N, labels_N, groups_N)
        for fold, (_, rows) in enumerate(split):
            folds_N[rows] = fold
        theirs.append(uneven(table(labels_N, folds_N, 5)))
        ours.append(uneven(table(labels_N, grouped_folds(labels_N, groups_N, 5, seed), 5)))
    assert np.mean(ours) <= np.mean(theirs)
    assert max(np.asarray(ours) - np.asarray(theirs)) < 0.15


def test_the_seed_decides() -> None:
    labels_N, groups_N = videos(0)
    first = grouped_folds(labels_N, groups_N, 5, seed=1)
    assert np.array_equal(first, grouped_folds(labels_N, groups_N, 5, seed=1))
    assert not np.array_equal(first, grouped_folds(labels_N, groups_N, 5, seed=2))


def test_what_the_groups_are_called_does_not_matter() -> None:
    labels_N, groups_N = videos(3)
    assert np.array_equal(
        grouped_folds(labels_N, groups_N, 5, seed=0), grouped_folds(labels_N, groups_N * 1000 - 7, 5, seed=0)
    )


def test_random_folds_know_nothing_of_groups() -> None:
    """Near-copies end up on both sides: that is what they are for."""
    labels_N, groups_N = videos(1)
    folds_N = random_folds(labels_N, 5, seed=0)
    split = [group for group in np.unique(groups_N) if len(set(folds_N[groups_N == group].tolist())) > 1]
    assert len(split) > 0.5 * len(np.unique(groups_N))


@pytest.mark.parametrize(("n_groups", "n_folds"), [(0, 2), (1, 2), (4, 5)])
def test_fewer_groups_than_folds(n_groups: int, n_folds: int) -> None:
    groups_N = np.repeat(np.arange(n_groups), 10)
    with pytest.raises(DataError, match=f"^{n_groups} groups cannot be split into {n_folds} folds"):
        grouped_folds(np.zeros(len(groups_N), np.int64), groups_N, n_folds, seed=0)


def test_as_many_groups_as_folds() -> None:
    groups_N = np.repeat(np.arange(5), [9, 1, 4, 1, 30])
    folds_N = grouped_folds(np.zeros(45, np.int64), groups_N, 5, seed=0)
    assert sorted(np.bincount(folds_N).tolist()) == [1, 1, 4, 9, 30]


@pytest.mark.parametrize(
    ("labels", "groups", "expected"),
    [
        ([0] * 9 + [1] * 9, list(range(18)), 5),  # plenty
        ([0] * 9 + [1] * 3, list(range(12)), 3),  # one class is rare
        ([0] * 9 + [1] * 9, [*range(9), *[90] * 4, *[91] * 5], 2),  # or in few groups
        ([0] * 9 + [1], list(range(10)), 2),  # never fewer than two
        ([0] * 9 + [2] * 9, list(range(18)), 5),  # a class without any item does not count
        ([], [], 5),
    ],
)
def test_fold_count(labels: list[int], groups: list[int], expected: int) -> None:
    assert fold_count(np.asarray(labels, np.int64), np.asarray(groups, np.int64)) == expected


def test_each_training_part_knows_each_class() -> None:
    """What the number of folds is chosen for: a class's groups never all stand in the fold that is held out."""
    for seed in range(10):
        labels_N, groups_N = videos(seed, n=200, longest=8)
        wanted = fold_count(labels_N, groups_N)
        folds_N = grouped_folds(labels_N, groups_N, wanted, seed)
        for fold in range(wanted):
            assert set(labels_N[folds_N != fold]) == set(labels_N)
