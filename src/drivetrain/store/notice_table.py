"""The store's table of notices: what is to be told of alarms, until it has arrived."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from ..core.records import Alarm, Notice, NoticeEvent
from .alarm_text import of_text, to_text
from .indexed import indexed
from .moment import from_us, to_us
from .new_row import add_new
from .tables import NOTICES

_AT_ONCE = 500
_N = NOTICES.c


def add(connection: Connection, event: NoticeEvent, alarm: Alarm, at: datetime, due: datetime) -> None:
    """Leave a notice of an event, to be delivered from ``due`` on; one of each kind for an alarm."""
    values = {
        "id": hashlib.sha256(f"{event.value} {indexed(alarm.id)}".encode()).hexdigest()[:32],
        "alarm_id": indexed(alarm.id),
        "event": event.value,
        "at": to_us(at),
        "attempts": 0,
        "next_at": to_us(due),
        "body": to_text(alarm),
    }
    add_new(connection, NOTICES, values)


def due(connection: Connection, now: datetime, limit: int) -> tuple[Notice, ...]:
    """Return notices that are due."""
    return tuple(map(_notice, connection.execute(_due(now, limit))))


def claim(connection: Connection, now: datetime, until: datetime, limit: int) -> tuple[Notice, ...]:
    """Take notices that are due, and put off their next attempt; see `MonitorStore.claim_notices`."""
    found = connection.execute(_due(now, limit).with_for_update(skip_locked=True)).all()
    ids = [row.id for row in found]
    if not ids:
        return ()
    connection.execute(NOTICES.update().where(_N.id.in_(ids)).values(attempts=_N.attempts + 1, next_at=to_us(until)))
    return tuple(map(_notice, connection.execute(select(NOTICES).where(_N.id.in_(ids)).order_by(_N.at, _N.id))))


def settle(connection: Connection, notice: Notice, at: datetime, error: str | None, again_at: datetime | None) -> bool:
    """Write down how an attempt went; see `MonitorStore.settle_notice`."""
    values = {
        "delivered_at": to_us(at) if error is None else None,
        "next_at": None if error is None or again_at is None else to_us(again_at),
        "last_error": error,
    }
    still = (_N.id == notice.id, _N.attempts == notice.attempts, _N.next_at.is_not(None))
    return connection.execute(NOTICES.update().where(*still).values(values)).rowcount == 1


def of_alarms(connection: Connection, alarm_ids: Collection[str]) -> dict[str, tuple[Notice, ...]]:
    """Return the notices of each alarm that has some, oldest first."""
    found: dict[str, tuple[Notice, ...]] = {}
    asked = sorted({indexed(name) for name in alarm_ids})
    for start in range(0, len(asked), _AT_ONCE):
        query = select(NOTICES).where(_N.alarm_id.in_(asked[start : start + _AT_ONCE]))
        for row in connection.execute(query.order_by(_N.alarm_id, _N.at, _N.id)):
            found[row.alarm_id] = (*found.get(row.alarm_id, ()), _notice(row))
    return found


def _due(now: datetime, limit: int) -> Select[Any]:
    return select(NOTICES).where(_N.next_at <= to_us(now)).order_by(_N.next_at, _N.id).limit(limit)


def _notice(row: Row[Any]) -> Notice:
    return Notice(
        id=row.id,
        event=NoticeEvent(row.event),
        alarm=of_text(row.body),
        at=from_us(row.at),
        attempts=row.attempts,
        next_at=None if row.next_at is None else from_us(row.next_at),
        delivered_at=None if row.delivered_at is None else from_us(row.delivered_at),
        last_error=row.last_error,
    )
