"""Engines of SQLAlchemy, set up for a store."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from ..core.errors import StoreError
from .faults import is_locked, told
from .location import Location

# Seconds that another process may hold a SQLite file before a call gives up.
PATIENCE_S = 10.0
CONNECT_S = 5
_CACHE_KIB = 16_384
_HEADER = b"SQLite format 3\0"

WRITING = {"drivetrain_begin": "BEGIN IMMEDIATE"}
"""Execution options of a connection that is going to write: SQLite then waits for its turn at the start, not midway."""


def make_engine(location: Location, create: bool) -> Engine:
    """Make an engine for the place. A file of SQLite is made where there is none, and only its owner may read it.

    Raises:
        StoreError: nothing there and not to be made, not ours, or psycopg is missing.
    """
    return _postgres(location) if location.path is None else _sqlite(location, location.path, create)


def _sqlite(location: Location, path: Path, create: bool) -> Engine:
    with told(location.shown):
        _prepare_file(path, create)
    engine = create_engine(location.url, pool_size=8, max_overflow=24, pool_timeout=PATIENCE_S)

    @event.listens_for(engine, "connect")
    def _set_up(db: sqlite3.Connection, _record: object) -> None:
        # Transactions are begun below, for reading or for writing; sqlite3 would begin them by rules of its own.
        db.isolation_level = None
        db.execute(f"PRAGMA busy_timeout = {int(PATIENCE_S * 1000)}")
        db.execute(f"PRAGMA synchronous = {location.synchronous}")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("drivetrain_begin", "BEGIN"))

    try:
        with told(location.shown):
            _use_wal(path)
    except StoreError:
        engine.dispose()
        raise
    return engine


def _prepare_file(path: Path, create: bool) -> None:
    if not path.exists():
        if not create:
            raise StoreError(
                f"there is no store at {path}; drivetrain serve makes one when it first starts, or give the path of another "
                "with --store"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # another process may be quicker
            # The file is made beforehand, so that it is never open to others: SQLite's files beside it get the same rights.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{path} is not a file; give the path of a file for the store with --store")
    if hasattr(os, "geteuid") and os.geteuid() not in (0, found.st_uid):
        raise StoreError(f"{path} belongs to another user; give a path of your own with --store")
    with path.open("rb") as file:
        header = file.read(len(_HEADER))
    if header and header != _HEADER:
        raise StoreError(f"{path} is not a store but some other file, or is damaged; give another path with --store")


def _use_wal(path: Path) -> None:
    """Put the file into WAL mode, for good: readers and the writer then do not wait for each other."""
    db = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
    deadline_s = time.monotonic() + PATIENCE_S
    try:
        while True:
            try:
                if db.execute("PRAGMA page_count").fetchone() == (0,):
                    # The setting lets pruning give room back; SQLite takes it only for an empty file.
                    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
                (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
                break
            except sqlite3.OperationalError as error:
                # Where several processes make the file at once, SQLite reports the lock without waiting for it.
                if not is_locked(error) or time.monotonic() >= deadline_s:
                    raise
                time.sleep(0.02)
    finally:
        db.close()
    if mode != "wal":
        raise StoreError(
            f"{path} is on a file system that SQLite cannot share ({mode} instead of WAL); name a file on a local disk with "
            "--store"
        )


def _postgres(location: Location) -> Engine:
    try:
        import psycopg  # noqa: F401  # only whether it is there
    except ImportError:
        raise StoreError(
            "a store in PostgreSQL needs psycopg, which is not installed; pip install 'psycopg[binary]'"
        ) from None
    asked = set(location.url.query)
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_S,
        "application_name": "drivetrain",
        # Keepalives notice a server that has vanished within seconds, not hours.
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }
    return create_engine(
        location.url,
        pool_size=5,
        max_overflow=15,
        pool_timeout=PATIENCE_S,
        # A ping finds out a connection that a restarted server has dropped before it is used.
        pool_pre_ping=True,
        connect_args={
            **{name: value for name, value in arguments.items() if name not in asked},
            # No statements are prepared on the server: poolers hand its connections from one client to another.
            "prepare_threshold": None,
        },
    )
