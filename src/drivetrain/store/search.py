"""The search through the records, from the newest back, a bounded stretch at a time.

A question about one thing (a site, a label, nothing at all) walks along the index of just that. A question about several has
no index of its own, and one that hardly any record answers would read them all. So each call looks at no more than `WINDOW`
records: it measures how far back that many entries reach in the index of each thing asked for, a matter of the index
alone; walks along the one that reaches furthest, which is the rarest; and tells how far it got where the page is not full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, literal, or_, select, text, tuple_

from ..core.errors import UsageError
from ..core.records import RecordFilter, RecordPage
from .cursor import Position, parse_cursor, to_cursor
from .indexed import indexed
from .moment import from_us, to_us
from .rows import COLUMNS, needle, to_record
from .tables import LABELS, PREDICTIONS, TIME

WINDOW = 3000
"""The most records that one call looks at; `benchmarks/store.py` shows what they cost."""
MAX_LIMIT = 1000

_P = PREDICTIONS.c
_SHOWN = [_P[name] for name in COLUMNS]
_AT, _ID = COLUMNS.index("at"), COLUMNS.index("id")


@dataclass(frozen=True)
class _Condition:
    """One condition of a search: an index to walk along, and a test for rows that were found by another index."""

    at: ColumnElement[int]
    id: ColumnElement[str]
    met: ColumnElement[bool] | None
    test: ColumnElement[bool] | None

    def between(self, upper: Position | None, lower: Position | None) -> list[ColumnElement[bool]]:
        """Return the clauses for this condition below ``upper`` (not included) and from ``lower`` on (included)."""
        place = tuple_(self.at, self.id)
        found = [] if self.met is None else [self.met]
        if upper is not None:
            if self.met is None:
                # SQLite finds its place in an index over an expression only by a plain comparison.
                found.append(self.at <= upper.at_us)
            found.append(place < tuple_(*map(literal, upper)))
        if lower is not None:
            found.append(place >= tuple_(*map(literal, lower)))
        return found

    def newest_first(self) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        return self.at.desc(), self.id.desc()


_ANY = _Condition(TIME, _P.id, None, None)


def find(connection: Connection, wanted: RecordFilter, limit: int, cursor: str | None) -> RecordPage:
    """Find a page of records; see `RecordPage`.

    Raises:
        UsageError: a limit or a cursor that is none.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise UsageError(f"{limit} records a page are not to be had; ask for 1 to {MAX_LIMIT}")
    upper = None if cursor is None else parse_cursor(cursor)
    if wanted.until is not None:
        until = Position(to_us(wanted.until), "")
        upper = until if upper is None else min(upper, until)
    lower = None if wanted.since is None else Position(to_us(wanted.since), "")
    conditions = _conditions(connection, wanted)
    _keep_to_indexes(connection)
    if len(conditions) <= 1:
        rows = _rows(connection, conditions[0] if conditions else _ANY, (), upper, lower, limit + 1)
        return _page(rows, limit, None)
    driver, end = _rarest(connection, conditions, upper, lower)
    others = [condition for condition in conditions if condition is not driver]
    rows = _rows(connection, driver, others, upper, end or lower, limit + 1)
    return _page(rows, limit, end)


def _conditions(connection: Connection, wanted: RecordFilter) -> list[_Condition]:
    equal = (
        (_P.request_id, wanted.request_id),
        (_P.input_sha256, wanted.input_sha256),
        (_P.camera, wanted.camera),
        (_P.group_name, wanted.group),
        (_P.site, wanted.site),
        (_P.bundle_id, wanted.bundle_id),
        (_P.model, wanted.model),
        (_P.verdict, None if wanted.verdict is None else wanted.verdict.value),
    )
    found = []
    for column, value in equal:
        if value is not None:
            kept = indexed(value)
            # The database sees no index inside coalesce, so the walk stays on the index that was chosen.
            found.append(_Condition(_P.at, _P.id, column == kept, func.coalesce(column, "") == kept))
    if wanted.label is not None:
        kept = indexed(wanted.label)
        position = func.strpos if connection.dialect.name == "postgresql" else func.instr
        among = position(func.coalesce(_P.labels, ""), needle(wanted.label)) > 0
        test = or_(func.coalesce(_P.label, "") == kept, among)
        found.append(_Condition(LABELS.c.at, LABELS.c.id, LABELS.c.label == kept, test))
    return found


def _keep_to_indexes(connection: Connection) -> None:
    """Tell PostgreSQL to use the indexes in this transaction, whatever its statistics say."""
    if connection.dialect.name == "postgresql":
        ways = ("seqscan", "bitmapscan", "hashjoin", "mergejoin")
        off = ", ".join(f"set_config('enable_{way}', 'off', true)" for way in ways)
        connection.execute(text(f"SELECT {off}, set_config('jit', 'off', true)"))


def _rarest(
    connection: Connection, conditions: Sequence[_Condition], upper: Position | None, lower: Position | None
) -> tuple[_Condition, Position | None]:
    """Find the condition whose next `WINDOW` entries reach furthest back, and to where; None where they reach the end."""
    rarest, furthest = conditions[0], None
    for condition in conditions:
        query = (
            select(condition.at, condition.id)
            .where(*condition.between(upper, lower))
            .order_by(*condition.newest_first())
            .offset(WINDOW - 1)
            .limit(1)
        )
        row = connection.execute(query).first()
        if row is None:
            return condition, None
        reached = Position(*row)
        if furthest is None or reached < furthest:
            rarest, furthest = condition, reached
    return rarest, furthest


def _rows(
    connection: Connection,
    driver: _Condition,
    others: Sequence[_Condition],
    upper: Position | None,
    lower: Position | None,
    limit: int,
) -> Sequence[Row[Any]]:
    query: Select[Any] = select(*_SHOWN)
    if driver.at is LABELS.c.at:
        query = query.select_from(LABELS.join(PREDICTIONS, and_(_P.id == LABELS.c.id)))
    tests = [condition.test for condition in others if condition.test is not None]
    query = query.where(*driver.between(upper, lower), *tests).order_by(*driver.newest_first()).limit(limit)
    return connection.execute(query).all()


def _page(rows: Sequence[Row[Any]], limit: int, end: Position | None) -> RecordPage:
    """Make a page; ``end`` is the last place that was looked at, where there may be more behind it."""
    records = tuple(to_record(row) for row in rows[:limit])
    if len(rows) > limit:
        end = Position(rows[limit - 1][_AT], rows[limit - 1][_ID])
    if end is None:
        return RecordPage(records, None)
    return RecordPage(records, to_cursor(end), from_us(end.at_us))
