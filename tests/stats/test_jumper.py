"""The jumper martingale on online conformal p-values."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest
from scipy.stats import binom, kstest

from drivetrain.stats.jumper import JUMP, START, conformal_p, place_of, step, tie_of


def capital(p_values: np.ndarray) -> float:
    """The martingale as published: three accounts of money, not shares (algorithm 1 of Vovk et al. 2021)."""
    accounts = {-1: 1 / 3, 0: 1 / 3, 1: 1 / 3}
    for p in p_values:
        total = sum(accounts.values())
        for epsilon in accounts:
            accounts[epsilon] = (1 - JUMP) * accounts[epsilon] + JUMP / 3 * total
            accounts[epsilon] *= 1 + epsilon * (p - 0.5)
    return sum(accounts.values())


def test_the_capital_is_that_of_the_published_algorithm() -> None:
    p_values = np.random.default_rng(0).beta(1, 1.4, 300)
    weights, product = START, 1.0
    for p in p_values:
        weights, factor = step(weights, p)
        product *= factor
        assert sum(weights) == pytest.approx(1)
    assert product == pytest.approx(capital(p_values))


def test_a_factor_is_expected_to_be_one() -> None:
    grid = (np.arange(1000) + 0.5) / 1000
    weights = (0.7, 0.1, 0.2)
    assert np.mean([step(weights, p)[1] for p in grid]) == pytest.approx(1)


def test_p_values_against_a_growing_reference_are_uniform_and_independent() -> None:
    rng, edges = np.random.default_rng(1), (0.2, 0.5, 0.9)
    counts, found = [3, 1, 0, 4], []
    # The reference is of the same kind as what follows it, in the bins' own shares.
    shares = np.array([0.4, 0.1, 0.1, 0.4])
    counts = rng.multinomial(50, shares).tolist()
    for number in range(4_000):
        place = place_of(edges, (0.1, 0.3, 0.7, 0.95)[rng.choice(4, p=shares)])
        found.append(conformal_p(counts, place, tie_of(b"k", str(number))))
        counts[place] += 1
    assert kstest(found[100:], "uniform").pvalue > 0.01
    centred = np.asarray(found) - 0.5
    assert abs((centred[1:] * centred[:-1]).mean() * 12) < 4 / np.sqrt(4_000)


def test_a_lower_score_has_a_smaller_p() -> None:
    counts = [10, 10, 10]
    assert [conformal_p(counts, place, 0.5) for place in range(3)] == sorted(
        conformal_p(counts, p, 0.5) for p in range(3)
    )
    assert conformal_p([0, 0], 0, 0.3) == pytest.approx(0.3)  # the first of all is its tie


def test_ties_are_the_digest_of_the_id_under_the_key() -> None:
    digest = hmac.new(b"key", b"case", hashlib.sha256).digest()
    assert tie_of(b"key", "case") == pytest.approx(int.from_bytes(digest[:8], "big") / 2**64)
    assert tie_of(b"key", "case") == tie_of(b"key", "case") != tie_of(b"other", "case")
    assert 0 <= tie_of(b"", "\ud800") < 1  # half of a surrogate pair


def test_false_alarms_of_the_restarted_martingale_stay_within_their_share() -> None:
    rng, runs, horizon = np.random.default_rng(2), 400, 1_000
    weights, sums, alarmed = np.full((runs, 3), 1 / 3), np.zeros(runs), np.zeros(runs, bool)
    for _ in range(horizon):
        tilt = rng.random(runs) - 0.5
        mixed = weights * (1 - JUMP) + JUMP / 3
        moved = mixed * np.stack([1 - tilt, np.ones(runs), 1 + tilt], axis=1)
        factor = moved.sum(axis=1)
        weights, sums = moved / factor[:, None], (sums + 1) * factor
        alarmed |= sums >= horizon / 0.1
    assert alarmed.sum() <= binom.ppf(0.99, runs, 0.1)
