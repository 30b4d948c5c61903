"""The right answers that people gave to a case, as truths of the prediction that answered it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from ...core.records import Truth
from ...core.told_how import ToldHow
from ...rollout.events import Arrived, Decided, Event, TurnedOut


def case_truths(rollout_id: str, rollout: str, lines: Sequence[tuple[int, Event]]) -> tuple[Truth, ...]:
    """Make the truths of a case of which nothing more is asked, from its lines with their numbers; they are told as of the last
    decision, and an outcome as of its own moment.

    Where somebody decided between two answers, that alone is told of what people decided: readers take the first truth of a
    prediction, or the last. None of a seeded case: what people say of it is a check on them, and not on the model; nor of a case
    whose answer was not stored. A person who could not tell tells nothing.
    """
    arrived = next((event for _, event in lines if isinstance(event, Arrived)), None)
    if arrived is None or arrived.draw.seeded or arrived.answer.prediction_id is None:
        return ()
    prediction_id, note = arrived.answer.prediction_id, f"rollout {rollout}, case {arrived.case.key}"
    decided = [(number, event) for number, event in lines if isinstance(event, Decided)]
    said = [(number, event) for number, event in decided if event.label is not None]
    said = [one for one in said if one[1].how is ToldHow.ADJUDICATED] or said
    found = []
    for place, (number, event) in enumerate(said):
        at = decided[-1][1].at + timedelta(microseconds=place)
        told_id = truth_id(rollout_id, number, at, place)
        found.append(Truth(told_id, prediction_id, at, event.by, event.how, event.label, note=note))
    for number, outcome in lines:
        if isinstance(outcome, TurnedOut):
            told_id = truth_id(rollout_id, number, outcome.at)
            found.append(
                Truth(told_id, prediction_id, outcome.at, outcome.by, ToldHow.OUTCOME, outcome.label, note=note)
            )
    return tuple(found)


def truth_id(rollout_id: str, number: int, at: datetime, place: int = 0) -> str:
    """Name the truth that a line tells, so that each process that tells it tells the same one. The names sort by time, and
    those of one moment by their places.

    >>> from datetime import UTC
    >>> truth_id("a", 7, datetime(2026, 3, 1, tzinfo=UTC))
    '019ca6b1dc007000b6e6e907db0e2729'
    """
    random = hashlib.sha256(f"{rollout_id}:{number}".encode()).hexdigest()
    return f"{int(at.timestamp() * 1000):012x}7{place:03x}{'89ab'[int(random[0], 16) % 4]}{random[1:16]}"
