"""The files of a store in SQLite, checked before every use: data written to a deleted file would be lost.

Beside the file itself there are two of its name that end in -wal and -shm. The first holds what was written last. SQLite notices
neither that they are gone nor that others stand in their place, and makes new ones for whoever opens the store next, so that
two would write past each other.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..core.errors import StoreError
from .faults import told


class WatchedFiles:
    """The file of a store and the two beside it; remembers which they were when the store was opened."""

    def __init__(self, path: Path) -> None:
        """Open a connection of its own and keep it, as SQLite deletes the two files when the last connection is closed.

        Raises:
            StoreError: it cannot be opened.
        """
        self._paths = (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"))
        with told(str(path)):
            self._open = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                # A read makes SQLite open the files.
                self._open.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except sqlite3.Error:
                self._open.close()
                raise
        self._known = [_identity(one) for one in self._paths]

    def check(self) -> None:
        """Raise `StoreError` if one of the files was moved or deleted, or another stands in its place."""
        for path, known in zip(self._paths, self._known, strict=True):
            if _identity(path) != known:
                raise StoreError(f"{path} was moved or deleted while in use; put it back, or start again")

    def close(self) -> None:
        """Watch no more."""
        self._open.close()


def _identity(path: Path) -> tuple[int, int]:
    """The identity that tells a file from another one of its name."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return found.st_dev, found.st_ino
