"""Succession: a candidate takes the place of its champion, and the cases sent to the champion's name from then on are its own.

Nothing is kept of it but the logs: the end of the champion's names its successor, and whoever asks for a name that has ended is
led to the rollout that holds it now.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..core.errors import UsageError
from ..core.rollout_port import RolloutStore
from ..core.rollout_records import RolloutRow
from .event_json import of_body
from .events import Event, Turn, Turned
from .stage import Stage

SUCCESSOR = "successor"
"""The key, in the evidence of a champion's end, of the id of the rollout that took its place."""

PREDECESSOR = "predecessor"
"""The key, in the evidence of a candidate's advance, of the id of the rollout whose place it took."""

_AT_ONCE = 1_000


def events_of(store: RolloutStore, rollout_id: str, after: int = 0) -> Iterator[Event]:
    """Yield the events of a log behind a line, in their order.

    Raises:
        LogError: a line is no event.
    """
    while lines := store.lines(rollout_id, after, _AT_ONCE):
        for line in lines:
            yield of_body(line.body)
        after = lines[-1].number


def end_of(store: RolloutStore, row: RolloutRow) -> Turned | None:
    """Return the turn that ended a rollout; None where it has not ended."""
    if row.stage != Stage.ENDED:
        return None
    before = row.head
    while before > 0:
        after = max(before - _AT_ONCE, 0)
        for line in reversed(store.lines(row.id, after, before - after)):
            event = of_body(line.body)
            if isinstance(event, Turned) and event.turn is Turn.ENDED:
                return event
        before = after
    return None


def successor_of(store: RolloutStore, row: RolloutRow) -> RolloutRow | None:
    """Return the rollout that took the place of one; None where none has."""
    end = end_of(store, row)
    name = None if end is None else end.evidence.get(SUCCESSOR)
    return store.rollout(name) if isinstance(name, str) else None


def holder_of(store: RolloutStore, name_or_id: str) -> RolloutRow | None:
    """Return the rollout that cases of a name go to: the one of that name, or whichever took its place since.

    A rollout that ended without a successor is returned itself; None where there is none of the name.
    """
    row, seen = store.rollout(name_or_id), set[str]()
    while row is not None and row.id not in seen:
        seen.add(row.id)
        after = successor_of(store, row)
        if after is None:
            return row
        row = after
    return row


def predecessors_of(store: RolloutStore, row: RolloutRow) -> Iterator[RolloutRow]:
    """Yield the rollouts whose places were taken one after the other, up to this one, the latest first."""
    seen = {row.id}
    while row.shadow_of is not None and row.shadow_of not in seen:
        before = store.rollout(row.shadow_of)
        if before is None:
            return
        end = end_of(store, before)
        if end is None or end.evidence.get(SUCCESSOR) != row.id:
            return
        seen.add(before.id)
        yield before
        row = before


def champion_of(store: RolloutStore, row: RolloutRow) -> RolloutRow | None:
    """Return the rollout that a candidate reads along; None where it is by itself, or the other has ended."""
    champion = None if row.shadow_of is None else store.rollout(row.shadow_of)
    return None if champion is None or champion.stage == Stage.ENDED else champion


def check_by_itself(store: RolloutStore, row: RolloutRow) -> None:
    """Check that a rollout is no candidate that still reads its champion's cases along.

    Raises:
        UsageError: it is one.
    """
    champion = champion_of(store, row)
    if champion is not None:
        raise UsageError(
            f"{row.name} is a candidate beside {champion.name}, whose cases and decisions it reads along; send cases to "
            f"{champion.name}, and give it that one's place with drivetrain rollout promote {row.name}"
        )


def shadows_of(store: RolloutStore, row: RolloutRow) -> tuple[RolloutRow, ...]:
    """Return the candidates that run beside a rollout, or ran."""
    return tuple(one for one in store.rollouts() if one.shadow_of == row.id)
