"""The feed: everything stored, in an order that never changes, for readers who go on from where they were.

A group of predictions that is written at once is one row, a truth is another, and a row's number times `feed_entry.MOST` plus
an entry's place in it is the entry's position. A row of neither marks the place where an alarm was cleared. Rows are numbered
before they can be seen. SQLite has one writer at a time, so they appear in their order. In PostgreSQL a later number may be seen
first, and a reader who had gone past the gap would miss what fills it. So whoever writes holds a lock, shared with the other
writers, from before the number is given until it can be seen; a reader takes the lock for itself, for a moment, and then knows
that all the numbers given until then can be seen or never will be. Writers do not wait for each other, and idle stores are not
locked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, delete, func, or_, select, text

from ..core.errors import UsageError
from ..core.records import Fed
from . import record_table, truth_table
from .feed_entry import BITS, LOCK
from .indexed import SEPARATOR
from .tables import FEED, PREDICTIONS, TRUTHS

# Seconds that a reader waits for writers, who wait for him meanwhile, before he gives up: one of them may be frozen.
_PATIENCE_S = 1
_AT_ONCE = 500
_TRIMMED_AT_ONCE = 50


class _Place(NamedTuple):
    position: int
    prediction_id: str | None
    truth_id: str | None


def horizon(connection: Connection, after: int) -> int | None:
    """The number of the last row below which nothing will be entered any more; None where nothing lies behind ``after``.

    Has to be asked in a transaction of its own, before that of `read`, which would else not see what it has waited for.
    """
    newest = select(func.max(FEED.c.number))
    found: int | None = connection.execute(newest).scalar()
    if found is None or found < after >> BITS or (found == after >> BITS and not _places(connection, after, 1, found)):
        return None
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT set_config('lock_timeout', '{_PATIENCE_S}s', true)"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    return connection.execute(newest).scalar()


def read(connection: Connection, after: int, limit: int, last: int) -> tuple[Fed, ...]:
    """Read the entries behind a position, at most ``limit``, of rows up to number ``last``.

    Raises:
        UsageError: ``limit`` is less than 1.
    """
    if limit < 1:
        raise UsageError(f"{limit} entries are not to be had; ask for 1 or more")
    found: list[Fed] = []
    # Pruning leaves places without an entry.
    while len(found) < limit and (places := _places(connection, after, limit - len(found), last)):
        found += _filled(connection, places)
        after = places[-1].position
    return tuple(found)


def trim(connection: Connection) -> bool:
    """Delete the oldest rows as far as nothing is left of what they name; returns whether there may be more."""
    rows = connection.execute(select(FEED).order_by(FEED.c.number).limit(_TRIMMED_AT_ONCE)).all()
    named = {row.number: _ids(row) for row in rows}
    left = _present(connection, PREDICTIONS, [name for names in named.values() for name in names])
    told = _present(connection, TRUTHS, [row.truth for row in rows if row.truth is not None])
    empty = []
    for row in rows:
        if row.truth in told or not left.isdisjoint(named[row.number]):
            break
        empty.append(row.number)
    if empty:
        connection.execute(delete(FEED).where(FEED.c.number <= empty[-1]))
    return len(empty) == _TRIMMED_AT_ONCE


def _ids(row: Row[Any]) -> list[str]:
    return [] if row.predictions is None else row.predictions.split(SEPARATOR)


def _places(connection: Connection, after: int, limit: int, last: int) -> list[_Place]:
    number = FEED.c.number
    is_entry = or_(FEED.c.predictions.is_not(None), FEED.c.truth.is_not(None))
    query = select(FEED).where(number >= after >> BITS, number <= last, is_entry).order_by(number).limit(limit + 1)
    places: list[_Place] = []
    for row in connection.execute(query):
        start = row.number << BITS
        entries = [_Place(start + place, name, None) for place, name in enumerate(_ids(row))]
        if row.truth is not None:
            entries = [_Place(start, None, row.truth)]
        places += [place for place in entries if place.position > after]
        if len(places) >= limit:
            break
    return places[:limit]


def _filled(connection: Connection, places: Sequence[_Place]) -> Iterator[Fed]:
    truths = truth_table.by_id(connection, [place.truth_id for place in places if place.truth_id is not None])
    ids = [place.prediction_id for place in places if place.prediction_id is not None]
    records = record_table.by_id(connection, [*ids, *(truth.prediction_id for truth in truths.values())])
    for place in places:
        truth = None if place.truth_id is None else truths.get(place.truth_id)
        record = records.get(truth.prediction_id if truth else place.prediction_id or "")
        if record is not None:
            yield Fed(place.position, record, truth)


def _present(connection: Connection, table: Table, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for some in _bunches(ids):
        found.update(connection.execute(select(table.c.id).where(table.c.id.in_(some))).scalars())
    return found


def _bunches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]
