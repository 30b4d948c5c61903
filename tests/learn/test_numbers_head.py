"""The head for numbers: scikit-learn's ridge, honest folds, and targets and features of which little can be learned."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from drivetrain.core.errors import DataError
from drivetrain.data.block.blocks import RegressionBlock
from drivetrain.learn.crossval import PENALTIES, QUICK_PENALTIES, quick_look
from drivetrain.learn.logistic import Axes
from drivetrain.learn.numbers_head import NumbersValidation, fit_numbers_head, rank_strata
from drivetrain.stats.folds import grouped_folds


def problem(n: int, d: int, targets: int = 1, seed: int = 0, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Unit-length features; numbers of quite different units."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, d))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    numbers = features @ rng.normal(size=(d, targets)) + noise * rng.normal(size=(n, targets))
    return features.astype(np.float32), numbers * 10.0 ** np.arange(1, targets + 1) + 40


def clustered(seed: int, groups: int, size: int, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Members of a group look alike and share their number, which nothing else tells."""
    rng = np.random.default_rng(seed)
    group_N = np.repeat(np.arange(groups), size)
    features = rng.normal(size=(groups, d))[group_N] + 0.05 * rng.normal(size=(groups * size, d))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features.astype(np.float32), rng.normal(size=(groups, 1))[group_N], group_N


def ones(n: int) -> np.ndarray:
    return np.ones(n, np.float32)


@pytest.mark.parametrize(("n", "d", "targets"), [(300, 40, 1), (60, 200, 3), (150, 150, 2)])
@pytest.mark.parametrize("penalty", [0.01, 1.0, 1000.0])
def test_the_solution_is_scikit_learns(n: int, d: int, targets: int, penalty: float) -> None:
    features, numbers = problem(n, d, targets)
    weights = np.random.default_rng(1).uniform(0.5, 1.5, n).astype(np.float32)
    axes = Axes.of(features)
    validation = NumbersValidation(axes, numbers, np.arange(n) % 5, weights, 2)
    weight, bias = validation.solution(penalty).in_features(axes)
    wide = features.astype(np.float64)
    theirs = Ridge(alpha=1 / penalty, solver="cholesky").fit(wide, numbers, sample_weight=weights)
    gap = features @ weight + bias - theirs.predict(wide).reshape(n, targets)
    assert (np.abs(gap) / numbers.std(axis=0)).max() < 1e-4
    for target in range(targets):
        ours, expected = weight[:, target], np.atleast_2d(theirs.coef_)[target]
        assert np.abs(ours - expected).max() < 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize(("n", "d"), [(240, 30), (60, 150)])
@pytest.mark.parametrize("penalty", [0.1, 100.0])
def test_out_of_fold_numbers_are_scikit_learns_fold_by_fold(n: int, d: int, penalty: float) -> None:
    features, numbers = problem(n, d, 2)
    folds = grouped_folds(rank_strata(numbers), np.arange(n) // 3, 4, 0)
    weights = np.random.default_rng(1).uniform(0.5, 1.5, n).astype(np.float32)
    result = NumbersValidation(Axes.of(features), numbers, folds, weights, 2).at(penalty)
    expected = np.empty_like(numbers)
    for fold in range(4):
        training, held_out = folds != fold, folds == fold
        theirs = Ridge(alpha=1 / penalty).fit(
            features[training].astype(np.float64), numbers[training], weights[training]
        )
        expected[held_out] = theirs.predict(features[held_out].astype(np.float64))
    spread = np.sqrt(np.average((numbers - np.average(numbers, axis=0, weights=weights)) ** 2, axis=0, weights=weights))
    assert (np.abs(result.logits_NC - expected) / spread).max() < 1e-3
    losses = (((expected - numbers) / spread) ** 2).mean(axis=1)
    np.testing.assert_allclose(result.losses_N, losses, atol=2e-3)
    assert result.loss == pytest.approx(np.average(losses, weights=weights), rel=1e-3)
    assert result.beta == 1.0


def test_the_head_is_in_the_targets_own_units() -> None:
    features, numbers = problem(400, 20, 2, noise=0.05)
    fitted = fit_numbers_head(features, numbers, np.arange(400), ones(400), seed=0, threads=2)
    errors = fitted.head.logits(features) - numbers
    assert (errors.std(axis=0) / numbers.std(axis=0)).max() < 0.3
    assert (np.abs(errors.mean(axis=0)) / numbers.std(axis=0)).max() < 1e-4  # the bias is not penalised
    theirs = Ridge(alpha=1 / fitted.head.penalty).fit(features.astype(np.float64), numbers)
    np.testing.assert_allclose(fitted.head.weight_DC.T, theirs.coef_, rtol=1e-3, atol=1e-3 * np.abs(theirs.coef_).max())
    np.testing.assert_allclose(fitted.head.bias_C, theirs.intercept_, rtol=1e-4)


def test_units_change_nothing_but_units() -> None:
    features, numbers = problem(150, 30, 2)
    scale, shift = np.asarray([3.0, -0.01]), np.asarray([5.0, -7.0])
    first = fit_numbers_head(features, numbers, np.arange(150), ones(150), seed=0, threads=2)
    other = fit_numbers_head(features, numbers * scale + shift, np.arange(150), ones(150), seed=0, threads=2)
    assert other.head.penalty == first.head.penalty
    in_deviations = (other.out_of_fold.logits_NC - (first.out_of_fold.logits_NC * scale + shift)) / numbers.std(axis=0)
    assert np.abs(in_deviations / scale).max() < 1e-4
    assert other.random_split == pytest.approx(first.random_split, rel=1e-4)


def test_strata_are_those_of_the_block() -> None:
    rng = np.random.default_rng(0)
    for numbers in (rng.normal(size=(101, 2)), rng.integers(3, size=(60, 1)), np.zeros((7, 1)), rng.random((3, 1))):
        theirs = np.unique(
            RegressionBlock(numbers.shape[1]).strata([tuple(row) for row in numbers]), return_inverse=True
        )
        np.testing.assert_array_equal(rank_strata(numbers), theirs[1])


def test_grouped_folds_tell_the_truth_where_a_random_split_claims_skill() -> None:
    features, numbers, groups = clustered(seed=3, groups=60, size=6, d=100)
    fitted = fit_numbers_head(features, numbers, groups, ones(360), seed=0, threads=2)
    honest = np.abs(fitted.out_of_fold.logits_NC - numbers).mean()
    assert honest > 0.6  # the mean distance from the mean is 0.8
    assert fitted.random_split < 0.3
    assert all(len(np.unique(fitted.folds_N[groups == group])) == 1 for group in range(60))


def test_no_item_influences_its_own_out_of_fold_numbers() -> None:
    features, numbers = problem(120, 30)
    groups = np.arange(120) // 3
    folds = grouped_folds(rank_strata(numbers), groups, 5, 0)
    axes = Axes.of(features)
    before = NumbersValidation(axes, numbers, folds, ones(120), 1).at(1.0).logits_NC
    moved = numbers.copy()
    moved[groups == 7] += 30
    after = NumbersValidation(axes, moved, folds, ones(120), 1).at(1.0).logits_NC
    own_fold = folds == folds[groups == 7][0]
    np.testing.assert_allclose(before[own_fold], after[own_fold], rtol=1e-5)  # the common unit changes rounding
    assert np.abs(before[~own_fold] - after[~own_fold]).max() > 0.1


def test_out_of_fold_error_is_what_fresh_items_show() -> None:
    ratios = []
    for seed in range(8):
        features, numbers = problem(1500, 40, seed=seed)
        fitted = fit_numbers_head(features[:300], numbers[:300], np.arange(300), ones(300), seed=0, threads=2)
        fresh = np.abs(fitted.head.logits(features[300:]) - numbers[300:]).mean()
        ratios.append(np.abs(fitted.out_of_fold.logits_NC - numbers[:300]).mean() / fresh)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)


def test_the_random_split_without_groups_is_the_grouped_one() -> None:
    features, numbers = problem(150, 20, 2)
    one = fit_numbers_head(features, numbers[:, :1], np.arange(150), ones(150), seed=1, threads=2)
    assert one.random_split == pytest.approx(np.abs(one.out_of_fold.logits_NC - numbers[:, :1]).mean())
    two = fit_numbers_head(features, numbers, np.arange(150), ones(150), seed=1, threads=2)
    in_deviations = np.abs(two.out_of_fold.logits_NC - numbers) / numbers.std(axis=0)
    assert two.random_split == pytest.approx(in_deviations.mean())


def test_the_penalty_is_the_strongest_of_the_nearly_best() -> None:
    features, numbers = problem(240, 30)
    chosen = fit_numbers_head(features, numbers, np.arange(240), ones(240), seed=0, threads=2)
    validation = NumbersValidation(Axes.of(features), numbers, chosen.folds_N, ones(240), 2)
    every = {c: validation.at(c).loss for c in PENALTIES}
    nearly_best = [c for c in PENALTIES if every[c] <= min(every.values()) * 1.01]
    assert chosen.head.penalty == min(nearly_best)
    assert dict(chosen.penalties).items() <= every.items()


def test_threads_and_reruns_change_nothing() -> None:
    features, numbers = problem(150, 40, 2)
    groups = np.arange(150) // 2
    results = [fit_numbers_head(features, numbers, groups, ones(150), seed=5, threads=threads) for threads in (1, 2, 4)]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].out_of_fold.logits_NC, other.out_of_fold.logits_NC)
        np.testing.assert_array_equal(results[0].head.weight_DC, other.head.weight_DC)
        assert results[0].random_split == other.random_split


def test_float32_numbers_and_fewer_items_than_features() -> None:
    features, numbers = problem(40, 300)
    narrow = numbers.astype(np.float32)
    fitted = fit_numbers_head(features, narrow, np.arange(40), ones(40), seed=0, threads=2)
    assert fitted.head.weight_DC.shape == (300, 1)
    assert fitted.head.weight_DC.dtype == fitted.head.bias_C.dtype == fitted.out_of_fold.logits_NC.dtype == np.float32
    wide = fit_numbers_head(features, narrow.astype(np.float64), np.arange(40), ones(40), seed=0, threads=2)
    np.testing.assert_array_equal(wide.head.weight_DC, fitted.head.weight_DC)


def test_features_of_any_length_can_be_fitted() -> None:
    for n, d in ((40, 300), (200, 20)):
        features, numbers = problem(n, d)
        fitted = fit_numbers_head(features * np.float32(1e6), numbers, np.arange(n), ones(n), seed=0, threads=2)
        assert np.isfinite(fitted.out_of_fold.logits_NC).all()
        assert fitted.out_of_fold.loss < 3


def test_a_constant_target_is_itself_and_leaves_the_others_alone() -> None:
    features, numbers = problem(100, 20)
    constant = np.hstack([np.full((100, 1), 0.1), numbers])
    fitted = fit_numbers_head(features, constant, np.arange(100), ones(100), seed=0, threads=2)
    np.testing.assert_allclose(fitted.out_of_fold.logits_NC[:, 0], 0.1, rtol=1e-6)
    np.testing.assert_allclose(fitted.head.logits(features)[:, 0], 0.1, rtol=1e-6)
    assert np.abs(fitted.head.weight_DC[:, 1]).max() > 1
    only = fit_numbers_head(features, constant[:, :1], np.arange(100), ones(100), seed=0, threads=2)
    assert only.out_of_fold.loss == 0


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1])
def test_constant_features_leave_the_mean(value: float) -> None:
    _, numbers = problem(50, 5)
    fitted = fit_numbers_head(np.full((50, 8), value, np.float32), numbers, np.arange(50), ones(50), seed=0, threads=2)
    np.testing.assert_allclose(fitted.head.logits(np.full((1, 8), value, np.float32)), numbers.mean(), rtol=1e-5)
    assert fitted.out_of_fold.loss == pytest.approx(1.0, abs=0.1)


def test_numbers_that_features_do_not_tell_get_the_strongest_penalty() -> None:
    features, _ = problem(300, 100)
    numbers = np.random.default_rng(5).normal(size=(300, 1))
    fitted = fit_numbers_head(features, numbers, np.arange(300), ones(300), seed=0, threads=2)
    assert fitted.head.penalty == PENALTIES[0]
    assert 0.95 < fitted.out_of_fold.loss < 1.06


def test_two_items_are_enough_to_run() -> None:
    features, numbers = problem(2, 5)
    fitted = fit_numbers_head(features, numbers, np.arange(2), ones(2), seed=0, threads=1)
    np.testing.assert_allclose(fitted.out_of_fold.logits_NC, numbers[::-1], rtol=1e-5)  # each is told only of the other


def test_a_look_is_the_better_of_two_penalties_and_tells_good_features_from_bad() -> None:
    features, numbers = problem(300, 30)
    noise = problem(300, 30, seed=9)[0]
    folds = grouped_folds(rank_strata(numbers), np.arange(300), 5, 0)
    good, bad = (
        quick_look(NumbersValidation(Axes.of(each), numbers, folds, ones(300), 1)) for each in (features, noise)
    )
    validation = NumbersValidation(Axes.of(features), numbers, folds, ones(300), 1)
    assert good.loss == min(validation.at(penalty).loss for penalty in QUICK_PENALTIES)
    assert good.loss < 0.9 * bad.loss


def test_wrong_numbers_are_named() -> None:
    features, numbers = problem(20, 5)
    gap = numbers.copy()
    gap[3] = np.nan
    for wrong, message in (
        (gap, r"received \[nan\] for item 3"),
        (numbers[:10], r"shape \(10, 1\) for 20 items"),
        (numbers[:, 0], r"shape \(20,\)"),
        (numbers[:, :0], r"shape \(20, 0\)"),
    ):
        with pytest.raises(DataError, match=message):
            fit_numbers_head(features, wrong, np.arange(20), ones(20), seed=0, threads=1)
    with pytest.raises(DataError, match="1 groups cannot be split"):
        fit_numbers_head(features, numbers, np.zeros(20, np.int64), ones(20), seed=0, threads=1)
