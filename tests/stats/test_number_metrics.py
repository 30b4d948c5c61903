"""Figures for numbers against scikit-learn; coverage against its closed form by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error as sk_mae
from sklearn.metrics import r2_score
from sklearn.metrics import root_mean_squared_error as sk_rmse

from drivetrain.core.errors import UsageError
from drivetrain.stats.number_metrics import (
    coverage_of,
    fewest_for,
    half_width,
    half_widths,
    mean_absolute_error,
    r_squared,
    root_mean_squared_error,
)


def guesses(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    numbers = rng.gamma(2.0, 10.0, size=n)
    return numbers, numbers + 5 * rng.normal(size=n)


def test_figures_are_scikit_learns() -> None:
    numbers, predicted = guesses(0)
    assert mean_absolute_error(numbers, predicted, np.arange(200), 0).value == pytest.approx(sk_mae(numbers, predicted))
    assert root_mean_squared_error(numbers, predicted) == pytest.approx(sk_rmse(numbers, predicted))
    assert r_squared(numbers, predicted) == pytest.approx(r2_score(numbers, predicted))
    narrow = numbers.astype(np.float32), predicted.astype(np.float32)
    assert root_mean_squared_error(*narrow) == pytest.approx(sk_rmse(numbers, predicted), rel=1e-5)


def test_r_squared_at_its_ends() -> None:
    numbers, _ = guesses(1)
    assert r_squared(numbers, numbers) == 1.0
    assert r_squared(numbers, np.full(200, numbers.mean())) == pytest.approx(0.0, abs=1e-12)
    assert r_squared(numbers, -numbers) < 0
    assert np.isnan(r_squared(np.full(5, 0.1), np.arange(5.0)))
    assert np.isnan(r_squared(np.zeros(0), np.zeros(0)))


@pytest.mark.thorough
def test_the_interval_of_the_error_covers_new_groups_and_one_over_items_does_not() -> None:
    """Groups of ten with one error size each: mean |error| over the population is 1."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(50), 10)
    grouped, alone = [], []
    for seed in range(250):
        errors = np.repeat(rng.exponential(size=50), 10)
        for units, covered in ((groups, grouped), (np.arange(500), alone)):
            interval = mean_absolute_error(errors, np.zeros(500), units, seed)
            covered.append(interval.low <= 1 <= interval.high)
    assert np.mean(grouped) > 0.88  # the percentile interval is a little short for 50 skewed groups
    assert np.mean(alone) < 0.6


def test_the_interval_is_the_same_for_the_same_seed_and_names_its_units() -> None:
    numbers, predicted = guesses(3)
    groups = np.arange(200) // 4
    first = mean_absolute_error(numbers, predicted, groups, 7)
    assert first == mean_absolute_error(numbers, predicted, groups, 7)
    assert first.low < first.value < first.high
    assert first.method == "bootstrap 95 % over 50 groups"
    one = mean_absolute_error(numbers, predicted, np.zeros(200, np.int64), 7)
    assert (one.low, one.high) == pytest.approx((one.value, one.value))


@pytest.mark.parametrize(("coverage", "fewest"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (0.999, 999)])
def test_half_width_is_finite_from_the_fewest_on(coverage: float, fewest: int) -> None:
    assert fewest_for(coverage) == fewest
    assert half_width(np.arange(1.0, fewest + 1), coverage) == fewest  # the largest
    assert half_width(np.arange(1.0, fewest), coverage) == math.inf
    assert half_width(np.zeros(0), coverage) == math.inf


def test_half_width_is_the_order_statistic() -> None:
    residuals = np.random.default_rng(4).permutation(np.arange(1.0, 100)) * np.resize([1, -1], 99)
    for percent in range(1, 100):  # (n + 1) · coverage = percent, whatever rounding makes of the product
        assert half_width(residuals, percent / 100) == percent
    assert half_width(residuals, 0.901) == 91
    assert half_widths(np.stack([residuals, 2 * residuals], axis=1), 0.9) == pytest.approx([90, 180])


@pytest.mark.parametrize("wrong", [0.0, 1.0, 90, -0.1, float("nan")])
def test_a_coverage_that_is_none(wrong: float) -> None:
    for call in (lambda: half_width(np.ones(100), wrong), lambda: fewest_for(wrong)):
        with pytest.raises(UsageError, match="fraction between 0 and 1"):
            call()


@pytest.mark.parametrize(("n", "coverage"), [(9, 0.9), (25, 0.9), (60, 0.8), (100, 0.95), (13, 0.7)])
def test_coverage_is_what_the_theorem_says(n: int, coverage: float) -> None:
    """P(a new residual is within the half width) = ⌈(n + 1) c⌉ / (n + 1), in [c, c + 1/(n + 1)], for any distribution."""
    rng = np.random.default_rng(n)
    rounds = 8000
    draws = rng.standard_t(3, size=(rounds, n + 1)) * 7 + 2  # heavy tails, not centred
    held = np.mean([abs(row[-1]) <= half_width(row[:-1], coverage) for row in draws])
    noise = 4 * np.sqrt(coverage * (1 - coverage) / rounds)
    assert coverage - noise <= held <= coverage + 1 / (n + 1) + noise
    assert held == pytest.approx(math.ceil((n + 1) * coverage - 1e-9) / (n + 1), abs=noise)


def test_coverage_given_the_sample_follows_the_beta_distribution() -> None:
    """Vovk 2012: over samples, coverage is Beta(k, n + 1 − k) with k = ⌈(n + 1) c⌉; uniform residuals show it directly."""
    rng = np.random.default_rng(6)
    n, k = 50, 46
    held = np.asarray([half_width(rng.random(n), 0.9) for _ in range(4000)])
    assert held.mean() == pytest.approx(k / (n + 1), abs=0.003)
    assert held.var() == pytest.approx(k * (n + 1 - k) / ((n + 1) ** 2 * (n + 2)), rel=0.1)


def test_groups_make_the_guarantee_approximate() -> None:
    """Residuals that groups share: coverage of new groups varies as if there were one residual a group."""
    rng = np.random.default_rng(7)
    spread = {}
    for size in (1, 10):
        widths = [half_width(np.repeat(rng.random(200 // size), size), 0.9) for _ in range(1500)]
        spread[size] = np.std(widths)  # of uniform residuals, the width is the coverage
    assert spread[10] > 2.5 * spread[1]


def test_realised_coverage_counts_groups() -> None:
    rng = np.random.default_rng(8)
    errors = np.repeat(np.abs(rng.normal(size=80)), 5)
    zeros, groups = np.zeros(400), np.repeat(np.arange(80), 5)
    alone, grouped = coverage_of(errors, zeros, 1.0, np.arange(400)), coverage_of(errors, zeros, 1.0, groups)
    assert alone.value == grouped.value == pytest.approx(np.mean(errors <= 1))
    assert grouped.high - grouped.low > 1.8 * (alone.high - alone.low)
    assert coverage_of(errors, zeros, math.inf, groups).value == 1
    assert coverage_of(zeros, zeros, 0.0, groups).value == 1  # the ends belong to the interval
    nothing = coverage_of(zeros[:0], zeros[:0], 1.0, groups[:0])
    assert (nothing.low, nothing.high) == (0, 1)
