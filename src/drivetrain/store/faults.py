"""Complaints of databases and their drivers, in one line and without a password."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ..core.errors import StoreError

ELSEWHERE = "give a file in a folder of your own with --store or $DRIVETRAIN_STORE"

_SQLITE = {
    sqlite3.SQLITE_BUSY: "is locked by another program; try again when that has let go",
    sqlite3.SQLITE_LOCKED: "is locked by another program; try again when that has let go",
    sqlite3.SQLITE_FULL: f"cannot grow: the disk is full; make room, prune it, or {ELSEWHERE}",
    sqlite3.SQLITE_READONLY: f"cannot be written; give this user the right to write the file and its folder, or {ELSEWHERE}",
    sqlite3.SQLITE_PERM: f"cannot be opened: permission denied; {ELSEWHERE}",
    sqlite3.SQLITE_CANTOPEN: f"cannot be opened; check that its folder is there and may be written, or {ELSEWHERE}",
    sqlite3.SQLITE_IOERR: f"cannot be read or written; look whether the disk is full, damaged or gone, or {ELSEWHERE}",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup, or move it away and begin a new one",
    sqlite3.SQLITE_NOTADB: f"is not a database of SQLite, or is damaged; {ELSEWHERE}, or restore it from a backup",
    sqlite3.SQLITE_TOOBIG: "cannot take a value that large",
}
# SQLSTATE's codes, or the two characters of a class → the fault in words.
_POSTGRES = {
    "08": "has lost the connection",
    "28": "refuses this user or password",
    "3D": "does not exist; make the database first (createdb)",
    "40": "gave way to another transaction; try again",
    "42501": "does not allow this user to do that; grant it the right",
    "22003": "cannot take a number that large",
    "25006": "cannot be written: the server is read-only just now",
    "53": "is out of resources",
    "53100": "cannot grow: the server's disk is full; make room, or prune it",
    "53300": "takes no more connections",
    "54": "cannot take a value that large",
    "55": "is locked by another program; try again when that has let go",
    "57": "is shutting down or starting; try again",
    "58": "cannot be read or written by the server",
    "XX": "is damaged, says the server; look into its log",
}


@contextmanager
def told(shown: str) -> Iterator[None]:
    """Turn errors of the store called ``shown`` into a `StoreError`."""
    try:
        yield
    except PoolTimeoutError:
        raise StoreError(f"{shown} is busy: no connection came free; try again") from None
    except DBAPIError as error:
        raise StoreError(f"{shown} {_reason(error.orig)}") from None
    except sqlite3.Error as error:
        raise StoreError(f"{shown} {_reason(error)}") from None
    except SQLAlchemyError as error:
        raise StoreError(f"{shown} cannot be used ({_line(error)})") from None
    except OverflowError:
        raise StoreError(f"{shown} cannot take a number that large") from None
    except OSError as error:
        raise StoreError(f"{shown} cannot be used ({error.strerror or error}); {ELSEWHERE}") from None


def is_locked(error: BaseException | None) -> bool:
    """Tells whether SQLite found another process in its way."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, sqlite3.Error) and code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _reason(error: BaseException | None) -> str:
    if isinstance(error, sqlite3.Error):
        # The low byte is the class of the error; the attribute is absent where Python, not SQLite, found the fault.
        known = _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        return known or f"cannot be used ({_line(error)})"
    state = getattr(error, "sqlstate", None) or ""
    known = _POSTGRES.get(state) or _POSTGRES.get(state[:2])
    if known:
        return f"{known} ({_line(error)})"
    if not state:
        return f"cannot be reached ({_line(error)}); check the address, and that the server runs"
    return f"cannot be used ({_line(error)})"


def _line(error: BaseException | None) -> str:
    """The first line of a driver's message."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
