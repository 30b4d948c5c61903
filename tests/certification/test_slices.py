"""Slices, each or jointly: what is claimed of them fails as seldom as it should, by simulation against the true error.

Half of the answers are of a slice in which confidences are exaggerated, so that a threshold that is right for all is wrong there.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betainc

from drivetrain.certification.rule import find_rule
from drivetrain.learn.risk import Independent, Target
from drivetrain.stats.learn_then_test import counted, fewest_without_error, thresholds

TARGET, RUNS, MOST = Target(0.05), 1000, 66
A, B = 3.0, 0.3
EXCESS = 2.0
"""In the hard slice, how many times as often answers are wrong as they say."""


def drawn(rng: np.random.Generator, n: int, excess: float = EXCESS) -> tuple[Independent, np.ndarray]:
    confidence_N, hard_N = rng.beta(A, B, n), rng.random(n) < 0.5
    wrong_N = rng.random(n) < np.minimum((1 - confidence_N) * np.where(hard_N, excess, 1.0), 1)
    return Independent(np.arange(n), confidence_N, wrong_N, np.arange(n), n), hard_N


def easy_error(least: float) -> float:
    """E[1 − c | c ≥ τ]."""
    return float(1 - A / (A + B) * (1 - betainc(A + 1, B, least)) / (1 - betainc(A, B, least)))


def true_error(name: str, least: float) -> float:
    """Where no confidence from the threshold on is so low that twice its doubt is more than 1."""
    assert least >= 0.5
    return easy_error(least) * (EXCESS if name == "hard" else 1.0)


@pytest.mark.parametrize("jointly", [False, True])
def test_a_claim_about_a_slice_fails_in_one_of_twenty_runs_at_most(jointly: bool) -> None:
    rng = np.random.default_rng(4 + jointly)
    failed = {"easy": 0, "hard": 0}
    either = claimed = 0
    for _ in range(RUNS):
        independent, hard_N = drawn(rng, 1500)
        rule, bounds = find_rule(independent, [("easy", ~hard_N), ("hard", hard_N)], TARGET, jointly=jointly)
        if rule.confidence is None:
            assert not any(one.certified for one in bounds)
            continue
        false = [one.certified and true_error(one.slice, rule.confidence) > TARGET.max_error for one in bounds]
        failed["easy"] += false[0]
        failed["hard"] += false[1]
        either += any(false)
        claimed += all(one.certified for one in bounds)
        assert not jointly or all(one.certified for one in bounds)
    assert max(failed.values()) <= MOST
    if jointly:
        assert either <= MOST
        assert claimed > 0.5 * RUNS
    else:
        assert claimed < 0.5 * RUNS  # the threshold of all is too loose for the hard slice


def test_each_slice_has_the_counts_at_the_threshold_of_all() -> None:
    independent, hard_N = drawn(np.random.default_rng(0), 2000, excess=0.0)
    rule, bounds = find_rule(independent, [("easy", ~hard_N), ("hard", hard_N)], TARGET, jointly=False)
    assert rule.confidence is not None
    assert rule.bound is not None
    assert [one.level for one in bounds] == [0.95, 0.95]
    assert sum(one.accepted for one in bounds) == rule.bound.accepted
    assert sum(one.wrong for one in bounds) == rule.bound.wrong
    assert sum(one.independent for one in bounds) == 2000
    assert [one.certified for one in bounds] == [one.error_upper <= 0.05 for one in bounds]


def test_jointly_the_level_is_shared_out_and_all_have_to_hold() -> None:
    independent, hard_N = drawn(np.random.default_rng(1), 2000)
    few_N = np.arange(2000) < 40
    rule, bounds = find_rule(independent, [("easy", ~hard_N), ("few", few_N)], TARGET, jointly=True)
    assert rule.confidence is None
    assert rule.bound is not None
    assert (rule.bound.accepted, rule.bound.error_upper) == (0, 1.0)
    assert [one.level for one in bounds] == pytest.approx([0.975, 0.975])
    # Shown at 97.5 % in each, by forty answers in a slice that would need 72 if all were right.
    assert rule.bound.needed == fewest_without_error(0.05, 0.025) == 72
    assert rule.bound.labelled is not None
    assert 2000 < rule.bound.labelled < 20_000
    both, bounds = find_rule(independent, [("easy", ~hard_N), ("hard", hard_N)], TARGET, jointly=True)
    alone, _ = find_rule(independent, [], TARGET, jointly=False)
    assert both.confidence is not None
    assert alone.confidence is not None
    assert both.confidence > alone.confidence
    assert both.bound is not None
    (accepted,), (wrong,) = counted(independent.confidence_M, independent.wrong_M, np.array([both.confidence]))
    assert (both.bound.accepted, both.bound.wrong) == (accepted, wrong)
    assert both.confidence in thresholds(independent.confidence_M, 65)
