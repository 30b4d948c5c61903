"""The sum of restarted e-processes: closed forms, and its false alarms and delays by simulation."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from scipy.stats import beta, binom

from drivetrain.stats.shiryaev_roberts import MOST_LIKELY, Factors, alarm_level, factors, highest_rate, step

MULTIPLES = (1.5, 2.0, 3.0, 6.0)
LEVEL = alarm_level(20_000, 0.01)


def test_it_is_the_sum_of_processes_begun_at_every_moment() -> None:
    by = factors(0.08, (2.0,))
    hits = np.random.default_rng(0).random(60) < 0.15
    ratios = [(by.hit if hit else by.miss)[0] for hit in hits]
    sums = [0.0]
    for ratio in ratios:
        sums = step(sums, (ratio,))
    assert sums[0] == pytest.approx(sum(prod(ratios[start:]) for start in range(len(ratios))))


def test_a_factor_is_expected_to_be_one_at_the_bound_and_less_below() -> None:
    by = factors(0.07, MULTIPLES)
    for hit, miss in zip(by.hit, by.miss, strict=True):
        assert 0.07 * hit + 0.93 * miss == pytest.approx(1)
        assert 0.03 * hit + 0.97 * miss < 1


def test_alternatives_beyond_certainty_fall_together() -> None:
    by = factors(0.6, MULTIPLES)
    assert by == Factors((0.9 / 0.6, MOST_LIKELY / 0.6), (pytest.approx(0.1 / 0.4), pytest.approx(0.05 / 0.4)))


@pytest.mark.parametrize(("bound", "multiples"), [(0.0, (2.0,)), (0.96, (2.0,)), (0.1, ()), (0.1, (1.0,))])
def test_what_is_no_alternative_is_refused(bound: float, multiples: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="alternatives must lie above the bound"):
        factors(bound, multiples)


@pytest.mark.parametrize(
    ("n", "level", "rank"), [(500, 0.05, 25), (200, 5 / 201, 5), (99, 0.01, 1), (19, 0.05, 1), (10, 0.05, 1)]
)
def test_the_highest_rate_is_a_quantile_of_the_true_one(n: int, level: float, rank: int) -> None:
    assert highest_rate(n, level) == pytest.approx(beta.ppf(0.99, rank, n + 1 - rank))


def test_the_true_rate_of_a_conformal_test_stays_below_it() -> None:
    rng = np.random.default_rng(5)
    # The score is uniform, so that the rate of a threshold is the threshold itself.
    rates = np.sort(rng.random((1000, 300)), axis=1)[:, 14]
    assert (rates > highest_rate(300, 0.05)).sum() <= binom.ppf(0.99, 1000, 0.01)


@pytest.mark.parametrize(("n", "level"), [(0, 0.05), (100, 0.0), (100, 1.0)])
def test_a_rate_needs_scores_and_a_level(n: int, level: float) -> None:
    with pytest.raises(ValueError, match="calibration scores at level"):
        highest_rate(n, level)


def first_alarms(rates: np.ndarray, bound: float, level: float, runs: int, seed: int) -> np.ndarray:
    """(runs,) the number of observations at the first alarm; 0 where there is none. The same recursion, in arrays."""
    by, rng = factors(bound, MULTIPLES), np.random.default_rng(seed)
    sums, alarms = np.zeros((runs, len(by.hit))), np.zeros(runs, int)
    for number, rate in enumerate(rates, 1):
        hit = rng.random(runs) < rate
        sums = (sums + 1) * np.where(hit[:, None], by.hit, by.miss)
        alarms[(alarms == 0) & (sums.mean(axis=1) >= level)] = number
    return alarms


def test_false_alarms_at_the_bound_stay_within_their_share() -> None:
    # A lower level shows more of them: a tenth within 2,000 observations, for a rate exactly at the bound.
    alarms = first_alarms(np.full(2_000, 0.0751), 0.0751, alarm_level(2_000, 0.1), 500, seed=1)
    assert (alarms > 0).sum() <= binom.ppf(0.99, 500, 0.1)
    assert (alarms > 0).any()


@pytest.mark.parametrize("clean", [0, 1_000])
@pytest.mark.parametrize(("contamination", "planned"), [(0.2, 90), (0.1, 358)])
def test_delays_are_as_planned_whenever_the_change_comes(clean: int, contamination: float, planned: int) -> None:
    changed = contamination + (1 - contamination) * 0.05
    rates = np.r_[np.full(clean, 0.05), np.full(2_000, changed)]
    alarms = first_alarms(rates, highest_rate(500, 0.05), LEVEL, 300, seed=2)
    assert (alarms > clean).all()
    assert np.median(alarms - clean) <= 1.2 * planned
