"""Bets against a mean and a rate: closed forms, exact expectations, bounds at all times, and an outside implementation."""

from __future__ import annotations

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binom

from drivetrain.stats.betting import (
    BETS_B,
    mean_above,
    mean_below,
    rate_above,
    rate_below,
    rate_lower,
    rate_upper,
    times_needed,
)

VALUES = (-1.0, -0.5, 0.0, 0.5, 1.0)


def wealth(seen: list[float], m: float) -> float:
    """Bet on one observation after the other, each bet with its own purse."""
    purses = [1.0] * len(BETS_B)
    for value in seen:
        purses = [
            purse * (1 + beta * (m - value) / (1 - m)) for purse, beta in zip(purses, BETS_B.tolist(), strict=True)
        ]
    return math.fsum(purses) / len(purses)


@settings(deadline=None)
@given(st.lists(st.sampled_from(VALUES), max_size=40), st.floats(-0.5, 0.9))
def test_counts_say_what_betting_one_by_one_does(seen: list[float], m: float) -> None:
    counts = Counter(seen)
    found = mean_below([counts[value] for value in VALUES], VALUES, m)
    assert math.exp(found) == pytest.approx(wealth(seen, m), rel=1e-9)
    mirrored = mean_above([counts[value] for value in VALUES], VALUES, m)
    assert math.exp(mirrored) == pytest.approx(wealth([-value for value in seen], -m), rel=1e-9)


@pytest.mark.parametrize("shares", [(0.1, 0.0, 0.6, 0.0, 0.3), (0.05, 0.1, 0.5, 0.2, 0.15)])
def test_nobody_can_expect_to_win_at_the_margin_nor_beyond_it(shares: tuple[float, ...]) -> None:
    mean = float(np.dot(shares, VALUES))
    expected = dict.fromkeys((mean, mean - 0.1), 0.0)
    for seen in product(range(5), repeat=5):
        chance = math.prod(shares[place] for place in seen)
        counts = [seen.count(place) for place in range(5)]
        for m in expected:
            expected[m] += chance * math.exp(mean_below(counts, VALUES, m))
    assert expected[mean] == pytest.approx(1)
    assert expected[mean - 0.1] < 1


@pytest.mark.parametrize("head", [0.5, 1.0])
def test_a_rate_is_a_mixture_of_likelihood_ratios(head: float) -> None:
    for hits, n, m in ((0, 30, 0.05), (3, 40, 0.1), (2.5, 12, 0.3), (9, 10, 0.2)):

        def ratio(u: float, hits: float = hits, n: int = n, m: float = m) -> float:
            # The density ∝ q^(head − 1) on 0 to m is that of m · u^(1/head), u uniform.
            q = m * u ** (1 / head)
            return (q / m) ** hits * ((1 - q) / (1 - m)) ** (n - hits)

        assert math.exp(rate_below(hits, n, m, head)) == pytest.approx(quad(ratio, 0, 1)[0], rel=1e-6)


def test_a_rates_evidence_is_expected_to_be_one_at_the_threshold_and_less_above() -> None:
    for n in (1, 7, 30):
        hits = np.arange(n + 1)
        at = float(binom.pmf(hits, n, 0.08) @ np.exp(rate_below(hits, n, 0.08)))
        above = float(binom.pmf(hits, n, 0.12) @ np.exp(rate_below(hits, n, 0.08)))
        assert at == pytest.approx(1)
        assert above < 1


# Natural logarithms of the e-values of `BernoulliTest(p0)` of ville 0.1.0, prior (1, 1), after `update` with so many hits of n:
# its mixture is over all rates, and so the sum of ours below and above, each with its share.
VILLE = [
    (0, 40, 0.1, 0.50084856),
    (12, 60, 0.1, 0.61041672),
    (1, 100, 0.05, -1.14652228),
    (9, 15, 0.3, 1.68502349),
    (8, 400, 0.02, -4.03498796),
]


@pytest.mark.parametrize(("hits", "n", "m", "log_e"), VILLE)
def test_both_sides_together_are_what_ville_reckons(hits: int, n: int, m: float, log_e: float) -> None:
    both = m * math.exp(rate_below(hits, n, m)) + (1 - m) * math.exp(rate_above(hits, n, m))
    assert math.log(both) == pytest.approx(log_e, abs=1e-7)


@settings(deadline=None)
@given(st.integers(1, 400), st.floats(0, 1), st.sampled_from([0.05, 0.02, 0.001]))
def test_a_bound_is_where_the_evidence_is_enough(n: int, share: float, alpha: float) -> None:
    hits = round(share * n)
    upper, lower = rate_upper(hits, n, alpha), rate_lower(hits, n, alpha)
    assert 0 <= lower <= hits / n <= upper <= 1
    if upper < 1:
        assert rate_below(hits, n, upper) >= -math.log(alpha) - 1e-6
        assert hits / n >= upper - 2e-6 or rate_below(hits, n, upper - 2e-6) < -math.log(alpha)


@settings(deadline=None)
@given(st.integers(1, 300), st.floats(0, 1))
def test_evidence_rises_with_the_threshold(n: int, share: float) -> None:
    hits = round(share * n)
    thresholds = np.linspace(max(0.001, hits / n), 0.999, 50)
    assert np.all(np.diff(rate_below(hits, n, thresholds)) >= -1e-9)
    counts = [0, 0, n - hits, 0, hits]
    rising = mean_below(counts, np.tile(VALUES, (50, 1)), np.linspace(-0.4, 0.9, 50))
    assert np.all(np.diff(rising) >= -1e-9)


def test_bounds_hold_at_all_times_together() -> None:
    """Of 2,000 runs of 1,000 observations no more miss the truth at any time than a method at 5 % passes with 99 %."""
    rng = np.random.default_rng(16)
    for rate in (0.02, 0.3):
        hits_RN = np.cumsum(rng.random((2_000, 1_000)) < rate, axis=1)
        n_N = np.arange(1, 1_001)
        ever = np.zeros(2_000, bool)
        for place in range(1_000):
            ever |= np.asarray(rate_below(hits_RN[:, place], int(n_N[place]), rate)) >= math.log(20)
        assert ever.sum() <= binom.ppf(0.99, 2_000, 0.05)
        assert ever.sum() > 0, "a test that never fails has no power"


def test_it_foretells_the_multiple_that_is_needed() -> None:
    hits, n, m = 4, 200, 0.05
    times = times_needed(lambda times: float(rate_below(hits * times, n * times, m)), 0.01, 1_000)
    assert times is not None
    assert rate_below(hits * times, n * times, m) >= math.log(100)
    assert rate_below(hits * times * 0.97, n * times * 0.97, m) < math.log(100)
    assert times_needed(lambda times: float(rate_below(20 * times, n * times, m)), 0.01, 1_000) is None


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="between -1 and 1"):
        mean_below([1], [2.0], 0.1)
    with pytest.raises(ValueError, match="between -1 and 1"):
        mean_below([1], [0.0], 1.0)
    with pytest.raises(ValueError, match="hits must lie in 0–n"):
        rate_below(3, 2, 0.1)
