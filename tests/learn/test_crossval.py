"""Out-of-fold results: nothing of an item's own group may reach it, and the claims must hold on fresh data."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.learn.crossval import (
    PENALTIES,
    CrossValidation,
    best_penalty,
    paired_difference,
    standard_error,
)
from drivetrain.learn.head import class_weights, fit_head
from drivetrain.learn.logistic import Axes
from drivetrain.stats.folds import grouped_folds


def clustered(seed: int, groups: int, size: int, d: int = 30, signal: float = 0.0) -> tuple[np.ndarray, ...]:
    """Members of a group look alike and share a label; the label follows the features only as far as ``signal``."""
    rng = np.random.default_rng(seed)
    label_G = rng.integers(2, size=groups)
    centre_G = rng.normal(size=(groups, d))
    centre_G[:, 0] += signal * (2 * label_G - 1)
    group_N = np.repeat(np.arange(groups), size)
    features = centre_G[group_N] + 0.05 * rng.normal(size=(groups * size, d))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features.astype(np.float32), label_G[group_N].astype(np.int64), group_N.astype(np.int64)


def test_grouped_folds_tell_the_truth_where_a_random_split_claims_skill() -> None:
    features, labels, groups = clustered(seed=3, groups=60, size=8, d=100)
    fitted = fit_head(features, labels, groups, np.ones(480, np.float32), n_classes=2, seed=0, threads=2)
    honest = np.mean(fitted.out_of_fold.probs_NC.argmax(axis=1) == labels)
    assert honest < 0.65  # labels are coin flips by group
    assert fitted.random_split > 0.95  # copies on both sides


@pytest.mark.thorough
def test_out_of_fold_accuracy_is_what_fresh_groups_show() -> None:
    gaps = []
    for seed in range(8):
        features, labels, groups = clustered(seed, groups=150, size=3, signal=1.5)
        fitted = fit_head(
            features[:300], labels[:300], groups[:300], np.ones(300, np.float32), n_classes=2, seed=0, threads=2
        )
        fresh = np.mean(fitted.head.logits(features[300:]).argmax(axis=1) == labels[300:])
        gaps.append(np.mean(fitted.out_of_fold.probs_NC.argmax(axis=1) == labels[:300]) - fresh)
    assert abs(np.mean(gaps)) < 0.04


def test_no_item_influences_its_own_out_of_fold_logits() -> None:
    features, labels, groups = clustered(seed=0, groups=40, size=3, signal=1.0)
    folds = grouped_folds(labels, groups, 5, 0)
    weights = np.ones(len(labels), np.float32)
    axes = Axes.of(features)
    before = CrossValidation(axes, labels, folds, 2, weights, 1).at(1.0).logits_NC
    flipped = labels.copy()
    flipped[groups == 7] = 1 - flipped[groups == 7]
    after = CrossValidation(axes, flipped, folds, 2, weights, 1).at(1.0).logits_NC
    own_fold = folds == folds[groups == 7][0]
    np.testing.assert_array_equal(before[own_fold], after[own_fold])
    assert np.abs(before[~own_fold] - after[~own_fold]).max() > 1e-3


def test_threads_and_reruns_change_nothing() -> None:
    features, labels, groups = clustered(seed=1, groups=50, size=2, signal=1.0)
    weights = np.ones(len(labels), np.float32)
    results = [
        fit_head(features, labels, groups, weights, n_classes=2, seed=5, threads=threads) for threads in (1, 2, 4)
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].out_of_fold.logits_NC, other.out_of_fold.logits_NC)
        np.testing.assert_array_equal(results[0].head.weight_DC, other.head.weight_DC)


def test_the_penalty_is_the_strongest_of_the_nearly_best() -> None:
    features, labels, groups = clustered(seed=2, groups=120, size=2, signal=1.0)
    folds = grouped_folds(labels, groups, 5, 0)
    weights = np.ones(len(labels), np.float32)
    chosen, tried = best_penalty(CrossValidation(Axes.of(features), labels, folds, 2, weights, 2))
    every = {c: CrossValidation(Axes.of(features), labels, folds, 2, weights, 2).at(c).loss for c in PENALTIES}
    assert chosen.loss <= min(every.values()) * 1.02
    weaker = [result for result in tried if result.penalty < chosen.penalty]
    assert all(result.loss > chosen.loss for result in weaker)


def test_the_standard_error_of_a_difference_is_its_spread_over_samples() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(200), 4)
    weights = np.ones(800, np.float32)
    means, errors = [], []
    for _ in range(300):
        a = np.repeat(rng.normal(size=200), 4) + 0.1 * rng.normal(size=800)
        mean, error = paired_difference(a, np.zeros(800), groups, weights)
        means.append(mean)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.1)
    alone = standard_error(rng.normal(size=800), np.arange(800), weights)
    assert alone == pytest.approx(1 / np.sqrt(800), rel=0.1)


def test_balance_makes_classes_weigh_the_same() -> None:
    labels = np.asarray([0] * 90 + [1] * 10, np.int64)
    ones = np.ones(100, np.float32)
    for balance, ratio in (("none", 9.0), ("sqrt", 3.0), ("classes", 1.0)):
        weights = class_weights(labels, ones, balance)  # type: ignore[arg-type]  # the loop's strings
        totals = np.bincount(labels, weights=weights)
        assert totals[0] / totals[1] == pytest.approx(ratio, rel=1e-5)
        assert weights.mean() == pytest.approx(1.0, rel=1e-5)


def test_balance_within_groups_by_hand() -> None:
    # Group 0: three of class 0, one of class 1; group 1: two of class 1; overall each class has three of six.
    labels, groups = np.asarray([0, 0, 0, 1, 1, 1], np.int64), np.asarray([0, 0, 0, 0, 7, 7], np.int64)
    share = [(3 + 4) / (4 + 8)] * 3 + [(1 + 4) / (4 + 8)] + [(2 + 4) / (2 + 8)] * 2
    expected = 1 / np.asarray(share)
    weights = class_weights(labels, np.ones(6, np.float32), "groups", groups)
    np.testing.assert_allclose(weights, expected / expected.mean(), rtol=1e-6)
    # An item that counts twice is like two items.
    twice = class_weights(labels, np.asarray([1, 1, 1, 2, 1, 1], np.float32), "groups", groups)
    assert twice.mean() == pytest.approx(1.0, rel=1e-6)
    assert twice[3] < 2 * weights[3] * twice[0] / weights[0]


def test_balance_within_groups_leaves_no_group_a_share_of_its_own() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 200)
    labels = (rng.random(4000) < rng.uniform(0.1, 0.9, 20)[groups]).astype(np.int64)
    weights = class_weights(labels, np.ones(4000, np.float32), "groups", groups)
    for group in range(20):
        totals = np.bincount(labels[groups == group], weights=weights[groups == group])
        assert totals[1] / totals.sum() == pytest.approx(0.5, abs=0.04)  # 8 further images beside 200 are one in 26
    # Images without a group of their own weigh as their classes do.
    alone = class_weights(labels, np.ones(4000, np.float32), "groups", np.arange(4000))
    totals = np.bincount(labels, weights=alone)
    assert totals[1] / totals.sum() == pytest.approx(0.5, abs=0.02)


def test_balance_within_groups_carries_over_to_groups_not_seen_before() -> None:
    """The look of a group tells its share of the classes, in training; in other groups, where it misleads, it must not."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(12), 100)
    look, share = rng.normal(size=12), np.tile([0.9, 0.1], 6)
    look += np.where(share > 0.5, 1.5, -1.5)
    labels = (rng.random(1200) < share[groups]).astype(np.int64)

    def seen_as(labels_N: np.ndarray, look_N: np.ndarray) -> np.ndarray:
        true = np.where(labels_N == 1, 1.0, -1.0) + 1.5 * rng.normal(size=len(labels_N))
        return np.stack([true, look_N + 0.3 * rng.normal(size=len(labels_N))], axis=1).astype(np.float32)

    features = seen_as(labels, look[groups])
    new_labels = (rng.random(4000) < 0.5).astype(np.int64)
    new = seen_as(new_labels, np.repeat(1.8 * rng.normal(size=20), 200))
    right = {}
    for balance in ("none", "classes", "groups"):
        weights = class_weights(labels, np.ones(1200, np.float32), balance, groups)  # type: ignore[arg-type]
        head = fit_head(features, labels, np.arange(1200), weights, n_classes=2, seed=0, threads=2).head
        right[balance] = np.mean(head.logits(new).argmax(axis=1) == new_labels)
    assert right["groups"] > right["none"] + 0.05
    assert right["groups"] > right["classes"] + 0.05


def test_balance_lifts_the_recall_of_a_rare_class() -> None:
    rng = np.random.default_rng(0)
    labels = np.asarray([0] * 380 + [1] * 20, np.int64)
    features = rng.normal(size=(400, 10)).astype(np.float32)
    features[labels == 1, 0] += 1.2
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    recall = {}
    for balance in ("none", "classes"):
        weights = class_weights(labels, np.ones(400, np.float32), balance)  # type: ignore[arg-type]
        fitted = fit_head(features, labels, np.arange(400), weights, n_classes=2, seed=0, threads=2)
        recall[balance] = np.mean(fitted.out_of_fold.probs_NC.argmax(axis=1)[labels == 1] == 1)
    assert recall["classes"] > recall["none"] + 0.2
