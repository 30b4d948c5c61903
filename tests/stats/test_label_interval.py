"""The interval of the mean average precision, against the truth of a population it is drawn from."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.stats.label_metrics import mean_average_precision, mean_average_precision_interval
from drivetrain.stats.metrics import bootstrap

LABELS, SHARE, APART = 10, 0.2, 1.5


def drawn(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    present = (rng.random((n, LABELS)) < SHARE).astype(np.float32)
    return present, rng.normal(size=(n, LABELS)) + APART * present


@pytest.mark.thorough
def test_it_covers_the_truth_where_percentiles_lie_above_it() -> None:
    """60 items of 10 labels, each on a fifth of them: plain percentiles miss the population's figure upwards."""
    rng = np.random.default_rng(5)
    truth = mean_average_precision(*drawn(rng, 40_000))
    covered, plain = [], []
    for seed in range(60):
        present, scores = drawn(rng, 60)
        found = mean_average_precision_interval(present, scores, np.arange(60), seed, resamples=100)
        assert found.low <= found.value <= found.high
        covered.append(found.low <= truth <= found.high)
        low, high = bootstrap(
            np.arange(60),
            lambda rows, p=present, s=scores: mean_average_precision(p[rows], s[rows]),  # type: ignore[misc]
            seed,
            100,
        )
        plain.append(low <= truth <= high)
    # 95 % meant; binomial standard error of 60 trials 0.03, and bootstraps of 60 items fall somewhat short.
    assert np.mean(covered) > 0.83
    assert np.mean(plain) < np.mean(covered)


def test_whole_groups_are_drawn() -> None:
    rng = np.random.default_rng(0)
    present, scores = drawn(rng, 40)
    alone = mean_average_precision_interval(present, scores, np.arange(40), 0)
    repeated = [np.repeat(array, 5, axis=0) for array in (present, scores)]
    grouped = mean_average_precision_interval(*repeated, np.repeat(np.arange(40), 5), 0)
    apart = mean_average_precision_interval(*repeated, np.arange(200), 0)
    # Copies in a group of their own add nothing; taken for independent they would seem to.
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low, rel=0.15)
    assert apart.high - apart.low < 0.7 * (alone.high - alone.low)


def test_its_edges() -> None:
    present = np.float32([[1, 0], [0, 1], [1, 0], [0, 1]])
    perfect = mean_average_precision_interval(present, present, np.arange(4), 0)
    assert (perfect.value, perfect.high) == (1, 1)
    assert perfect.low == pytest.approx(1)
    nothing = mean_average_precision_interval(np.zeros_like(present), present, np.arange(4), 0)
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    worst = mean_average_precision_interval(present, 1 - present, np.arange(4), 0)
    assert 0 <= worst.low <= worst.value <= worst.high <= 1
    again = mean_average_precision_interval(present, 1 - present, np.arange(4), 0)
    assert again == worst
