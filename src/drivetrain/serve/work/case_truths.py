"""The right answers that people gave to a case, as truths of the prediction that answered it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from ...core.records import Truth
from ...core.told_how import ToldHow
from ...rollout.events import Arrived, Decided, Event, TurnedOut

FIRST: Mapping[ToldHow, int] = {ToldHow.ADJUDICATED: 0, ToldHow.OUTCOME: 1, ToldHow.BLIND: 2, ToldHow.ASSISTED: 3}
"""The order in which they are told, since monitors count the first: who decided between two answers, and what turned out, say
more than one person who decided alone."""


def case_truths(rollout_id: str, rollout: str, lines: Sequence[tuple[int, Event]]) -> tuple[Truth, ...]:
    """Make the truths of a case that is done with, of its lines with their numbers.

    None of a seeded case: what people say of it is a check on them, and not on the model; nor of a case whose answer was not
    stored. A person who could not tell tells nothing.
    """
    arrived = next((event for _, event in lines if isinstance(event, Arrived)), None)
    if arrived is None or arrived.draw.seeded or arrived.answer.prediction_id is None:
        return ()
    note = f"rollout {rollout}, case {arrived.case.key}"
    found = []
    for number, event in lines:
        if not isinstance(event, Decided | TurnedOut) or event.label is None:
            continue
        how = event.how if isinstance(event, Decided) else ToldHow.OUTCOME
        told_id = truth_id(rollout_id, number, event.at)
        found.append(Truth(told_id, arrived.answer.prediction_id, event.at, event.by, how, event.label, note=note))
    return tuple(sorted(found, key=lambda truth: (FIRST[truth.how], truth.id)))


def truth_id(rollout_id: str, number: int, at: datetime) -> str:
    """Name the truth that a line tells, so that each process that tells it tells the same one. The names sort by time.

    >>> from datetime import UTC
    >>> truth_id("a", 7, datetime(2026, 3, 1, tzinfo=UTC))
    '019ca6b1dc00736eae907db0e2729d47'
    """
    random = hashlib.sha256(f"{rollout_id}:{number}".encode()).hexdigest()
    return f"{int(at.timestamp() * 1000):012x}7{random[:3]}{'89ab'[int(random[3], 16) % 4]}{random[4:19]}"
