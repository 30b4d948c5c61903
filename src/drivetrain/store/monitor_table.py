"""The store's tables of monitors and of their alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, literal, select, tuple_

from ..core.records import Alarm, MonitorState, NoticeEvent
from . import notice_table
from .alarm_text import of_text, to_text
from .feed_entry import enter_mark
from .indexed import indexed
from .moment import from_us, to_us
from .new_row import add_new
from .tables import ALARMS, MONITORS

_M, _A = MONITORS.c, ALARMS.c


def state(connection: Connection, model: str, bundle_id: str) -> MonitorState | None:
    """Return the state of a bundle's monitor."""
    query = select(MONITORS).where(_M.model == indexed(model), _M.bundle_id == indexed(bundle_id))
    row = connection.execute(query).first()
    return None if row is None else MonitorState(model, bundle_id, row.position, row.state, from_us(row.at))


def advance(
    connection: Connection, before: int | None, state: MonitorState, alarms: Sequence[Alarm], notify: bool
) -> bool:
    """Keep a state and what was raised on the way to it; see `MonitorStore.advance_monitor`."""
    key = {"model": indexed(state.model), "bundle_id": indexed(state.bundle_id)}
    values = {"position": state.position, "at": to_us(state.at), "state": state.state}
    if before is None:
        done = add_new(connection, MONITORS, {**key, **values})
    else:
        here = (_M.model == key["model"], _M.bundle_id == key["bundle_id"], _M.position == before)
        done = connection.execute(MONITORS.update().where(*here).values(values)).rowcount == 1
    if not done:
        return False
    for alarm in alarms:
        if add_new(connection, ALARMS, _row(alarm)) and notify:
            # An alarm is dated by its pictures, and a camera's clock may be ahead: nobody must wait for that.
            notice_table.add(connection, NoticeEvent.RAISED, alarm, alarm.raised, min(alarm.raised, state.at))
    return True


def alarm(connection: Connection, alarm_id: str) -> Alarm | None:
    """Return the alarm of that id."""
    row = connection.execute(select(ALARMS).where(_A.id == indexed(alarm_id))).first()
    return None if row is None else _alarm(row)


def alarms(
    connection: Connection, standing: bool | None, model: str | None, limit: int, before: Alarm | None = None
) -> tuple[Alarm, ...]:
    """Return alarms from the newest back, behind the one ``before`` them."""
    query = select(ALARMS).order_by(_A.raised.desc(), _A.id.desc()).limit(limit)
    if standing is not None:
        query = query.where(_A.cleared.is_(None) if standing else _A.cleared.is_not(None))
    if model is not None:
        query = query.where(_A.model == indexed(model))
    if before is not None:
        query = query.where(
            tuple_(_A.raised, _A.id) < tuple_(literal(to_us(before.raised)), literal(indexed(before.id)))
        )
    return tuple(map(_alarm, connection.execute(query)))


def clear(connection: Connection, alarm_id: str, at: datetime, by: str, reason: str, notify: bool) -> Alarm | None:
    """Clear an alarm that stands; returns it as it is then, None where there is none."""
    query = select(ALARMS).where(_A.id == indexed(alarm_id)).with_for_update()
    row = connection.execute(query).first()
    if row is None or row.cleared is not None:
        return None if row is None else _alarm(row)
    position = enter_mark(connection)
    moment = from_us(to_us(at))
    cleared = replace(_alarm(row), cleared=moment, cleared_by=by, reason=reason, cleared_position=position)
    connection.execute(ALARMS.update().where(_A.id == row.id).values(cleared=to_us(at), alarm=to_text(cleared)))
    if notify:
        notice_table.add(connection, NoticeEvent.CLEARED, cleared, at, at)
    return cleared


def _row(alarm: Alarm) -> dict[str, Any]:
    return {
        "id": indexed(alarm.id),
        "model": indexed(alarm.model),
        "raised": to_us(alarm.raised),
        "cleared": None if alarm.cleared is None else to_us(alarm.cleared),
        "alarm": to_text(alarm),
    }


def _alarm(row: Row[Any]) -> Alarm:
    return of_text(row.alarm)
