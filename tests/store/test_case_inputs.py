"""The images of a case are kept until it is done, whatever the rule for images says; and not for longer than the rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from made_records import made_entry
from made_rollouts import ROLLOUT, START, at, made_case, made_decision, made_input, made_review, made_rollout

from drivetrain.core.records import StoredInput
from drivetrain.core.retention import Retention
from drivetrain.core.rollout_records import Review
from drivetrain.serve.work.forgetting import Forgetting
from drivetrain.store.sql_store import SqlStore, open_store

DAY = timedelta(days=1)
LATER = START + 90 * DAY


@pytest.fixture
def opened(store: SqlStore) -> SqlStore:
    store.open_rollout(made_rollout())
    return store


def arrive(
    store: SqlStore,
    number: int,
    inputs: Sequence[StoredInput] = (),
    reviews: Sequence[Review] = (),
    rollout_id: str = ROLLOUT,
) -> None:
    with store.rollout_log(rollout_id) as log:
        log.add_case(made_case(number), inputs)
        log.add_reviews(reviews)


def finish(store: SqlStore, number: int) -> None:
    with store.rollout_log(ROLLOUT) as log:
        log.settle_case(made_case(number).id, "crack", "blind", at(9))
        for review in log.reviews_of(made_case(number).id):
            log.update_review(replace(review, held=made_decision(), done_at=at(9)))


def forget(store: SqlStore, rule: str, now: datetime = LATER) -> None:
    """Let a server forget by a rule, at a moment that it has no doubts of."""
    forgetting = Forgetting(store, Retention.parse(rule), lambda: now, lambda: 0.0)
    forgetting.forget()


def has(store: SqlStore, *numbers: int) -> list[bool]:
    return [store.input(f"{number:064x}") is not None for number in numbers]


def test_the_inputs_of_a_case_are_there_for_people_to_see(opened: SqlStore) -> None:
    two = replace(made_case(), inputs=(f"{1:064x}", f"{2:064x}"))
    with opened.rollout_log(ROLLOUT) as log:
        log.add_case(two, [made_input(1, b"one"), made_input(2, b"two")])
    assert opened.input(f"{1:064x}") == made_input(1, b"one")
    assert opened.input(f"{2:064x}") == made_input(2, b"two")


def test_an_input_that_a_prediction_has_kept_stays_as_it_is(opened: SqlStore) -> None:
    opened.append([made_entry(0, b"first")])
    arrive(opened, 0, [made_input(0, b"second")])
    found = opened.input(f"{0:064x}")
    assert found is not None
    assert found.data == b"first"


@pytest.mark.parametrize("which", ["waits", "held", "not settled"])
def test_inputs_of_a_case_that_is_not_done_outlive_the_rule(opened: SqlStore, which: str) -> None:
    review = made_review(0, held=made_decision() if which == "held" else None)
    arrive(opened, 0, [made_input(0)], () if which == "not settled" else [review])
    arrive(opened, 1, [made_input(1)])
    with opened.rollout_log(ROLLOUT) as log:
        log.settle_case(made_case(1).id, "crack", "model", at(2))
        if which != "not settled":
            log.settle_case(made_case(0).id, "crack", "model", at(2))
    would = opened.prune(inputs_older_than=LATER, records_older_than=LATER, dry_run=True)
    assert (would.inputs, would.input_bytes) == (1, 7)
    assert opened.prune(inputs_older_than=LATER, records_older_than=LATER) == would
    assert has(opened, 0, 1) == [True, False]
    finish(opened, 0)
    assert opened.prune(inputs_older_than=LATER).inputs == 1
    assert has(opened, 0) == [False]


def test_an_input_stays_as_long_as_one_of_its_cases_needs_it(opened: SqlStore) -> None:
    opened.open_rollout(made_rollout("d" * 32, "other"))
    arrive(opened, 0, [made_input(0)])
    arrive(opened, 0, [made_input(0)], rollout_id="d" * 32)
    finish(opened, 0)
    assert opened.prune(inputs_older_than=LATER).inputs == 0
    assert opened.forget_case_inputs().inputs == 0
    with opened.rollout_log("d" * 32) as log:
        log.settle_case(made_case(0).id, None, "blind", at(9))
    assert opened.forget_case_inputs().inputs == 1
    assert has(opened, 0) == [False]


def test_a_case_that_is_asked_about_again_needs_its_inputs_again(opened: SqlStore) -> None:
    arrive(opened, 0, [made_input(0)], [made_review(0)])
    finish(opened, 0)
    with opened.rollout_log(ROLLOUT) as log:
        log.add_reviews([made_review(100, case_id=made_case(0).id, kind="adjudicate")])
    assert opened.prune(inputs_older_than=LATER).inputs == 0
    with opened.rollout_log(ROLLOUT) as log:
        log.drop_reviews(made_case(0).id)
    assert opened.prune(inputs_older_than=LATER).inputs == 1


@pytest.mark.parametrize("rule", ["none", "hash"])
def test_where_the_rule_keeps_no_images_those_of_cases_go_when_the_case_is_done(opened: SqlStore, rule: str) -> None:
    for number in range(120):
        arrive(opened, number, [made_input(number)], [made_review(number)])
    forget(opened, rule)
    assert all(has(opened, *range(120)))
    for number in range(110):
        finish(opened, number)
    forget(opened, rule)
    assert has(opened, *range(120)) == [False] * 110 + [True] * 10
    assert opened.forget_case_inputs().inputs == 0


def test_what_a_prediction_has_kept_under_another_rule_does_not_go_with_its_case(opened: SqlStore) -> None:
    opened.append([made_entry(0)])
    arrive(opened, 0, [made_input(0)])
    finish(opened, 0)
    forget(opened, "hash")
    assert has(opened, 0) == [True]


def test_days_of_the_rule_begin_when_a_case_comes_in(opened: SqlStore) -> None:
    arrive(opened, 0, [made_input(0)])
    arrive(opened, 1, [made_input(1)])
    finish(opened, 0)
    opened.append([made_entry(50, at=LATER)])
    forget(opened, "30d", START + 20 * DAY)
    assert has(opened, 0, 1) == [True, True]
    forget(opened, "30d", LATER + 2 * DAY)
    assert has(opened, 0, 1) == [False, True]


def test_an_old_image_that_comes_again_with_a_case_is_as_new(opened: SqlStore) -> None:
    opened.append([made_entry(0, at=START - 50 * DAY)])
    arrive(opened, 0, [made_input(0)])
    finish(opened, 0)
    assert opened.prune(inputs_older_than=START - DAY).inputs == 0
    assert has(opened, 0) == [True]


def test_many_inputs_that_are_needed_do_not_keep_the_others(opened: SqlStore) -> None:
    with opened.rollout_log(ROLLOUT) as log:
        for number in range(150):
            log.add_case(made_case(number), [made_input(number)])
            if number % 3 == 2:
                log.settle_case(made_case(number).id, "crack", "model", at(9))
    assert opened.prune(inputs_older_than=LATER).inputs == 50
    assert has(opened, *range(150)) == [number % 3 != 2 for number in range(150)]


@pytest.mark.postgres
def test_an_input_that_a_case_claims_just_now_is_not_deleted(request: pytest.FixtureRequest) -> None:
    """On PostgreSQL, where both go on at once: the one who prunes passes by the input that a case has locked."""
    store = open_store(request.getfixturevalue("postgres").new_database())
    try:
        store.open_rollout(made_rollout())
        store.append([made_entry(0, at=START - 50 * DAY), made_entry(1, at=START - 50 * DAY)])
        with store.rollout_log(ROLLOUT) as log:
            log.add_case(made_case(0), [made_input(0)])
            assert store.prune(inputs_older_than=LATER).inputs == 1
        assert has(store, 0, 1) == [True, False]
        assert store.prune(inputs_older_than=LATER).inputs == 0
    finally:
        store.close()
