"""The holdings of a store, told within a tenth of a second whatever its size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Connection, Table, func, literal_column, select, text

from .moment import from_us
from .schema import CURRENT
from .tables import INPUTS, KEYS, PREDICTIONS, TIME, TRUTHS

COUNTED = 100_000
"""The most rows that are counted; of more, the database's own estimate is told."""


@dataclass(frozen=True)
class StoreInfo:
    """The holdings of a store; ``bytes`` is all that the database takes on its disk."""

    store: str
    kind: str
    schema: str
    records: int
    inputs: int
    exact: bool
    """False where records, inputs or truths are too many to be counted, and their numbers are estimates."""
    keys: int
    bytes: int
    oldest: datetime | None
    newest: datetime | None
    truths: int = 0
    """The right answers that people told."""


def holdings(connection: Connection, shown: str) -> StoreInfo:
    """Look up all that a `StoreInfo` tells."""
    postgres = connection.dialect.name == "postgresql"
    ends = [
        connection.execute(select(TIME).select_from(PREDICTIONS).order_by(*order).limit(1)).scalar()
        for order in ((TIME, PREDICTIONS.c.id), (TIME.desc(), PREDICTIONS.c.id.desc()))
    ]
    tables = (PREDICTIONS, INPUTS, TRUTHS)
    (records, records_exact), (inputs, inputs_exact), (truths, truths_exact) = (
        _count(connection, table) for table in tables
    )
    if postgres:
        size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    else:
        pages, of_bytes = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size")
        )
        size = pages * of_bytes
    oldest, newest = (None if at_us is None else from_us(at_us) for at_us in ends)
    return StoreInfo(
        store=shown,
        kind="PostgreSQL" if postgres else "SQLite",
        schema=CURRENT,
        records=records,
        inputs=inputs,
        exact=records_exact and inputs_exact and truths_exact,
        keys=connection.execute(select(func.count()).select_from(KEYS)).scalar_one(),
        bytes=size,
        oldest=oldest,
        newest=newest,
        truths=truths,
    )


def _count(connection: Connection, table: Table) -> tuple[int, bool]:
    """Return the number of rows of a table, and whether they were counted."""
    some = select(table.primary_key.columns[0]).limit(COUNTED + 1).subquery()
    counted = connection.execute(select(func.count()).select_from(some)).scalar_one()
    if counted <= COUNTED:
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
