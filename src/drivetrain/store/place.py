"""Places that are those of a store, among all that a person may name."""

from __future__ import annotations

from pathlib import Path

from ..core.plain_file import open_plain

_SQLITE = b"SQLite format 3\0"


def is_store(data: str) -> bool:
    """Tells whether a place is that of a store: a SQLite file, or a URL of a database."""
    if data.startswith(("postgresql:", "postgres:", "postgresql+psycopg:", "sqlite:")):
        return True
    path = Path(data)
    if not path.is_file():
        return False
    with open_plain(path) as file:
        return file.read(len(_SQLITE)) == _SQLITE
