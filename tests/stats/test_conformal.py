"""Conformal p-values: closed forms, and simulations of the rates that they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from drivetrain.stats.conformal import Mode, alarm_rank, false_alarm_interval, fewest_scores, is_strange, p_values


def test_p_values_count_the_scores_at_or_below() -> None:
    rng = np.random.default_rng(0)
    scores_M, judged_N = np.sort(rng.integers(0, 9, 40).astype(float)), rng.integers(-1, 10, 60).astype(float)
    counted = [(1 + sum(score <= one for score in scores_M)) / 41 for one in judged_N]
    assert p_values(judged_N, scores_M).tolist() == counted


def test_what_is_no_number_is_as_strange_as_can_be() -> None:
    assert p_values(np.array([np.nan, -np.inf, np.inf]), np.arange(9.0)).tolist() == [0.1, 0.1, 1.0]


def test_a_level_that_lost_its_last_digits_still_takes_its_rank_and_no_more() -> None:
    for scores in (19, 199, 1_000, 9_999):
        rank = alarm_rank(scores, 0.05, "marginal")
        p = np.arange(1, scores + 2) / (scores + 1)
        for level in (rank / (scores + 1), round(rank / (scores + 1), 11) - 1e-12):
            assert is_strange(p, level).sum() == rank


def test_p_values_are_uniform_over_splits() -> None:
    """Exactly so on 1/20 … 20/20 for exchangeable scores without ties: chi-square over 10,000 splits of one sample."""
    rng = np.random.default_rng(1)
    pool = rng.gumbel(size=20)
    splits = rng.permuted(np.tile(pool, (10_000, 1)), axis=1)
    p = np.array([p_values(row[:1], np.sort(row[1:]))[0] for row in splits])
    counts = np.bincount(np.rint(p * 20).astype(int), minlength=21)[1:]
    assert counts.sum() == 10_000
    assert stats.chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize(
    ("scores", "marginal", "conditional"),
    [(18, 0, 0), (19, 1, 0), (58, 2, 0), (59, 3, 1), (200, 10, 5), (1000, 50, 39)],
)
def test_ranks_of_a_rate_of_5_percent(scores: int, marginal: int, conditional: int) -> None:
    assert alarm_rank(scores, 0.05, "marginal") == marginal
    assert alarm_rank(scores, 0.05, "training-conditional") == conditional


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.1, 1 / 3, 0.5])
@pytest.mark.parametrize("mode", ["marginal", "training-conditional"])
def test_the_fewest_scores_are_the_fewest(alpha: float, mode: Mode) -> None:
    fewest = fewest_scores(alpha, mode)
    assert alarm_rank(fewest, alpha, mode) >= 1
    assert alarm_rank(fewest - 1, alpha, mode) == 0


@pytest.mark.parametrize("scores", [19, 60, 333])
def test_the_marginal_rate_is_kept_on_average(scores: int) -> None:
    rng = np.random.default_rng(2)
    level = alarm_rank(scores, 0.05, "marginal") / (scores + 1)
    # The rate of one calibration set is that of a uniform score below its k-th smallest.
    rates = [np.sort(rng.random(scores))[round(level * (scores + 1)) - 1] for _ in range(4000)]
    assert np.mean(rates) <= 0.05 + 4 * np.std(rates) / np.sqrt(4000)
    assert np.mean(rates) >= level - 4 * np.std(rates) / np.sqrt(4000)


@pytest.mark.parametrize("scores", [59, 200, 500])
def test_the_conditional_rate_is_kept_in_19_of_20_calibrations(scores: int) -> None:
    rng = np.random.default_rng(3)
    rank = alarm_rank(scores, 0.05, "training-conditional")
    above = sum(np.partition(rng.random(scores), rank - 1)[rank - 1] > 0.05 for _ in range(1000))
    assert above <= 66  # passed by a method exactly at 5 % in 99 of 100 cases


def test_intervals_of_the_rate_are_those_of_simulations() -> None:
    rng = np.random.default_rng(4)
    low, high = false_alarm_interval(10, 200)
    rates = np.array([np.partition(rng.random(200), 9)[9] for _ in range(4000)])
    assert np.mean((rates >= low) & (rates <= high)) == pytest.approx(0.95, abs=0.015)
    few_low, few_high = false_alarm_interval(10, 200, judged=50)
    assert few_low <= low < high <= few_high
    seen = rng.binomial(50, rates) / 50
    assert np.mean((seen >= few_low) & (seen <= few_high)) >= 0.94
