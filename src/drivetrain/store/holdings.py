"""The holdings of a store, told within a tenth of a second whatever its size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, Table, func, literal_column, select, text

from .moment import from_us
from .schema import CURRENT
from .tables import CASES, INPUTS, KEYS, PREDICTIONS, REVIEWS, ROLLOUT_LINES, ROLLOUTS, TIME, TRUTHS, WAITS

COUNTED = 100_000
"""The most rows that are counted; of more, the database's own estimate is told."""

_COUNTED = {
    "records": PREDICTIONS,
    "inputs": INPUTS,
    "truths": TRUTHS,
    "rollouts": ROLLOUTS,
    "log_lines": ROLLOUT_LINES,
    "cases": CASES,
}


@dataclass(frozen=True)
class StoreInfo:
    """The holdings of a store; ``bytes`` is all that the database takes on its disk."""

    store: str
    kind: str
    schema: str
    records: int
    inputs: int
    exact: bool
    """False where one of the numbers is an estimate, as there are too many to be counted."""
    keys: int
    bytes: int
    oldest: datetime | None
    newest: datetime | None
    truths: int = 0
    """The right answers that people told."""
    rollouts: int = 0
    """Rollouts, those that have ended too."""
    log_lines: int = 0
    """The lines of all their logs."""
    cases: int = 0
    open_reviews: int = 0
    """The reviews that nobody has decided yet."""


def holdings(connection: Connection, shown: str) -> StoreInfo:
    """Look up all that a `StoreInfo` tells."""
    postgres = connection.dialect.name == "postgresql"
    ends = [
        connection.execute(select(TIME).select_from(PREDICTIONS).order_by(*order).limit(1)).scalar()
        for order in ((TIME, PREDICTIONS.c.id), (TIME.desc(), PREDICTIONS.c.id.desc()))
    ]
    counted = {name: _count(connection, table) for name, table in _COUNTED.items()}
    waiting, all_waiting = _first(connection, select(REVIEWS.c.id).where(WAITS))
    oldest, newest = (None if at_us is None else from_us(at_us) for at_us in ends)
    return StoreInfo(
        store=shown,
        kind="PostgreSQL" if postgres else "SQLite",
        schema=CURRENT,
        **{name: number for name, (number, _) in counted.items()},
        exact=all_waiting and all(exact for _, exact in counted.values()),
        keys=connection.execute(select(func.count()).select_from(KEYS)).scalar_one(),
        bytes=_size(connection),
        oldest=oldest,
        newest=newest,
        open_reviews=waiting,
    )


def _size(connection: Connection) -> int:
    """Return the bytes that the database takes."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    pragmas = ("page_count", "page_size")
    pages, of_bytes = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in pragmas)
    return int(pages * of_bytes)


def _first(connection: Connection, rows: Select[Any]) -> tuple[int, bool]:
    """Count rows, at most `COUNTED` of them; returns whether these are all."""
    some = rows.limit(COUNTED + 1).subquery()
    counted = connection.execute(select(func.count()).select_from(some)).scalar_one()
    return min(counted, COUNTED), counted <= COUNTED


def _count(connection: Connection, table: Table) -> tuple[int, bool]:
    """Return the number of rows of a table, and whether they were counted."""
    counted, exact = _first(connection, select(table.primary_key.columns[0]))
    if exact:
        return counted, True
    if connection.dialect.name == "postgresql":
        query = text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)")
        reckoned = connection.execute(query, {"name": table.name}).scalar_one()
    else:
        # The estimate is the span of row numbers: rows are numbered as they come, and mostly the oldest are deleted.
        rowid = literal_column("rowid", BigInteger)
        first: int = connection.execute(select(func.min(rowid)).select_from(table)).scalar_one()
        last: int = connection.execute(select(func.max(rowid)).select_from(table)).scalar_one()
        reckoned = last - first + 1
    return max(int(reckoned), counted), False
