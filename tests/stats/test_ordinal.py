"""Grades from cumulative logits, and figures that know how far off they are: against closed forms and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom
from sklearn.metrics import cohen_kappa_score

from drivetrain.stats.calibrate_binary import fit_beta_binary
from drivetrain.stats.calibrate_ordinal import fit_beta_ordinal
from drivetrain.stats.metrics import accuracy
from drivetrain.stats.number_metrics import mean_absolute_error
from drivetrain.stats.ordinal import (
    exceedance,
    expected_grade,
    grade_probabilities,
    kappa_interval,
    likely_grades,
    log_grade_probabilities,
    mean_absolute_grades,
    ordered,
    quadratic_weighted_kappa,
)


def logits(n: int, k: int, seed: int = 0, spread: float = 2.0) -> np.ndarray:
    """Falling from left to right, as a cumulative-logit head has them."""
    rng = np.random.default_rng(seed)
    gaps = rng.uniform(0.05, 2.0, (1, k))
    return (rng.normal(0, spread, (n, 1)) + gaps.sum() / 2 - gaps.cumsum()).astype(np.float32)


def drawn(probs_NC: np.ndarray, seed: int) -> np.ndarray:
    uniform = np.random.default_rng(seed).uniform(size=(len(probs_NC), 1))
    return np.asarray((uniform > probs_NC.cumsum(axis=1)).sum(axis=1).clip(max=probs_NC.shape[1] - 1))


def graded(rng: np.random.Generator, groups: int, size: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grades and predictions, both from a latent number; members of a group share half of it and of its error."""
    group_N = np.repeat(np.arange(groups), size)

    def shared() -> np.ndarray:
        return np.asarray(np.sqrt(0.5) * (rng.normal(size=groups)[group_N] + rng.normal(size=len(group_N))))

    cuts, latent = (-0.5, 0.3, 1.0), shared()
    return np.searchsorted(cuts, latent), np.searchsorted(cuts, latent + noise * shared()), group_N


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("beta", [0.3, 1.0, 4.0])
def test_probabilities_are_the_differences_of_the_cumulative_ones(k: int, beta: float) -> None:
    z = logits(500, k)
    above = np.hstack([np.ones((500, 1)), 1 / (1 + np.exp(-beta * z.astype(np.float64))), np.zeros((500, 1))])
    probs = grade_probabilities(z, beta)
    np.testing.assert_allclose(probs, -np.diff(above, axis=1), atol=1e-12)
    np.testing.assert_allclose(exceedance(probs), above[:, 1:-1], atol=1e-12)
    np.testing.assert_allclose(expected_grade(probs), above[:, 1:-1].sum(axis=1), atol=1e-12)


def test_probabilities_stay_safe_where_a_difference_would_not() -> None:
    extreme = np.asarray([[1000.0, 999.0], [-999.0, -1000.0], [0.0, -1e-9], [40.0, -40.0], [1e30, -1e30], [0.0, 0.0]])
    probs = grade_probabilities(extreme)
    assert (probs >= 0).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-15)
    # σ(−999) − σ(−1000) = e^−999 (1 − e^−1) to within e^−999 of itself.
    assert log_grade_probabilities(extreme)[1, 1] == pytest.approx(-999 + math.log(1 - math.exp(-1)), rel=1e-12)
    assert probs[2, 1] == pytest.approx(1e-9 / 4, rel=1e-6)
    assert probs[5, 1] == 0


def test_logits_out_of_order_count_as_the_least_so_far() -> None:
    crossed = np.asarray([[1.0, 2.0, -1.0]])
    np.testing.assert_array_equal(ordered(crossed), [[1.0, 1.0, -1.0]])
    probs = grade_probabilities(crossed)
    assert probs[0, 1] == 0
    assert probs.sum() == pytest.approx(1)


def test_the_expected_grade_is_in_the_places_given() -> None:
    probs = grade_probabilities(logits(20, 3))
    places = np.asarray([0.0, 0.33, 0.67, 1.0])
    np.testing.assert_allclose(expected_grade(probs, places), probs @ places)
    np.testing.assert_allclose(expected_grade(probs, 3 - np.arange(4.0)), 3 - expected_grade(probs))


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_likely_grades_hold_their_share(share: float) -> None:
    probs = grade_probabilities(logits(300, 4))
    for row in probs:
        lowest, highest = likely_grades(row, share)
        assert lowest <= highest
        assert row[lowest : highest + 1].sum() >= share
        assert row[:lowest].sum() <= (1 - share) / 2
        assert row[highest + 1 :].sum() <= (1 - share) / 2
    assert likely_grades(np.asarray([0.02, 0.06, 0.9, 0.02]), 0.9) == (1, 2)


def test_two_grades_are_a_sigmoid() -> None:
    z = logits(100, 1)
    np.testing.assert_allclose(grade_probabilities(z)[:, 1], 1 / (1 + np.exp(-z[:, 0].astype(np.float64))), rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grades, predicted = rng.integers(0, 5, 80), rng.integers(0, 4, 80)
    for a, b in ((grades, predicted), (grades, np.clip(grades + rng.integers(-1, 2, 80), 0, 4)), (grades, grades)):
        expected = cohen_kappa_score(a, b, labels=range(5), weights="quadratic")
        assert quadratic_weighted_kappa(a, b) == pytest.approx(expected, abs=1e-12)
        assert kappa_interval(a, b, np.arange(80)).value == quadratic_weighted_kappa(a, b)


def test_kappa_in_closed_form() -> None:
    grades = np.asarray([0, 0, 1, 2])
    assert quadratic_weighted_kappa(grades, grades) == 1
    # One error of two grades: mean square 1; by chance Σ (i − j)² over the pairs of both margins, 26 / 16.
    assert quadratic_weighted_kappa(grades, np.asarray([2, 0, 1, 2])) == pytest.approx(1 - 1 / (26 / 16))
    assert quadratic_weighted_kappa(np.asarray([0, 1]), np.asarray([1, 0])) == -1
    assert math.isnan(quadratic_weighted_kappa(np.zeros(3, int), np.zeros(3, int)))


@pytest.mark.parametrize(("groups", "size", "noise"), [(100, 1, 0.15), (100, 3, 0.15), (60, 1, 0.6), (60, 3, 0.6)])
def test_kappas_interval_covers(groups: int, size: int, noise: float) -> None:
    """As often as 95 % of 400 samples, but for 2 %, would; a percentile bootstrap does not."""
    truth = quadratic_weighted_kappa(*graded(np.random.default_rng(0), 400_000, 1, noise)[:2])
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        interval = kappa_interval(*graded(rng, groups, size, noise))
        held += interval.low <= truth <= interval.high
    assert held >= binom.ppf(0.01, 400, 0.93)
    assert held < 400


def test_kappas_interval_knows_of_groups_and_of_nothing_else() -> None:
    grades, predicted, groups = graded(np.random.default_rng(0), 60, 5, 0.6)
    whole, single = kappa_interval(grades, predicted, groups), kappa_interval(grades, predicted, np.arange(300))
    assert whole.high - whole.low > 1.2 * (single.high - single.low)
    order = np.random.default_rng(1).permutation(300)
    shuffled = kappa_interval(grades[order], predicted[order], 1000 - groups[order])
    assert (shuffled.low, shuffled.high) == pytest.approx((whole.low, whole.high), rel=1e-12)


def test_kappas_interval_has_a_place_for_agreement_chance_and_nothing() -> None:
    grades = np.arange(40) % 4
    perfect = kappa_interval(grades, grades, np.arange(40))
    assert perfect.value == perfect.high == 1
    assert 0.9 < perfect.low < 1
    assert kappa_interval(grades[:12], grades[:12], np.arange(12)).low < perfect.low
    one_off = kappa_interval(grades, np.where(np.arange(40) == 5, grades + 1, grades), np.arange(40))
    assert perfect.low - 0.1 < one_off.low < one_off.value < one_off.high < 1
    assert math.isnan(kappa_interval(np.zeros(5, int), np.zeros(5, int), np.arange(5)).value)
    alone = kappa_interval(grades, 3 - grades, np.zeros(40, int))
    assert (alone.low, alone.high) == (-1, 1)
    constant = kappa_interval(grades, np.zeros(40, int), np.arange(40))
    assert constant.value == pytest.approx(0)


def test_the_mean_error_is_that_of_numbers_and_with_two_grades_one_minus_accuracy() -> None:
    grades, predicted, groups = graded(np.random.default_rng(0), 50, 4, 0.6)
    ours = mean_absolute_grades(grades, predicted, groups)
    assert ours.value == pytest.approx(mean_absolute_error(grades, predicted, groups, 0).value)
    assert ours.low < ours.value < ours.high
    two, guessed = (grades > 1).astype(np.int64), (predicted > 1).astype(np.int64)
    binary, right = mean_absolute_grades(two, guessed, groups), accuracy(two, guessed, groups)
    assert (binary.low, binary.high) == pytest.approx((1 - right.high, 1 - right.low))


def test_no_error_is_no_proof() -> None:
    grades = np.arange(40) % 4
    perfect = mean_absolute_grades(grades, grades, np.arange(40))
    assert perfect.value == perfect.low == 0
    assert perfect.high == pytest.approx(0.0876, abs=1e-4)  # Wilson's bound for 0 of 40
    all_off = mean_absolute_grades(np.zeros(40, int), np.full(40, 3), np.arange(40))
    assert all_off.value == all_off.high == 3


@pytest.mark.parametrize(("groups", "size", "noise"), [(60, 1, 0.15), (60, 3, 0.15), (60, 1, 1.2), (100, 3, 0.6)])
def test_the_mean_errors_interval_covers(groups: int, size: int, noise: float) -> None:
    truth = np.abs(np.subtract(*graded(np.random.default_rng(0), 400_000, 1, noise)[:2])).mean()
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        interval = mean_absolute_grades(*graded(rng, groups, size, noise))
        held += interval.low <= truth <= interval.high
    assert held >= binom.ppf(0.01, 400, 0.93)
    assert held < 400


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("n", [50, 1000])
def test_the_temperature_is_scipys(k: int, n: int) -> None:
    true = logits(n, k, seed=3)
    grades = drawn(grade_probabilities(true), seed=4)
    weights = np.random.default_rng(5).uniform(0.5, 2, n)
    z = true * np.float32(2.5)

    def objective(log_beta: float) -> float:
        losses = -log_grade_probabilities(z, math.exp(log_beta))[np.arange(n), grades]
        return float(weights @ losses) + (2 * log_beta**2 if n < 200 else 0.0)  # a prior of spread ½

    found = minimize_scalar(objective, bounds=(-4, 4), method="bounded", options={"xatol": 1e-10})
    assert fit_beta_ordinal(z, grades, weights) == pytest.approx(math.exp(found.x), rel=1e-5)


def test_a_temperature_of_well_calibrated_logits_is_one() -> None:
    z = logits(20_000, 3, seed=1)
    grades = drawn(grade_probabilities(z), seed=2)
    assert fit_beta_ordinal(z, grades) == pytest.approx(1.0, abs=0.03)
    assert fit_beta_ordinal(z * np.float32(5), grades) == pytest.approx(0.2, abs=0.006)


def test_two_grades_are_calibrated_as_a_label_is() -> None:
    z = logits(500, 1)
    grades = drawn(grade_probabilities(z, 0.5), seed=2)
    expected = fit_beta_binary(z, grades[:, None].astype(np.float32))
    assert fit_beta_ordinal(z, grades) == pytest.approx(expected, rel=1e-8)


def test_temperatures_of_what_has_none() -> None:
    z = logits(500, 2)
    separable = (z > 0).sum(axis=1)
    assert 1 < fit_beta_ordinal(z, separable) <= 100
    tied = np.zeros((300, 2), np.float32)  # no β gives the middle grade a probability
    assert fit_beta_ordinal(tied, np.ones(300, np.int64)) == 1
    assert 0.01 <= fit_beta_ordinal(z, np.random.default_rng(0).integers(0, 3, 500)) < 0.6
