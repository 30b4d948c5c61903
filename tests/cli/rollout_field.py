"""A small field for tests of the commands: cases come into a store, and people who agree with the model decide them."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime

from drivetrain.core.case import Case, ModelAnswer
from drivetrain.core.identifiers import new_id
from drivetrain.rollout.live import Live
from drivetrain.store.sql_store import open_store

POLICY = """\
name = "line-3"
model = "farben"

[cases]
undo_seconds = 0

[parallel]
min_cases = 20
min_days = 0
margin = 0.4
max_out_of_domain = 0.5
max_latency_ms = 1e9
audit = 0.2

[supervised]
min_cases = 5
min_days = 0
"""
"""A policy whose parallel stage some dozens of cases pass."""

LABELS = ("blau", "grün", "rot")
PEOPLE = ("anna", "bela", "cora", "dino")

_NUMBERS = itertools.count()


def live(store: str, rollout: str = "line-3") -> Live:
    """The rollout, as a server has it."""
    opened = open_store(store)
    row = opened.rollout(rollout)
    assert row is not None
    return Live(opened, row.id, lambda: datetime.now(UTC), new_id)


def work(store: str, cases: int, wrong: bool = False) -> None:
    """Let so many cases come, and do every review that is asked for; ``wrong``: the model errs each time."""
    running = live(store)
    for _ in range(cases):
        number = next(_NUMBERS)
        truth, other = LABELS[number % 3], LABELS[(number + 1) % 3]
        label = other if wrong else truth
        key = f"case {number}"
        case = Case(
            new_id(), key, datetime.now(UTC), (hashlib.sha256(key.encode()).hexdigest(),), metadata={"t": truth}
        )
        running.arrive(case, ModelAnswer(label, 0.97, other, True, True, 0.01, "f4f315e1b8b3121f"))
    while any(_review(running, person) for person in PEOPLE):
        pass


def _review(running: Live, person: str) -> bool:
    shown = running.next_review(person)
    if shown is None:
        return False
    running.decide(shown.review_id, person, str(shown.case.metadata["t"]), 3.0)
    running.flush(datetime.now(UTC))
    return True
