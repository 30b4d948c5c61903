"""The head for grades: the convex problem's own optimum, honest folds, and grades of which little can be learned."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from drivetrain.core.errors import DataError
from drivetrain.learn.crossval import PENALTIES, QUICK_PENALTIES, quick_look
from drivetrain.learn.logistic import Axes, Solution
from drivetrain.learn.ordinal_head import (
    OrdinalValidation,
    fit_ordinal,
    fit_ordinal_head,
    probabilities,
)
from drivetrain.stats.folds import grouped_folds
from drivetrain.stats.metrics import losses
from drivetrain.stats.ordinal import grade_probabilities

CUTS = np.asarray([-0.8, 0.1, 1.3])


def problem(
    n: int, d: int, seed: int = 0, cuts: np.ndarray = CUTS, strength: float = 3.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit-length features, grades by the proportional-odds model, and the model's weights."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, d))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    weight = strength * rng.normal(size=d)
    grades = np.searchsorted(cuts, features @ weight + rng.logistic(size=n))
    return features.astype(np.float32), grades.astype(np.int64), weight


def ones(n: int) -> np.ndarray:
    return np.ones(n, np.float32)


def exact(axes: Axes, grades: np.ndarray, n_grades: int, penalty: float, **more: object) -> Solution:
    return fit_ordinal(axes, grades, n_grades, penalty, tolerance=1e-6, dtype=np.float64, **more)  # type: ignore[arg-type]


def objective(theta: np.ndarray, x: np.ndarray, y: np.ndarray, w: np.ndarray, penalty: float) -> float:
    """The problem as its definition has it; theta is the weights, the first threshold and the logs of the gaps."""
    d = x.shape[1]
    bias = theta[d] - np.concatenate([[0.0], np.exp(theta[d + 1 :]).cumsum()])
    above = expit((x @ theta[:d])[:, None] + bias)
    edges = np.hstack([np.ones((len(x), 1)), above, np.zeros((len(x), 1))])
    own = edges[np.arange(len(x)), y] - edges[np.arange(len(x)), y + 1]
    return float(-penalty * (w @ np.log(np.maximum(own, 1e-300))) + 0.5 * theta[:d] @ theta[:d])


@pytest.mark.parametrize(("n", "d"), [(200, 8), (30, 40)])
@pytest.mark.parametrize("penalty", [0.03, 1.0, 30.0])
def test_the_loss_is_the_least_that_scipy_finds_for_the_full_problem(n: int, d: int, penalty: float) -> None:
    features, grades, _ = problem(n, d, cuts=np.asarray([-0.5, 0.5]))
    weights = np.random.default_rng(1).uniform(0.5, 1.5, n)
    wide = features.astype(np.float64)
    axes = Axes.of(features)
    weight_DK, bias_K = exact(axes, grades, 3, penalty, weights_N=weights.astype(np.float32)).in_features(axes)
    ours = np.concatenate([weight_DK[:, 0], bias_K[:1], np.log(-np.diff(bias_K))])
    args = (wide, grades, weights, penalty)
    theirs = minimize(objective, np.zeros(d + 2), args, method="BFGS", options={"gtol": 1e-6})
    scale = penalty * weights.sum()
    assert objective(ours, *args) == pytest.approx(theirs.fun, abs=1e-4 * scale)
    assert objective(ours, *args) <= theirs.fun + 1e-6 * scale
    assert np.abs(approx_fprime(ours, objective, 1e-7, *args)).max() < 1e-3 * scale  # and nowhere to go from here
    assert (weight_DK == weight_DK[:, :1]).all()
    assert (np.diff(bias_K) < 0).all()


def test_a_known_model_is_recovered() -> None:
    features, grades, weight = problem(20_000, 6)
    axes = Axes.of(features)
    found_DK, bias_K = exact(axes, grades, 4, 1000.0).in_features(axes)
    np.testing.assert_allclose(found_DK[:, 0], weight, atol=0.25)
    np.testing.assert_allclose(bias_K, -CUTS, atol=0.06)


@pytest.mark.parametrize("penalty", [0.1, 1.0, 100.0])
def test_two_grades_are_scikit_learns_logistic_regression(penalty: float) -> None:
    features, grades, _ = problem(300, 20, cuts=np.asarray([0.3]))
    weights = np.random.default_rng(1).uniform(0.5, 1.5, 300).astype(np.float32)
    axes = Axes.of(features)
    weight_DK, bias_K = exact(axes, grades, 2, penalty, weights_N=weights).in_features(axes)
    theirs = LogisticRegression(C=penalty, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    theirs.fit(features.astype(np.float64), grades, sample_weight=weights)
    assert np.abs(weight_DK[:, 0] - theirs.coef_[0]).max() < 1e-6 * np.abs(theirs.coef_).max() + 1e-6
    assert bias_K[0] == pytest.approx(theirs.intercept_[0], abs=1e-6)


def test_a_weight_counts_as_repetition() -> None:
    features, grades, _ = problem(80, 10)
    copies = np.random.default_rng(1).integers(1, 4, 80)
    weighted, repeated = Axes.of(features), Axes.of(np.repeat(features, copies, axis=0))
    a = exact(weighted, grades, 4, 1.0, weights_N=copies.astype(np.float32)).in_features(weighted)
    b = exact(repeated, np.repeat(grades, copies), 4, 1.0).in_features(repeated)
    np.testing.assert_allclose(a[0], b[0], atol=1e-5)
    np.testing.assert_allclose(a[1], b[1], atol=1e-5)


def test_reversing_the_order_turns_the_head_round() -> None:
    features, grades, _ = problem(150, 10)
    axes = Axes.of(features)
    forth, back = exact(axes, grades, 4, 1.0), exact(axes, 3 - grades, 4, 1.0)
    np.testing.assert_allclose(back.weight_RC[:, 0], -forth.weight_RC[:, 0], atol=1e-5)
    np.testing.assert_allclose(back.bias_C[::-1], -forth.bias_C, atol=1e-5)


def test_a_start_elsewhere_ends_in_the_same_place() -> None:
    features, grades, _ = problem(150, 10)
    axes = Axes.of(features)
    cold = exact(axes, grades, 4, 1.0)
    for penalty in (0.01, 1000.0):
        warm = exact(axes, grades, 4, 1.0, start=exact(axes, grades, 4, penalty))
        np.testing.assert_allclose(warm.weight_RC, cold.weight_RC, atol=2e-5)
        np.testing.assert_allclose(warm.bias_C, cold.bias_C, atol=2e-5)


def test_out_of_fold_logits_are_those_of_each_folds_own_fit() -> None:
    features, grades, _ = problem(120, 15)
    groups = np.arange(120) // 2
    folds = grouped_folds(grades, groups, 4, 0)
    axes = Axes.of(features)
    result = OrdinalValidation(axes, grades, folds, 4, ones(120), 2).at(1.0)
    expected = np.empty((120, 3))
    for fold in range(4):
        own = Axes.of(features[folds != fold])
        weight_DK, bias_K = exact(own, grades[folds != fold], 4, 1.0).in_features(own)
        expected[folds == fold] = features[folds == fold] @ weight_DK + bias_K
    np.testing.assert_allclose(result.logits_NC, expected, atol=0.02)
    np.testing.assert_allclose(result.losses_N, losses(grades, grade_probabilities(result.logits_NC, result.beta)))
    assert result.loss == pytest.approx(result.losses_N.mean())
    assert (np.diff(result.logits_NC, axis=1) < 0).all()


def test_no_item_influences_its_own_out_of_fold_logits() -> None:
    features, grades, _ = problem(120, 15)
    groups = np.arange(120) // 3
    fitted = fit_ordinal_head(features, grades, groups, ones(120), n_grades=4, seed=0, threads=2)
    assert all(len(np.unique(fitted.folds_N[groups == group])) == 1 for group in range(40))
    axes = Axes.of(features)
    before = OrdinalValidation(axes, grades, fitted.folds_N, 4, ones(120), 1).at(1.0).logits_NC
    moved = np.where(groups == 7, 3 - grades, grades)
    after = OrdinalValidation(axes, moved, fitted.folds_N, 4, ones(120), 1).at(1.0).logits_NC
    own_fold = fitted.folds_N == fitted.folds_N[groups == 7][0]
    np.testing.assert_array_equal(before[own_fold], after[own_fold])
    assert np.abs(before[~own_fold] - after[~own_fold]).max() > 0.01


def test_grouped_folds_tell_the_truth_where_a_random_split_claims_skill() -> None:
    """Members of a group look alike and share their grade, which nothing else tells."""
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(60), 6)
    features = rng.normal(size=(60, 100))[groups] + 0.05 * rng.normal(size=(360, 100))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    grades = rng.integers(0, 4, 60)[groups]
    fitted = fit_ordinal_head(features, grades, groups, ones(360), n_grades=4, seed=0, threads=2)
    honest = (probabilities(fitted.out_of_fold).argmax(axis=1) == grades).mean()
    assert honest < 0.35  # a quarter by chance
    assert fitted.random_split > honest + 0.2


def test_the_random_split_without_groups_is_the_grouped_one() -> None:
    features, grades, _ = problem(150, 20)
    fitted = fit_ordinal_head(features, grades, np.arange(150), ones(150), n_grades=4, seed=1, threads=2)
    assert fitted.random_split == (probabilities(fitted.out_of_fold).argmax(axis=1) == grades).mean()


@pytest.mark.thorough
def test_out_of_fold_loss_is_what_fresh_items_show_and_the_temperature_mends_it() -> None:
    ratios = []
    for seed in range(6):
        features, grades, _ = problem(1500, 30, seed=seed)
        fitted = fit_ordinal_head(
            features[:300], grades[:300], np.arange(300), ones(300), n_grades=4, seed=0, threads=2
        )
        probs = grade_probabilities(fitted.head.logits(features[300:]), fitted.head.beta)
        ratios.append(fitted.out_of_fold.loss / losses(grades[300:], probs).mean())
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.06)


@pytest.mark.thorough
def test_the_order_helps_where_there_is_one() -> None:
    """What a head that does not know the order makes of the same items."""
    from drivetrain.learn.head import fit_head

    gains = []
    for seed in range(4):
        features, grades, _ = problem(1200, 40, seed=seed)
        known, fresh = slice(0, 200), slice(200, 1200)
        args = (features[known], grades[known], np.arange(200), ones(200))
        ordinal = fit_ordinal_head(*args, n_grades=4, seed=0, threads=2).head
        classes = fit_head(*args, n_classes=4, seed=0, threads=2).head
        aware = grade_probabilities(ordinal.logits(features[fresh]), ordinal.beta)
        blind = np.exp(classes.logits(features[fresh]).astype(np.float64) * classes.beta)
        blind /= blind.sum(axis=1, keepdims=True)
        gains.append(losses(grades[fresh], blind).mean() - losses(grades[fresh], aware).mean())
    assert np.mean(gains) > 0.02


def test_the_penalty_is_the_strongest_of_the_nearly_best() -> None:
    features, grades, _ = problem(240, 30)
    chosen = fit_ordinal_head(features, grades, np.arange(240), ones(240), n_grades=4, seed=0, threads=2)
    validation = OrdinalValidation(Axes.of(features), grades, chosen.folds_N, 4, ones(240), 2)
    every = {c: validation.at(c).loss for c in PENALTIES}
    nearly_best = [c for c in PENALTIES if every[c] <= min(every.values()) * 1.01]
    assert chosen.head.penalty == pytest.approx(min(nearly_best))


def test_threads_and_reruns_change_nothing() -> None:
    features, grades, _ = problem(150, 40)
    groups = np.arange(150) // 2
    results = [
        fit_ordinal_head(features, grades, groups, ones(150), n_grades=4, seed=5, threads=threads)
        for threads in (1, 2, 4)
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].out_of_fold.logits_NC, other.out_of_fold.logits_NC)
        np.testing.assert_array_equal(results[0].head.weight_DC, other.head.weight_DC)
        assert results[0].random_split == other.random_split


def test_a_grade_of_few_items_keeps_its_place_in_the_order() -> None:
    features, grades, _ = problem(300, 20)
    grades[grades == 2] = 1
    grades[:3] = 2
    fitted = fit_ordinal_head(features, grades, np.arange(300), ones(300), n_grades=4, seed=0, threads=2)
    assert fitted.n_folds == 3
    assert (np.diff(fitted.head.bias_C) < 0).all()
    assert np.isfinite(fitted.out_of_fold.loss)
    assert probabilities(fitted.out_of_fold)[:, 2].mean() == pytest.approx(0.01, abs=0.01)


@pytest.mark.parametrize("absent", [0, 1, 3])
def test_a_grade_that_a_fold_lacks_is_rare_and_not_impossible(absent: int) -> None:
    features, grades, _ = problem(200, 20)
    rest = grades != absent
    axes = Axes.of(features[rest])
    solution = exact(axes, grades[rest], 4, 1.0)
    assert (np.diff(solution.bias_C) < 0).all()
    probs = grade_probabilities(solution.logits(axes.coordinates_NR))[:, absent]
    assert 0 < probs.mean() < 0.02
    only = fit_ordinal_head(
        features, np.where(grades == absent, 2, grades), np.arange(200), ones(200), n_grades=4, seed=0, threads=1
    )
    assert np.isfinite(only.out_of_fold.loss)


@pytest.mark.parametrize("penalty", [1.0, 1e3, 1e6])
def test_separable_grades_have_a_finite_head(penalty: float) -> None:
    x = np.linspace(-1, 1, 60)
    features = np.stack([x, np.ones(60)], axis=1).astype(np.float32)
    grades = np.digitize(x, [-0.4, 0.5]).astype(np.int64)
    axes = Axes.of(features)
    solution = exact(axes, grades, 3, penalty)
    assert np.isfinite(solution.weight_RC).all()
    assert (np.diff(solution.bias_C) < 0).all()
    assert (grade_probabilities(solution.logits(axes.coordinates_NR)).argmax(axis=1) == grades).mean() > 0.9
    assert np.isfinite(
        fit_ordinal_head(features, grades, np.arange(60), ones(60), n_grades=3, seed=0, threads=1).random_split
    )


def test_constant_features_leave_the_shares_of_the_grades() -> None:
    _, grades, _ = problem(100, 5)
    features = np.full((100, 8), 0.1, np.float32)
    fitted = fit_ordinal_head(features, grades, np.arange(100), ones(100), n_grades=4, seed=0, threads=2)
    probs = grade_probabilities(fitted.head.logits(features[:1]))
    np.testing.assert_allclose(probs[0], np.bincount(grades) / 100, atol=1e-4)


def test_float32_grades_of_a_wide_matrix() -> None:
    features, grades, _ = problem(40, 300)
    fitted = fit_ordinal_head(features, grades, np.arange(40), ones(40), n_grades=4, seed=0, threads=2)
    assert fitted.head.weight_DC.shape == (300, 3)
    assert fitted.head.weight_DC.dtype == fitted.head.bias_C.dtype == fitted.out_of_fold.logits_NC.dtype == np.float32


def test_a_look_is_the_better_of_two_penalties_and_tells_good_features_from_bad() -> None:
    features, grades, _ = problem(300, 30)
    noise = problem(300, 30, seed=9)[0]
    folds = grouped_folds(grades, np.arange(300), 5, 0)
    good, bad = (
        quick_look(OrdinalValidation(Axes.of(each), grades, folds, 4, ones(300), 1)) for each in (features, noise)
    )
    validation = OrdinalValidation(Axes.of(features), grades, folds, 4, ones(300), 1)
    assert good.loss == min(validation.at(penalty).loss for penalty in QUICK_PENALTIES)
    assert good.loss < 0.95 * bad.loss


def test_wrong_grades_are_named() -> None:
    features, grades, _ = problem(20, 5)
    for wrong, n_grades, message in (
        (np.where(np.arange(20) == 3, 4, grades), 4, r"the grade 4 for item 3; give whole numbers from 0 to 3"),
        (np.where(np.arange(20) == 5, -1, grades), 4, r"the grade -1 for item 5"),
        (grades[:10], 4, r"shape \(10,\) for 20 items"),
        (np.zeros(20, np.int64), 1, "1 grades; there must be two or more"),
    ):
        with pytest.raises(DataError, match=message):
            fit_ordinal_head(features, wrong, np.arange(20), ones(20), n_grades=n_grades, seed=0, threads=1)
    with pytest.raises(DataError, match="1 groups cannot be split"):
        fit_ordinal_head(features, grades, np.zeros(20, np.int64), ones(20), n_grades=4, seed=0, threads=1)
