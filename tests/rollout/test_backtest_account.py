"""The account of a course beside people: counted by hand, bounded where nobody knows, and estimated by samples."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from past_world import START, World

from drivetrain.core.case import Case, ModelAnswer
from drivetrain.core.told_how import ToldHow
from drivetrain.rollout.backtest.account import Ground, account_of, blocks_of, differences, paired
from drivetrain.rollout.backtest.course import MIN_SHOWN, above, deferring, model_only, people_only
from drivetrain.rollout.backtest.past import Outcome, PastCase, Said, case_id
from drivetrain.rollout.events import ReviewKind


def past(number: int, people: str | None, site: str = "north", group: str | None = None, outcome: str = "") -> PastCase:
    at = START + timedelta(hours=number)
    case = Case(case_id(at, str(number)), str(number), at, (), {"site": site}, group)
    said = (Said(3 * number + 1, at, ReviewKind.DECIDE, 0, "anna", people, ToldHow.BLIND),)
    outcomes = (Outcome(3 * number + 2, at, outcome, "lab"),) if outcome else ()
    return PastCase(3 * number, case, said, outcomes)


def answer(label: str | None, confidence: float = 0.95, certified: bool = True) -> ModelAnswer:
    return ModelAnswer(label, confidence, None, certified, True, 0.0, "b" * 16)


def test_errors_are_counted_by_hand() -> None:
    cases = [past(n, people) for n, people in enumerate(["a", "a", "b", "a", None, "b"])]
    answers = [answer(label) for label in ["a", "b", "a", "b", "a", "a"]]
    ground = Ground(tuple(cases), ("a", "b", "b", "c", "a", None))
    found = account_of(model_only(cases, answers), ground)
    # 1: the model right alone; 2: people right alone; 3: neither; 4: people could not tell, which is no error; 5: nobody knows.
    assert (found.cases, found.acted, found.otherwise) == (6, 6, 5)
    assert (found.prevented, found.made, found.neither, found.unknown) == (1, 1, 2, 1)
    assert found.lowest == pytest.approx((-1 + 1 - 1) / 6)
    assert found.highest == pytest.approx((-1 + 1 + 1) / 6)
    assert found.reviews == 0
    assert found.saved_a_case == 1


def test_somebody_who_cannot_tell_makes_no_error() -> None:
    cases = tuple(past(n, None) for n in range(3))
    found = account_of(model_only(cases, [answer("a"), answer("b"), answer("b")]), Ground(cases, ("a", "a", None)))
    assert (found.prevented, found.made, found.neither, found.unknown) == (0, 1, 1, 1)
    assert (found.lowest, found.highest) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_a_case_decided_alike_needs_no_truth() -> None:
    cases = [past(n, "a") for n in range(30)]
    ground = Ground(tuple(cases), (None,) * 30)
    found = account_of(model_only(cases, [answer("a")] * 30), ground)
    assert (found.unknown, found.lowest, found.highest) == (0, 0.0, 0.0)


def test_a_sample_stands_for_all_that_differ() -> None:
    """Half of what differs was adjudicated; the estimate is near the truth, and the bounds hold it."""
    world = list(World(cases=4000, seed=5))
    cases = [past(n, row["decided"], group=row["group"]) for n, row in enumerate(world)]
    answers = [answer(row["answer"]) for row in world]
    truths = tuple(row["truth"] for row in world)
    whole = account_of(model_only(cases, answers), Ground(tuple(cases), truths))
    drawn = np.random.default_rng(0).random(4000) < 0.5
    some = tuple(truth if known else None for truth, known in zip(truths, drawn, strict=True))
    part = account_of(model_only(cases, answers), Ground(tuple(cases), some))
    assert whole.errors is not None
    assert part.errors is not None
    assert part.unknown > 100
    assert part.errors.low < whole.errors.value < part.errors.high
    assert part.errors.high - part.errors.low > whole.errors.high - whole.errors.low
    assert part.lowest < whole.errors.value < part.highest


def test_cases_that_the_model_decided_are_estimated_by_their_audits() -> None:
    """Of 1,000 acted cases 100 were audited: 90 agree, 10 differ, and in all of these people were right."""
    cases = []
    for n in range(1000):
        one = past(n, "a", group=str(n // 4))
        audited = n % 10 == 0
        cases.append(replace(one, acted=True, said=one.said if audited else ()))
    answers = [answer("b" if n % 100 == 0 else "a") for n in range(1000)]
    ground = Ground(tuple(cases), tuple("a" if n % 10 == 0 else None for n in range(1000)))
    found = account_of(model_only(cases, answers), ground)
    assert (found.made, found.prevented) == (10, 0)
    assert found.unknown == 900
    assert found.errors is not None
    assert found.errors.value == pytest.approx(0.1)
    assert found.highest == pytest.approx(0.91)


def test_two_courses_are_compared_on_the_same_cases() -> None:
    world = list(World(cases=3000, seed=6))
    cases = [past(n, row["decided"], group=row["group"]) for n, row in enumerate(world)]
    answers = [answer(row["answer"], float(row["confidence"])) for row in world]
    ground = Ground(tuple(cases), tuple(row["truth"] for row in world))
    sure, every = above(cases, answers, 0.85), model_only(cases, answers)
    errors, reviews = paired(sure, every, ground)
    assert errors is not None
    assert reviews is not None
    one, other = account_of(sure, ground).errors, account_of(every, ground).errors
    assert one is not None
    assert other is not None
    assert errors.value == pytest.approx(one.value - other.value)
    assert errors.high < 0  # a model that errs on hard cases is better kept from them
    assert reviews.value == pytest.approx(float(sure.reviews_N.mean()))


def test_deferral_looks_only_at_what_was_known_by_then() -> None:
    """In the north the model is always right and people never, in the south people always and the model never."""
    n = 6 * MIN_SHOWN
    north = [k % 2 == 1 for k in range(n)]
    cases = [past(k, "b", "north" if north[k] else "south", outcome="a" if north[k] else "b") for k in range(n)]
    answers = [answer("a" if north[k] else "c") for k in range(n)]
    course = deferring(cases, answers, ["site"], [one.truth for one in cases])
    expected = [north[k] and k > 2 * MIN_SHOWN for k in range(n)]
    assert course.by_model_N.tolist() == expected


def test_blocks_are_days_and_groups() -> None:
    cases = [past(0, "a", group="m"), past(1, "a", group="m"), past(2, "a"), past(3, "a"), past(30, "a", group="m")]
    assert blocks_of(cases).tolist() == [0, 0, 1, 1, 2]


def test_nobody_is_compared_with_himself() -> None:
    cases = [past(n, "a") for n in range(5)]
    ground = Ground(tuple(cases), (None,) * 5)
    found = differences(people_only(cases), ground.people, ground)
    assert not found.otherwise_N.any()
    assert (found.known_N == 0).all()
