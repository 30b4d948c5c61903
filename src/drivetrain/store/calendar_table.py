"""The store's trusted time, see `drivetrain.core.calendar`."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, func, select

from ..core.calendar import Calendar
from .moment import DAY_US, from_us, to_us
from .tables import CALENDAR, INPUTS, PREDICTIONS, TIME

_ROW = 1
_MICROSECOND = timedelta(microseconds=1)


def read(connection: Connection) -> Calendar | None:
    """Read the time that was written last; else the newest moment in the store, and None for an empty store."""
    row = connection.execute(select(CALENDAR).where(CALENDAR.c.id == _ROW)).first()
    if row is not None:
        return Calendar(from_us(row.trusted_at), row.ahead * _MICROSECOND, row.held * _MICROSECOND)
    order = (TIME.desc(), PREDICTIONS.c.id.desc())
    newest = [
        connection.execute(select(func.max(INPUTS.c.kept_at))).scalar(),
        connection.execute(select(TIME).select_from(PREDICTIONS).order_by(*order).limit(1)).scalar(),
    ]
    found = [at_us for at_us in newest if at_us is not None]
    return Calendar(from_us(max(found))) if found else None


def write(connection: Connection, calendar: Calendar) -> None:
    """Remember the time. Inputs that a wrong clock has dated into the future are dated back, or they would be kept too long."""
    values = {
        "trusted_at": to_us(calendar.trusted),
        "ahead": calendar.ahead // _MICROSECOND,
        "held": calendar.held // _MICROSECOND,
    }
    if connection.execute(CALENDAR.update().where(CALENDAR.c.id == _ROW).values(values)).rowcount == 0:
        connection.execute(CALENDAR.insert().values(id=_ROW, **values))
    if not calendar.is_doubted:
        now_us = to_us(calendar.trusted)
        connection.execute(INPUTS.update().where(INPUTS.c.kept_at > now_us + DAY_US).values(kept_at=now_us))
