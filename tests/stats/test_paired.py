"""The interval of a difference of paired shares: what it is made of, and how often it holds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from drivetrain.stats.paired import CONTINUITY, paired_shares, score

RUNS = 1000


@pytest.mark.parametrize(("gained", "lost", "n"), [(6, 1, 400), (12, 30, 250), (1, 0, 40), (3, 3, 1000)])
@pytest.mark.parametrize("difference", [-0.08, -0.01, 0.0, 0.004, 0.05])
def test_the_score_is_that_of_the_likeliest_shares_with_that_difference(
    gained: int, lost: int, n: int, difference: float
) -> None:
    """An independent way: the share that only the first is right is found by maximising the likelihood numerically."""

    def unlikely(before_only: float) -> float:
        after_only = before_only + difference
        rest = 1 - before_only - after_only
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = [(gained, after_only), (lost, before_only), (n - gained - lost, rest)]
            return -float(sum(count * np.log(share) for count, share in terms if count))

    low, high = max(0.0, -difference), (1 - difference) / 2
    best = minimize_scalar(unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    distance = gained - lost - n * difference
    expected = (
        np.sign(distance) * max(abs(distance) - CONTINUITY, 0) / np.sqrt(n * (2 * best + difference - difference**2))
    )
    assert score(gained, lost, n, difference) == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_it_is_the_same_the_other_way_round_and_narrows_with_more_items() -> None:
    one, other = paired_shares(9, 2, 300), paired_shares(2, 9, 300)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)
    many = paired_shares(90, 20, 3000)
    assert many.high - many.low < one.high - one.low
    for gained, lost, n in [(0, 0, 50), (50, 0, 50), (0, 50, 50), (1, 1, 2), (0, 1, 1)]:
        found = paired_shares(gained, lost, n)
        assert -1 <= found.low <= found.value <= found.high <= 1
        assert found.low < found.high


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("n", "after_only", "before_only"),
    [
        (60, 0.1, 0.05),
        (300, 0.02, 0.01),
        (500, 0.05, 0.02),
        (1000, 0.004, 0.001),
        (1105, 0.01, 0.005),
        (1000, 0.002, 0.0),
    ],
)
def test_it_holds_as_often_as_it_says(n: int, after_only: float, before_only: float) -> None:
    rng, missed = np.random.default_rng(4), 0
    for gained, lost, _ in rng.multinomial(n, [after_only, before_only, 1 - after_only - before_only], size=RUNS):
        found = paired_shares(int(gained), int(lost), n)
        missed += not found.low - 1e-9 <= after_only - before_only <= found.high + 1e-9
    assert missed <= binom.ppf(0.99, RUNS, 0.05)
