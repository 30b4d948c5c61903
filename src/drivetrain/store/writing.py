"""Writing entries: one transaction, few statements, little of the interpreter's time.

This runs beside the decoding of images in the same interpreter, so rows go to the driver as they are: on SQLite in one
``executemany``, on PostgreSQL as one array a column, which costs a fraction of a statement a row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.types import BigInteger, Float, Integer

from ..core.records import Entry
from . import feed_entry
from .indexed import SEPARATOR, indexed
from .moment import DAY_US, to_us
from .rows import label_rows, to_row
from .tables import INPUTS, LABELS, PREDICTIONS

# The date of an input that is sent again is renewed once a day at most, which spares rewriting it each time.
_KEPT_ANEW = (
    f"ON CONFLICT (sha256) DO UPDATE SET kept_at = excluded.kept_at WHERE inputs.kept_at < excluded.kept_at - {DAY_US}"
)


def _names(table: Table) -> str:
    return ", ".join(column.name for column in table.columns)


def _insert_each(table: Table, mark: str, conflict: str = "ON CONFLICT DO NOTHING") -> str:
    marks = ", ".join([mark] * len(table.columns))
    return f"INSERT INTO {table.name} ({_names(table)}) VALUES ({marks}) {conflict}"  # names of our own


def _insert_arrays(table: Table) -> str:
    arrays = ", ".join(f"%s::{_postgres_type(column.type)}[]" for column in table.columns)
    return f"INSERT INTO {table.name} ({_names(table)}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"


def _postgres_type(kind: object) -> str:
    match kind:
        case BigInteger():
            return "bigint"
        case Integer():
            return "integer"
        case Float():
            return "double precision"
    return "text"


def _insert_all() -> str:
    """Write predictions and their labels, and enter the predictions that are new into the feed: one trip to the server.

    The clause of a group is looked at before a number is given, and so the lock is held then, see `feed`.
    """
    return (
        f"WITH named AS ({_insert_arrays(LABELS)}), fresh AS ({_insert_arrays(PREDICTIONS)} RETURNING id) "
        f"INSERT INTO feed (predictions) SELECT string_agg(id, chr({ord(SEPARATOR)})) FROM fresh "
        f"HAVING count(*) > 0 AND pg_advisory_xact_lock_shared({feed_entry.LOCK}) IS NOT NULL"
    )


_SQLITE = {table: _insert_each(table, "?") for table in (PREDICTIONS, LABELS)}
_POSTGRES = _insert_all()
_INPUTS = {"sqlite": _insert_each(INPUTS, "?", _KEPT_ANEW), "postgresql": _insert_each(INPUTS, "%b", _KEPT_ANEW)}

Rows = list[tuple[Any, ...]]


class EntryRows:
    """Entries as rows, made before a connection is taken, so that a writer holds others up for as short as can be."""

    def __init__(self, entries: Sequence[Entry], kept_from_us: int = 0) -> None:
        """Make the rows; inputs are dated ``kept_from_us`` where the clock says less, as it has then jumped back."""
        self.records: Rows = [to_row(entry.record) for entry in entries]
        self.labels: Rows = [label for row in self.records for label in label_rows(row)]
        inputs: dict[str, tuple[Any, ...]] = {}
        for entry in entries:
            kept = entry.input
            if kept is not None:
                sha256, at_us = indexed(kept.sha256), max(to_us(entry.record.at), kept_from_us)
                inputs[sha256] = (sha256, indexed(kept.media_type), len(kept.data), at_us, kept.data)
        # All writers take the rows in the same order, so that none holds what another waits for.
        self.inputs: Rows = sorted(inputs.values())

    def write(self, connection: Connection) -> None:
        """Insert the entries that are not there yet."""
        name = connection.dialect.name
        if self.inputs:
            connection.exec_driver_sql(_INPUTS[name], self.inputs)
        if name == "postgresql":
            labels = list(map(list, zip(*self.labels, strict=True))) or [[] for _ in LABELS.columns]
            for start in range(0, len(self.records), feed_entry.MOST):
                records = zip(*self.records[start : start + feed_entry.MOST], strict=True)
                connection.exec_driver_sql(_POSTGRES, (*labels, *map(list, records)))
                labels = [[] for _ in LABELS.columns]
            return
        # SQLAlchemy takes as long for a statement as SQLite for a row, so these three go past it.
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        written = driver.executemany(_SQLITE[PREDICTIONS], self.records).rowcount
        driver.executemany(_SQLITE[LABELS], self.labels)
        ids = [row[0] for row in self.records] if written == len(self.records) else _newest(driver, written)
        feed_entry.enter_predictions(driver, ids)


def _newest(driver: sqlite3.Connection, count: int) -> list[str]:
    """The ids of the predictions written last: each got the number after the one before."""
    if count == 0:
        return []
    query = "SELECT id FROM (SELECT rowid, id FROM predictions ORDER BY rowid DESC LIMIT ?) ORDER BY rowid"
    return [row[0] for row in driver.execute(query, (count,))]
