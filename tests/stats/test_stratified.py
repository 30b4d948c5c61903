"""The share of a set that is wrong, from samples of its parts: known cases, and how often its interval holds."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.stats.metrics import clopper_pearson
from drivetrain.stats.stratified import Stratum, share_of_all

# Runs in which a method that holds 95 % exactly would miss at most, 99 times in 100: the 99 % quantile of Binomial(1000, 0.05).
RUNS, MOST_MISSES = 1000, 66


def test_one_part_has_its_exact_interval() -> None:
    found, exact = share_of_all([Stratum(1000, 80, 3)]), clopper_pearson(3, 80, 0.025)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((exact.value, exact.low, exact.high))


def test_a_set_looked_at_throughout_is_known() -> None:
    found = share_of_all([Stratum(40, 40, 10), Stratum(60, 60, 2)])
    assert found is not None
    assert found.low == found.value == found.high == pytest.approx(0.12)


def test_a_part_that_nobody_looked_at_leaves_the_whole_unknown() -> None:
    assert share_of_all([Stratum(40, 40, 10), Stratum(60, 0, 0)]) is None
    assert share_of_all([]) is None
    assert share_of_all([Stratum(0, 0, 0)]) is None


def test_an_empty_part_is_no_hindrance() -> None:
    found = share_of_all([Stratum(0, 0, 0), Stratum(60, 60, 3)])
    assert found is not None
    assert found.value == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("sizes", "wrong", "looked_at"),
    [
        ((50, 950), (30, 5), (25, 100)),
        ((50, 950), (30, 0), (25, 100)),
        ((300, 700), (120, 35), (25, 100)),
        ((20, 480), (19, 40), (20, 60)),
        ((100, 400), (50, 4), (10, 40)),
    ],
)
def test_the_interval_holds_as_often_as_it_says(
    sizes: tuple[int, int], wrong: tuple[int, int], looked_at: tuple[int, int]
) -> None:
    rng = np.random.default_rng(7)
    truth, misses = sum(wrong) / sum(sizes), 0
    for _ in range(RUNS):
        parts = [
            Stratum(size, seen, int(rng.hypergeometric(bad, size - bad, seen)))
            for size, bad, seen in zip(sizes, wrong, looked_at, strict=True)
        ]
        found = share_of_all(parts)
        assert found is not None
        misses += not found.low <= truth <= found.high
    assert misses <= MOST_MISSES


def test_more_looks_narrow_the_interval() -> None:
    few, many = share_of_all([Stratum(5000, 50, 5)]), share_of_all([Stratum(5000, 500, 50)])
    assert few is not None
    assert many is not None
    assert many.high - many.low < (few.high - few.low) / 2
