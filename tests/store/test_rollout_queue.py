"""The queue under many operations in any order, and the ways its questions take through the indexes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from made_rollouts import (
    KINDS,
    ROLLOUT,
    at,
    made_body,
    made_case,
    made_decision,
    made_input,
    made_review,
    made_rollout,
)
from sqlalchemy import event
from test_rollout_store import memory_store

from drivetrain.core.rollout_port import RolloutLog, RolloutStore
from drivetrain.core.rollout_records import Review
from drivetrain.store import lease
from drivetrain.store.sql_store import SqlStore, open_store

PEOPLE = ("ada", "ben", "cyd", "di")


class Twins:
    """A store in a database and one in memory that are told the same, and have to say the same."""

    def __init__(self, stores: list[RolloutStore], seed: int) -> None:
        self.stores, self.rng = stores, Random(seed)
        self.minutes = 0.0
        self.asked: list[str] = []
        self.last_words: list[str] = []

    def step(self) -> None:
        self.minutes += self.rng.random() * 4
        steps = (
            self.ask,
            self.lease,
            self.lease,
            self.lease,
            self.decide,
            self.decide,
            self.undo,
            self.finish,
            self.drop,
        )
        self.rng.choice(steps)()
        self.compare(lambda store: store.queue_counts(ROLLOUT, at(self.minutes)))
        self.compare(lambda store: store.queue_counts(ROLLOUT, at(self.minutes), "ada"))
        self.compare(lambda store: store.done_since(ROLLOUT, "ada", at(self.minutes - 30)))

    def compare(self, question: Any) -> Any:
        answers = [question(store) for store in self.stores]
        assert answers[0] == answers[1]
        return answers[0]

    def writing(self) -> ExitStack:
        stack = ExitStack()
        self.logs: list[RolloutLog] = [stack.enter_context(store.rollout_log(ROLLOUT)) for store in self.stores]
        return stack

    def ask(self) -> None:
        rng = self.rng
        number = len(self.asked)
        reviews = [
            made_review(
                number + place,
                case_id=f"{rng.randrange(30):032x}",
                kind=rng.choice(KINDS),
                due=rng.choice([None, at(rng.randrange(300))]),
                order=f"{rng.getrandbits(64):064x}",
                not_by=tuple(rng.sample(PEOPLE, rng.choice([0, 0, 1, 1, 2, 3]))),
            )
            for place in range(rng.choice([1, 3, 9]))
        ]
        self.asked += [review.id for review in reviews]
        with self.writing():
            for log in self.logs:
                log.add_reviews(reviews)

    def lease(self) -> None:
        by, now = self.rng.choice(PEOPLE), at(self.minutes)
        kinds = self.rng.sample(KINDS, self.rng.choice([1, 2, 3, 3, 3]))
        skip = self.rng.sample(self.asked, min(len(self.asked), self.rng.choice([0, 0, 2])))
        self.compare(lambda store: store.lease_review(ROLLOUT, by, kinds, now, at(self.minutes + 15), skip=skip))

    def _any(self, wanted: Any) -> Review | None:
        found = [review for name in self.asked if (review := self.stores[1].review(ROLLOUT, name)) and wanted(review)]
        return self.rng.choice(found) if found else None

    def _write(self, review: Review) -> None:
        with self.writing():
            for log in self.logs:
                log.update_review(review)
        self.compare(lambda store: store.review(ROLLOUT, review.id))

    def decide(self) -> None:
        review = self._any(lambda one: one.lease_by is not None and one.held is None and one.done_at is None)
        if review is not None:
            self._write(replace(review, held=made_decision(review.lease_by or "", self.minutes)))

    def undo(self) -> None:
        review = self._any(lambda one: one.held is not None and one.done_at is None)
        if review is not None:
            self._write(replace(review, held=None, not_by=self.rng.choice([(), ("di",), review.not_by])))

    def finish(self) -> None:
        by = self.rng.choice([None, *PEOPLE])
        with self.writing():
            held = [list(log.held(until=at(self.minutes - 5), by=by)) for log in self.logs]
            assert held[0] == held[1]
            for log in self.logs:
                for review in held[0]:
                    log.update_review(replace(review, done_at=at(self.minutes)))

    def drop(self) -> None:
        case_id = f"{self.rng.randrange(30):032x}"
        with self.writing():
            left = [list(log.reviews_of(case_id)) for log in self.logs]
            assert left[0] == left[1]
            for log in self.logs:
                log.drop_reviews(case_id)


@pytest.mark.parametrize("walked", [1, 3, 50])
def test_the_queue_of_a_database_does_what_that_in_memory_does(
    store: SqlStore, walked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_WALKED", walked)
    stores: list[RolloutStore] = [store, memory_store()]
    for one in stores:
        one.open_rollout(made_rollout())
    twins = Twins(stores, walked)
    for _ in range(150):
        twins.step()
    counts = store.queue_counts(ROLLOUT, at(twins.minutes))
    assert sum(kind["open"] for kind in counts.values()) > 0


@pytest.fixture
def plans(tmp_path: Path) -> Iterator[tuple[SqlStore, list[tuple[str, Any]]]]:
    """A store in SQLite, and the statements that it is asked from now on."""
    store = open_store(tmp_path / "store.sqlite")
    asked: list[tuple[str, Any]] = []
    event.listen(store._engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    yield store, asked
    store.close()


def test_every_operation_goes_straight_to_its_place_in_an_index(plans: tuple[SqlStore, list[tuple[str, Any]]]) -> None:
    store, asked = plans
    store.open_rollout(made_rollout())
    with store.rollout_log(ROLLOUT) as log:
        log.add_reviews([made_review(number, not_by=("ada",)) for number in range(60)])
        log.add_reviews([made_review(number) for number in range(60, 70)])
    asked.clear()
    for number, by in enumerate(("ada", "ben"), 100):
        review = store.lease_review(ROLLOUT, by, KINDS, at(0), at(15))
        assert review is not None
        with store.rollout_log(ROLLOUT) as log:
            assert log.case_of_key(by) is None
            log.add_case(made_case(number, key=by), [made_input(number)])
            log.append(at(0), made_body(), review.case_id)
            log.since(0, 10)
            log.held(by=by)
            log.held(until=at(1))
            log.reviews_of(review.case_id)
            log.update_review(replace(review, held=made_decision(by)))
            log.settle_case(made_case(number).id, "crack", "blind", at(0))
            log.drop_reviews("none")
    store.queue_counts(ROLLOUT, at(100))
    store.queue_counts(ROLLOUT, at(100), "ada")
    store.done_since(ROLLOUT, "ada", at(0))
    store.settled(ROLLOUT, [made_case(100).id])
    store.lines_of(ROLLOUT, "none")
    statements = {
        statement: values for statement, values in asked if not statement.startswith(("INSERT", "PRAGMA", "BEGIN"))
    }
    assert len(statements) > 15
    with store._reading() as connection:
        for statement, values in statements.items():
            plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            walks = [
                step
                for step in plan
                if step.startswith("SCAN")
                and not any(mark in step for mark in ("CONSTANT ROW", "(subquery", "SCAN anon_"))
            ]
            assert walks == [], f"{statement}: {plan}"
