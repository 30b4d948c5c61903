"""Entering what is stored into the feed, see `feed`, within the transaction that stores it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from sqlalchemy import Connection, text

from .indexed import SEPARATOR
from .tables import FEED

BITS = 16
MOST = 1 << BITS
"""The most predictions of a row."""
LOCK = 0x66656564
"""The number of the lock in PostgreSQL; it only has to be the same everywhere."""


def enter_predictions(driver: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Give predictions their positions, in SQLite; PostgreSQL's are given by the statement that writes them."""
    rows = [(SEPARATOR.join(ids[start : start + MOST]),) for start in range(0, len(ids), MOST)]
    driver.executemany("INSERT INTO feed (predictions) VALUES (?)", rows)


def enter_truth(connection: Connection, truth_id: str) -> None:
    """Give a truth its position."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock_shared({LOCK})"))
    connection.execute(FEED.insert(), {"truth": truth_id})


def enter_mark(connection: Connection) -> int:
    """Give something that is no entry a position between those of entries, and return it."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock_shared({LOCK})"))
    done = connection.execute(FEED.insert().values(predictions=None, truth=None))
    assert done.inserted_primary_key is not None  # the table numbers its rows
    number: int = done.inserted_primary_key[0]
    return number << BITS
