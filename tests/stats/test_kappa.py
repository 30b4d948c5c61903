"""Cohen's kappa: another implementation, the delta method by differences, and how often its interval holds the truth."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import cohen_kappa_score

from drivetrain.stats.kappa import NORMAL_95, kappa

LABELS = ("good", "cracked", "dark")


def pairs(table: np.ndarray) -> dict[tuple[str, str], int]:
    return {(LABELS[i], LABELS[j]): int(table[i, j]) for i in range(3) for j in range(3) if table[i, j]}


def value_of(shares: np.ndarray) -> float:
    seen, chance = np.trace(shares), shares.sum(1) @ shares.sum(0)
    return float((seen - chance) / (1 - chance))


@pytest.mark.parametrize("seed", range(5))
def test_value_and_variance_agree_with_others(seed: int) -> None:
    table = np.random.default_rng(seed).integers(0, 30, (3, 3)) + 20 * np.eye(3, dtype=int)
    found = kappa(pairs(table))
    assert found is not None
    n = int(table.sum())
    first = [LABELS[i] for i in range(3) for j in range(3) for _ in range(table[i, j])]
    second = [LABELS[j] for i in range(3) for j in range(3) for _ in range(table[i, j])]
    assert found.value == pytest.approx(cohen_kappa_score(first, second))
    assert (found.n, found.agreed) == (n, int(np.trace(table)))
    shares = (table / n).ravel()
    slope = np.array(
        [
            (value_of((shares + step).reshape(3, 3)) - value_of((shares - step).reshape(3, 3))) / 2e-6
            for step in 1e-6 * np.eye(9)
        ]
    )
    variance = (slope**2 @ shares - (slope @ shares) ** 2) / n
    assert (found.high - found.low) / 2 == pytest.approx(NORMAL_95 * math.sqrt(variance), rel=1e-3)


def test_the_interval_holds_the_truth() -> None:
    rng = np.random.default_rng(7)
    shares = np.array([[0.5, 0.05, 0.02], [0.06, 0.2, 0.02], [0.02, 0.03, 0.1]])
    truth, missed = value_of(shares), 0
    for counts in rng.multinomial(300, shares.ravel(), 1_000):
        found = kappa(pairs(counts.reshape(3, 3)))
        assert found is not None
        missed += not found.low <= truth <= found.high
    assert binom.ppf(0.005, 1_000, 0.04) <= missed <= binom.ppf(0.995, 1_000, 0.065)


def test_it_has_no_meaning_without_two_labels() -> None:
    assert kappa({}) is None
    assert kappa(Counter({("good", "good"): 40})) is None
    never = kappa({("good", "cracked"): 10, ("cracked", "good"): 10})
    assert never is not None
    assert never.value == pytest.approx(-1)
