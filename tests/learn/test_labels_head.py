"""The head for several labels an item: scikit-learn's optimum, honest folds, and labels of which little is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from drivetrain.core.errors import DataError
from drivetrain.data.block.blocks import MultiCategoryBlock
from drivetrain.learn.crossval import PENALTIES, QUICK_PENALTIES, best_penalty, quick_look
from drivetrain.learn.labels_head import (
    LabelsValidation,
    fit_labels,
    fit_labels_head,
    probabilities,
    rarest_labels,
)
from drivetrain.learn.logistic import Axes
from drivetrain.stats.folds import grouped_folds
from drivetrain.stats.label_metrics import binary_log_loss, mean_average_precision, sigmoid


def problem(n: int, d: int, labels: int, seed: int = 0, signal: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """Unit-length features; labels from common to rare that overlap and hang together."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, d))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    logits = features @ rng.normal(size=(d, labels)) * signal - np.linspace(0, 2, labels)
    return features.astype(np.float32), (rng.random((n, labels)) < expit(logits)).astype(np.float32)


def clustered(seed: int, groups: int, size: int, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Members of a group look alike and share their labels, which are coin flips."""
    rng = np.random.default_rng(seed)
    group_N = np.repeat(np.arange(groups), size)
    features = rng.normal(size=(groups, d))[group_N] + 0.05 * rng.normal(size=(groups * size, d))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features.astype(np.float32), (rng.random((groups, 3)) < 0.4).astype(np.float32)[group_N], group_N


def ones(n: int) -> np.ndarray:
    return np.ones(n, np.float32)


@pytest.mark.parametrize(("n", "d", "labels"), [(300, 40, 3), (60, 200, 4), (150, 150, 8), (200, 20, 1)])
@pytest.mark.parametrize("penalty", [0.1, 3.0, 100.0])
def test_the_optimum_is_scikit_learns_label_by_label(n: int, d: int, labels: int, penalty: float) -> None:
    features, present = problem(n, d, labels)
    axes = Axes.of(features)
    weight, bias = fit_labels(axes, present, penalty, tolerance=1e-4, dtype=np.float64).in_features(axes)
    for label in range(labels):
        theirs = LogisticRegression(C=penalty, max_iter=20_000, tol=1e-9)
        theirs.fit(features.astype(np.float64), present[:, label])
        probs = expit(features @ weight[:, label] + bias[label])
        assert np.abs(probs - theirs.predict_proba(features)[:, 1]).max() < 2e-3


def test_out_of_fold_results_are_scikit_learns_fold_by_fold() -> None:
    features, present = problem(240, 30, 2)
    groups = np.arange(240) // 3
    folds = grouped_folds(rarest_labels(present), groups, 4, 0)
    weights = np.random.default_rng(1).uniform(0.5, 1.5, 240).astype(np.float32)
    result = LabelsValidation(Axes.of(features), present, folds, weights, 2).at(10.0)
    for label in range(2):
        for fold in range(4):
            training, held_out = folds != fold, folds == fold
            theirs = LogisticRegression(C=10.0, max_iter=20_000, tol=1e-9)
            theirs.fit(features[training], present[training, label], sample_weight=weights[training])
            gap = expit(result.logits_NC[held_out, label]) - theirs.predict_proba(features[held_out])[:, 1]
            assert np.abs(gap).max() < 0.02  # the quick tolerance
    probs = probabilities(result)
    np.testing.assert_array_equal(probs, sigmoid(result.logits_NC, result.beta))
    each = -np.log(np.where(present > 0, probs, 1 - probs)).mean(axis=1)
    np.testing.assert_allclose(result.losses_N, each, rtol=1e-9)
    assert result.loss == pytest.approx(np.average(each, weights=weights))
    hot = -np.log(sigmoid(np.where(present > 0, 1, -1) * result.logits_NC)).mean(axis=1)
    assert result.loss <= np.average(hot, weights=weights)


def test_weights_count_like_copies() -> None:
    features, present = problem(80, 20, 3)
    copies = np.random.default_rng(1).integers(1, 4, size=80)
    axes, repeated_axes = Axes.of(features), Axes.of(np.repeat(features, copies, axis=0))
    weighted = fit_labels(axes, present, 2.0, weights_N=copies.astype(np.float32), tolerance=1e-5, dtype=np.float64)
    repeated = fit_labels(repeated_axes, np.repeat(present, copies, axis=0), 2.0, tolerance=1e-5, dtype=np.float64)
    np.testing.assert_allclose(weighted.in_features(axes)[0], repeated.in_features(repeated_axes)[0], atol=2e-3)


def test_labels_do_not_know_of_one_another() -> None:
    features, present = problem(200, 30, 4)
    axes = Axes.of(features)
    together = fit_labels(axes, present, 3.0, tolerance=1e-5, dtype=np.float64)
    alone = fit_labels(axes, present[:, [2]], 3.0, tolerance=1e-5, dtype=np.float64)
    np.testing.assert_allclose(together.weight_RC[:, [2]], alone.weight_RC, atol=1e-3)


def test_a_label_constant_in_training_has_the_smoothed_log_odds_of_its_frequency() -> None:
    features, present = problem(100, 20, 4)
    present[:60, 1], present[:60, 2] = 0, 1
    axes = Axes.of(features)
    fitted = fit_labels(axes, present, 1.0, rows=np.arange(60), weights_N=ones(100))
    assert fitted.bias_C[1] == pytest.approx(np.log(0.5 / 60.5))
    assert fitted.bias_C[2] == pytest.approx(np.log(60.5 / 0.5))
    assert not fitted.weight_RC[:, 1:3].any()
    assert np.abs(fitted.weight_RC[:, [0, 3]]).max() > 0.1
    others = fit_labels(axes, present[:, [0, 3]], 1.0, rows=np.arange(60), weights_N=ones(100))
    np.testing.assert_allclose(fitted.weight_RC[:, [0, 3]], others.weight_RC)


def test_a_label_of_one_group_and_one_of_no_item_and_one_of_all() -> None:
    features, present = problem(120, 20, 5, seed=2)
    groups = np.arange(120) // 2
    present[:, 2] = groups == 4
    present[:, 3], present[:, 4] = 0, 1
    fitted = fit_labels_head(features, present, groups, ones(120), seed=0, threads=2)
    assert fitted.n_folds == 5  # one rare label does not take the folds from the others
    assert np.isfinite(fitted.out_of_fold.logits_NC).all()
    assert np.isfinite(fitted.head.weight_DC).all()
    unknown = fitted.out_of_fold.logits_NC[groups == 4, 2]
    n_training = int((fitted.folds_N != fitted.folds_N[groups == 4][0]).sum())
    np.testing.assert_allclose(unknown, np.log(0.5 / (n_training + 0.5)), rtol=1e-6)
    always = sigmoid(fitted.head.logits(features), fitted.head.beta)[:, 4]
    assert always.min() > 0.95


def test_labels_that_never_vary_at_all() -> None:
    features, _ = problem(40, 10, 1)
    present = np.tile(np.asarray([0, 1], np.float32), (40, 1))
    fitted = fit_labels_head(features, present, np.arange(40), ones(40), seed=0, threads=1)
    assert not fitted.head.weight_DC.any()
    assert fitted.head.bias_C == pytest.approx([np.log(0.5 / 40.5), np.log(40.5 / 0.5)], rel=1e-5)
    assert fitted.random_split == 1.0


def test_strata_are_those_of_the_block() -> None:
    _, present = problem(200, 10, 6, seed=3, signal=1.0)
    present[:20] = 0
    present[:, 5] = present[::-1, 4]  # equally rare
    names = [f"label {number}" for number in range(6)]
    targets = [tuple(np.asarray(names)[row > 0].tolist()) for row in present]
    theirs = np.unique(MultiCategoryBlock().strata(targets), return_inverse=True)[1]
    ours = rarest_labels(present)
    assert len(np.unique(np.stack([ours, theirs]), axis=1).T) == len(np.unique(ours)) == len(np.unique(theirs))
    assert ours.max() == len(np.unique(ours)) - 1


def test_grouped_folds_tell_the_truth_where_a_random_split_claims_skill() -> None:
    features, present, groups = clustered(seed=3, groups=60, size=6, d=100)
    fitted = fit_labels_head(features, present, groups, ones(360), seed=0, threads=2)
    honest = mean_average_precision(present, fitted.out_of_fold.logits_NC)
    assert honest < 0.6  # the share of positives is 0.4
    assert fitted.random_split > 0.95
    assert all(len(np.unique(fitted.folds_N[groups == group])) == 1 for group in range(60))


def test_no_item_influences_its_own_out_of_fold_logits() -> None:
    features, present = problem(120, 30, 3)
    groups = np.arange(120) // 3
    folds = grouped_folds(rarest_labels(present), groups, 5, 0)
    axes = Axes.of(features)
    before = LabelsValidation(axes, present, folds, ones(120), 1).at(1.0).logits_NC
    flipped = present.copy()
    flipped[groups == 7] = 1 - flipped[groups == 7]
    after = LabelsValidation(axes, flipped, folds, ones(120), 1).at(1.0).logits_NC
    own_fold = folds == folds[groups == 7][0]
    np.testing.assert_array_equal(before[own_fold], after[own_fold])
    assert np.abs(before[~own_fold] - after[~own_fold]).max() > 1e-3


@pytest.mark.thorough
def test_out_of_fold_figures_are_what_fresh_items_show() -> None:
    precision_gaps, loss_ratios = [], []
    for seed in range(6):
        features, present = problem(1600, 40, 3, seed)
        fitted = fit_labels_head(features[:400], present[:400], np.arange(400), ones(400), seed=0, threads=2)
        fresh = fitted.head.logits(features[400:])
        precision_gaps.append(
            mean_average_precision(present[:400], fitted.out_of_fold.logits_NC)
            - mean_average_precision(present[400:], fresh)
        )
        loss_ratios.append(fitted.out_of_fold.loss / binary_log_loss(present[400:], sigmoid(fresh, fitted.head.beta)))
    assert abs(np.mean(precision_gaps)) < 0.04
    assert np.mean(loss_ratios) == pytest.approx(1.0, abs=0.05)


def test_the_random_split_without_groups_is_the_grouped_one() -> None:
    features, present = problem(150, 20, 3)
    fitted = fit_labels_head(features, present, np.arange(150), ones(150), seed=1, threads=2)
    scores = fitted.out_of_fold.logits_NC
    assert fitted.random_split == pytest.approx(average_precision_score(present, scores, average="macro"))


def test_the_penalty_is_the_strongest_of_the_nearly_best() -> None:
    features, present = problem(240, 30, 3)
    folds = grouped_folds(rarest_labels(present), np.arange(240), 5, 0)
    axes = Axes.of(features)
    chosen = fit_labels_head(features, present, np.arange(240), ones(240), seed=0, threads=2)
    every = {c: LabelsValidation(axes, present, folds, ones(240), 2).at(c).loss for c in PENALTIES}
    assert chosen.out_of_fold.loss <= min(every.values()) * 1.02
    stronger = [loss for penalty, loss in chosen.penalties if penalty < chosen.head.penalty]
    assert stronger
    assert all(loss > chosen.out_of_fold.loss for loss in stronger)
    assert chosen.head.penalty == best_penalty(LabelsValidation(axes, present, folds, ones(240), 2))[0].penalty  # type: ignore[arg-type]


def test_threads_and_reruns_change_nothing() -> None:
    features, present = problem(150, 40, 3)
    groups = np.arange(150) // 2
    results = [fit_labels_head(features, present, groups, ones(150), seed=5, threads=threads) for threads in (1, 2, 4)]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].out_of_fold.logits_NC, other.out_of_fold.logits_NC)
        np.testing.assert_array_equal(results[0].head.weight_DC, other.head.weight_DC)
        assert results[0].random_split == other.random_split


def test_fewer_items_than_features_one_label_and_narrow_types() -> None:
    features, present = problem(40, 300, 1)
    fitted = fit_labels_head(features, present, np.arange(40), ones(40), seed=0, threads=2)
    assert fitted.head.weight_DC.shape == (300, 1)
    assert fitted.head.weight_DC.dtype == fitted.head.bias_C.dtype == fitted.out_of_fold.logits_NC.dtype == np.float32
    as_bools = fit_labels_head(features, present > 0, np.arange(40), ones(40), seed=0, threads=2)  # type: ignore[arg-type]
    np.testing.assert_array_equal(as_bools.head.weight_DC, fitted.head.weight_DC)


def test_a_look_is_the_better_of_two_penalties_and_tells_good_features_from_bad() -> None:
    features, present = problem(300, 30, 3)
    noise = problem(300, 30, 3, seed=9)[0]
    folds = grouped_folds(rarest_labels(present), np.arange(300), 5, 0)
    good, bad = (
        quick_look(LabelsValidation(Axes.of(each), present, folds, ones(300), 1)) for each in (features, noise)
    )
    validation = LabelsValidation(Axes.of(features), present, folds, ones(300), 1)
    assert good.loss == min(validation.at(penalty).loss for penalty in QUICK_PENALTIES)
    assert good.loss < 0.9 * bad.loss


def test_wrong_truths_are_named() -> None:
    features, present = problem(20, 5, 2)
    for wrong, message in (
        (present * 2, "received 2 for a label"),
        (present * np.nan, "received nan"),
        (present[:10], r"shape \(10, 2\) for 20 items"),
        (present[:, :0], r"shape \(20, 0\)"),
        (present[:, 0], r"shape \(20,\)"),
    ):
        with pytest.raises(DataError, match=message):
            fit_labels_head(features, wrong, np.arange(20), ones(20), seed=0, threads=1)
    with pytest.raises(DataError, match="1 groups cannot be split"):
        fit_labels_head(features, present, np.zeros(20, np.int64), ones(20), seed=0, threads=1)
