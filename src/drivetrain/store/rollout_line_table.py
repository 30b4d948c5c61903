"""The store's table of lines: the logs of rollouts, added to and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from ..core.rollout_records import LogLine
from .indexed import indexed
from .moment import from_us, to_us
from .tables import ROLLOUT_LINES, ROLLOUTS

_L = ROLLOUT_LINES.c
_READ = (
    select(ROLLOUT_LINES)
    .where(_L.rollout_id == bindparam("rollout"), _L.number > bindparam("after"))
    .order_by(_L.number)
    .limit(bindparam("most"))
)


def add(connection: Connection, rollout_id: str, lines: Sequence[LogLine]) -> None:
    """Write lines."""
    rows = [
        {
            "rollout_id": rollout_id,
            "number": line.number,
            "at": to_us(line.at),
            "case_id": line.case_id,
            "before": line.before,
            "hash": line.hash,
            "body": line.body,
        }
        for line in lines
    ]
    if rows:
        connection.execute(ROLLOUT_LINES.insert(), rows)


def read(connection: Connection, rollout_id: str, after: int, limit: int) -> tuple[LogLine, ...]:
    """Read lines behind a number, oldest first."""
    asked = {"rollout": indexed(rollout_id), "after": after, "most": limit}
    return tuple(map(_line, connection.execute(_READ, asked)))


def of_case(connection: Connection, rollout_id: str, case_id: str) -> tuple[LogLine, ...]:
    """Read the lines about a case, oldest first."""
    query = select(ROLLOUT_LINES).where(_L.rollout_id == indexed(rollout_id), _L.case_id == indexed(case_id))
    return tuple(map(_line, connection.execute(query.order_by(_L.number))))


def ends(connection: Connection, rollout_id: str) -> tuple[int, str, int] | None:
    """Return number and hash of the last line that the rollout knows of, and the number of the last that is there."""
    last = select(func.coalesce(func.max(_L.number), 0)).where(_L.rollout_id == ROLLOUTS.c.id).scalar_subquery()
    query = select(ROLLOUTS.c.head, ROLLOUTS.c.head_hash, last).where(ROLLOUTS.c.id == indexed(rollout_id))
    row = connection.execute(query).first()
    return None if row is None else (row[0], row[1], row[2])


def _line(row: Row[Any]) -> LogLine:
    return LogLine(row.number, from_us(row.at), row.case_id, row.body, row.before, row.hash)
