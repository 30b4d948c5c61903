"""Outcomes that only one kind of decision has say nothing of the others, and are refused in words."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from past_world import START

from drivetrain.core.case import Case
from drivetrain.core.errors import DataError
from drivetrain.core.told_how import ToldHow
from drivetrain.rollout.backtest.past import Outcome, PastCase, Said, case_id
from drivetrain.rollout.backtest.selective import check_selective
from drivetrain.rollout.events import ReviewKind


def cases(shares: dict[str, float], count: int = 400, seed: int = 0) -> list[PastCase]:
    """Cases decided alike often as each label, of which a share has an outcome."""
    rng, found = random.Random(seed), []
    for number in range(count):
        at, label = START + timedelta(hours=number), rng.choice(list(shares))
        case = Case(case_id(at, str(number)), str(number), at, ())
        said = Said(number, at, ReviewKind.DECIDE, 0, "anna", label, ToldHow.BLIND)
        outcomes = (Outcome(number, at, label, "lab"),) if rng.random() < shares[label] else ()
        found.append(PastCase(number, case, (said,), outcomes))
    return found


def test_outcomes_only_of_one_decision_are_refused() -> None:
    with pytest.raises(DataError) as refused:
        check_selective(cases({"good": 0.0, "defect": 0.9}), "cases.csv")
    said = str(refused.value)
    assert "selective labels" in said
    assert "decided as 'good'" in said
    assert "0 of" in said
    assert "--adjudicate 100" in said
    assert "\n" not in said


def test_uneven_outcomes_are_said() -> None:
    (remark,) = check_selective(cases({"good": 0.2, "defect": 0.9}), "cases.csv")
    assert "unevenly by decision" in remark
    assert "the bounds can be relied on" in remark


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_outcomes_known_regardless_of_the_decision_pass(share: float) -> None:
    assert check_selective(cases({"good": share, "defect": share}), "cases.csv") == ()


def test_few_cases_of_a_decision_prove_nothing() -> None:
    many = cases({"good": 1.0}, 60)
    few = list(cases({"rare": 0.0}, 3))
    assert check_selective([*many, *few], "cases.csv") != ()  # said, not refused


def test_an_even_share_is_seldom_taken_for_selective() -> None:
    alarms = sum(bool(check_selective(cases({"a": 0.5, "b": 0.5}, 300, seed), "log")) for seed in range(300))
    assert alarms <= 3  # 0.3 to be expected at one in a thousand
