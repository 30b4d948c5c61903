"""The e-CUSUM: closed form, where a run began, and the delays planned for audits."""

from __future__ import annotations

from itertools import accumulate
from math import prod

import numpy as np
import pytest

from drivetrain.stats.e_cusum import mean, run, step
from drivetrain.stats.shiryaev_roberts import factors


def test_it_is_the_best_of_processes_begun_at_any_moment() -> None:
    ratios = np.random.default_rng(0).choice([0.9, 1.4], 50, p=[0.8, 0.2])
    *_, last = accumulate(ratios, step, initial=0.0)
    assert last == pytest.approx(max(prod(ratios[start:]) for start in range(len(ratios))))


def test_a_run_begins_with_the_observation_of_the_most_likely_change() -> None:
    ratios = [*np.random.default_rng(3).choice([0.9, 1.4], 40, p=[0.9, 0.1]), *[1.4, 0.9, 1.4, 1.4, 0.9, 1.4]]
    value, began = 0.0, None
    for number, ratio in enumerate(ratios):
        value, began = run(value, began, ratio, number)
    assert began == max(range(len(ratios)), key=lambda start: prod(ratios[start:]))


def test_both_forms_agree() -> None:
    value, began, other = 0.0, None, 0.0
    for number, ratio in enumerate([0.5, 3.0, 0.9, 0.2, 2.0]):
        value, began = run(value, began, ratio, number)
        other = step(other, ratio)
        assert value == other
    assert began == 4


def test_audits_find_a_jump_as_soon_as_planned() -> None:
    """After 300 healthy audits at 1 %, a jump to 10 % is found after 70 audits (90 %: 147), against a bound of 2 %."""
    by, rng, runs = factors(0.02, (3.0, 6.0)), np.random.default_rng(4), 500
    values, alarms = np.zeros((runs, 2)), np.zeros(runs, int)
    for number in range(1, 801):
        wrong = rng.random(runs) < (0.01 if number <= 300 else 0.1)
        values = np.maximum(values, 1) * np.where(wrong[:, None], by.hit, by.miss)
        alarms[(alarms == 0) & (values.mean(axis=1) >= 1000)] = number
    assert (alarms > 300).sum() >= runs * 0.995  # false ones: at most half a percent
    delays = alarms[alarms > 300] - 300
    assert np.median(delays) <= 1.2 * 70
    assert np.quantile(delays, 0.9) <= 1.2 * 147


def test_the_mean_over_alternatives() -> None:
    assert mean([1.0, 3.0]) == 2
