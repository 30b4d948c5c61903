"""A database that is read and written in transactions, with its faults in words."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, select, text

from ..core.errors import StoreError
from .engine import WRITING
from .faults import told
from .location import Location
from .tables import PREDICTIONS
from .watched_files import WatchedFiles

# With less free room on the disk than this, the next group of answers may not fit.
LEAST_ROOM = 1 << 20


class Connected:
    """A database of one location. Safe to use from several threads; every method may raise `StoreError`."""

    def __init__(self, engine: Engine, location: Location) -> None:
        self._engine = engine
        self._location = location
        self._closed = False
        self._files = WatchedFiles(location.path) if location.path is not None else None
        self._trusted_us = 0
        """The trusted time in microseconds: no input is kept as of an earlier moment, whatever the clock says."""
        # SQLite has one writer at a time: threads queue up here in order instead of polling the file.
        self._turn = threading.Lock()

    @property
    def shown(self) -> str:
        """The store's location, without user and password."""
        return self._location.shown

    def check(self) -> None:
        """Raise `StoreError` if the store cannot be used just now; does not wait for writers."""
        with self._reading() as connection:
            connection.execute(select(PREDICTIONS.c.id).limit(1)).first()
            if connection.dialect.name == "postgresql":
                read_only = connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on"
            else:
                read_only = not _is_writable(self._location)
            if read_only:
                raise StoreError(f"{self.shown} cannot be written just now: it is read-only")
        if self._location.path is not None and _room(self._location.path) < LEAST_ROOM:
            raise StoreError(f"{self.shown} cannot grow: the disk is full; make room, or prune it")

    def close(self) -> None:
        """Close every connection; calls after it raise `StoreError`."""
        self._closed = True
        self._engine.dispose()
        if self._files is not None:
            self._files.close()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._faults(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _looking(self) -> Iterator[Connection]:
        """Like `_reading`, for one query: PostgreSQL is then not told where a transaction begins and ends."""
        if self._location.path is not None:
            with self._reading() as connection:
                yield connection
            return
        with self._faults(), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self._location.path is None:
            with self._faults(), self._engine.connect() as connection, connection.begin():
                yield connection
            return
        with self._turn, self._faults(), self._engine.connect() as bare:
            connection = bare.execution_options(**WRITING)
            with connection.begin():
                yield connection

    @contextmanager
    def _holding(self) -> Iterator[Connection]:
        """Enter a transaction that writes, in which errors of the caller's own stay as they are."""
        with ExitStack() as stack:
            if self._location.path is not None:
                stack.enter_context(self._turn)
            with self._faults():
                connection = stack.enter_context(self._engine.connect())
                if self._location.path is not None:
                    connection = connection.execution_options(**WRITING)
                transaction = connection.begin()
            try:
                yield connection
            except BaseException:
                with self._faults():
                    transaction.rollback()
                raise
            with self._faults():
                transaction.commit()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        if self._closed:
            raise StoreError(f"{self.shown} has been closed")
        if self._files is not None:
            self._files.check()
        with told(self.shown):
            yield


def _room(path: Path) -> int:
    """The bytes that are free on the disk of the file."""
    with told(str(path)):
        return shutil.disk_usage(path.parent).free


def _is_writable(location: Location) -> bool:
    path = location.path
    return path is not None and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
