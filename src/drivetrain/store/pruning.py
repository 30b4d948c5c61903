"""Pruning of old inputs and old records, a few at a time, so that nobody waits for long."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, literal, select, tuple_

from . import case_input_table, feed, truth_table
from .case_input_table import IS_NEEDED
from .moment import DAY_US, from_us
from .rows import COLUMNS, label_rows
from .tables import INPUTS, LABELS, PREDICTIONS, TIME, TRUTHS

_RECORDS_AT_ONCE = 500
_INPUTS_AT_ONCE = 50
_PAGES_AT_ONCE = 2000

Writing = Callable[[], AbstractContextManager[Connection]]
"""A transaction that may write."""


@dataclass(frozen=True)
class Pruned:
    """The inputs and records that were or would be deleted; the first and the last moment they were sent or made."""

    records: int
    inputs: int
    input_bytes: int
    oldest: datetime | None = None
    newest: datetime | None = None
    truths: int = 0
    """The right answers told to the records, which go with them."""


@dataclass(frozen=True)
class Oldest:
    """The moments before which inputs and records are too old, in microseconds; None: none are."""

    inputs_us: int | None
    records_us: int | None

    @property
    def input_limit_us(self) -> int | None:
        """The moment before which inputs last used are deleted: a day after their last record's, as their use is noted once a
        day."""
        limits = [self.inputs_us, None if self.records_us is None else self.records_us - DAY_US]
        return max((limit for limit in limits if limit is not None), default=None)


def count(connection: Connection, oldest: Oldest) -> Pruned:
    """Count what would be deleted."""
    records, inputs, size, truths = 0, 0, 0, 0
    moments: list[int | None] = []
    if oldest.records_us is not None:
        ends = select(func.count(), func.min(TIME), func.max(TIME)).select_from(PREDICTIONS)
        records, *found = connection.execute(ends.where(oldest.records_us > TIME)).one()
        moments += found
        told = select(func.count()).select_from(TRUTHS.join(PREDICTIONS, PREDICTIONS.c.id == TRUTHS.c.prediction_id))
        truths = connection.execute(told.where(oldest.records_us > TIME)).scalar_one()
    if oldest.input_limit_us is not None:
        at = INPUTS.c.kept_at
        query = select(func.count(), func.coalesce(func.sum(INPUTS.c.size), 0), func.min(at), func.max(at))
        inputs, size, *found = connection.execute(query.where(at < oldest.input_limit_us, ~IS_NEEDED)).one()
        moments += found
    return Pruned(records, inputs, int(size), *_ends(moments), truths)


def _ends(moments: Iterable[int | None]) -> tuple[datetime | None, datetime | None]:
    found = [at_us for at_us in moments if at_us is not None]
    return (from_us(min(found)), from_us(max(found))) if found else (None, None)


def prune(writing: Writing, oldest: Oldest) -> Pruned:
    """Delete in bunches, each in a transaction of its own."""
    inputs, records, size, truths = 0, 0, 0, 0
    moments: list[int | None] = []
    if oldest.input_limit_us is not None:
        for bunch, of_bytes, *found in _prune_inputs(writing, oldest.input_limit_us):
            inputs, size = inputs + bunch, size + of_bytes
            moments += found
    if oldest.records_us is not None:
        for bunch, told, *found in _prune_records(writing, oldest.records_us):
            records, truths = records + bunch, truths + told
            moments += found
        _trim_feed(writing)
    return Pruned(records, inputs, size, *_ends(moments), truths)


def _prune_inputs(writing: Writing, limit_us: int) -> Iterator[tuple[int, int, int | None, int | None]]:
    """Delete inputs, and yield each bunch's number, bytes, and first and last moment they were sent."""
    place = tuple_(INPUTS.c.kept_at, INPUTS.c.sha256)
    query = select(INPUTS.c.sha256, INPUTS.c.kept_at).where(INPUTS.c.kept_at < limit_us, ~IS_NEEDED)
    query = query.order_by(INPUTS.c.kept_at, INPUTS.c.sha256).limit(_INPUTS_AT_ONCE)
    some = query
    while True:
        with writing() as connection:
            found = connection.execute(some).all()
            deleted = _delete_inputs(connection, [row.sha256 for row in found])
        yield deleted
        if len(found) < _INPUTS_AT_ONCE:
            return
        # Inputs that are needed are passed by once, and not again for each bunch.
        some = query.where(place > tuple_(literal(found[-1].kept_at), literal(found[-1].sha256)))


def _delete_inputs(connection: Connection, sha256s: Sequence[str]) -> tuple[int, int, int | None, int | None]:
    """Delete inputs but those that a case needs; returns number, bytes, and first and last moment they were sent."""
    # Locked inputs are those of a case that comes in just now. Who gets the lock knows, from then on, of all cases there are.
    lock = select(INPUTS.c.sha256).where(INPUTS.c.sha256.in_(sha256s)).with_for_update(skip_locked=True)
    free = list(connection.execute(lock).scalars())
    query = select(INPUTS.c.sha256, INPUTS.c.size, INPUTS.c.kept_at).where(INPUTS.c.sha256.in_(free), ~IS_NEEDED)
    rows = connection.execute(query).all()
    connection.execute(delete(INPUTS).where(INPUTS.c.sha256.in_([row.sha256 for row in rows])))
    at = [row.kept_at for row in rows]
    return len(rows), sum(row.size for row in rows), min(at, default=None), max(at, default=None)


def forget_case_inputs(writing: Writing) -> Pruned:
    """Delete, in bunches, the inputs that were written for cases alone, where all of those are done."""
    inputs, size = 0, 0
    moments: list[int | None] = []
    while True:
        with writing() as connection:
            left = case_input_table.left(connection, _INPUTS_AT_ONCE)
            bunch, of_bytes, *found = _delete_inputs(connection, left)
            settled = case_input_table.forget(connection, left)
        inputs, size = inputs + bunch, size + of_bytes
        moments += found
        if len(left) < _INPUTS_AT_ONCE or not settled:
            return Pruned(0, inputs, size, *_ends(moments))


def _prune_records(writing: Writing, limit_us: int) -> Iterator[tuple[int, int, int | None, int | None]]:
    """Delete records with their truths, and yield each bunch's numbers of both, and first and last moment."""
    columns = [PREDICTIONS.c[name] for name in COLUMNS]
    query = select(*columns).where(limit_us > TIME).order_by(TIME, PREDICTIONS.c.id).limit(_RECORDS_AT_ONCE)
    while True:
        with writing() as connection:
            found = connection.execute(query).all()
            labels = [label for row in found for label in label_rows(tuple(row))]
            key = tuple_(LABELS.c.label, LABELS.c.at, LABELS.c.id)
            for start in range(0, len(labels), _RECORDS_AT_ONCE):
                connection.execute(delete(LABELS).where(key.in_(labels[start : start + _RECORDS_AT_ONCE])))
            ids = [row.id for row in found]
            connection.execute(delete(PREDICTIONS).where(PREDICTIONS.c.id.in_(ids)))
            told = truth_table.forget(connection, ids)
        at = [row.at for row in found]
        yield len(found), told, min(at, default=None), max(at, default=None)
        if len(found) < _RECORDS_AT_ONCE:
            return


def _trim_feed(writing: Writing) -> None:
    more = True
    while more:
        with writing() as connection:
            more = feed.trim(connection)


def give_back(connection: Connection) -> bool:
    """Give some room of SQLite's file back to the disk; returns whether there is more. PostgreSQL sees to that by itself."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        return False
    before = _free_pages(driver)
    # The pragma frees one page for each row that is fetched; SQLAlchemy would fetch none, as the statement announces none.
    driver.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
    return 0 < _free_pages(driver) < before


def _free_pages(driver: sqlite3.Connection) -> int:
    (count,) = driver.execute("PRAGMA freelist_count").fetchone()
    return int(count)
