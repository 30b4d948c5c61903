"""The store that a command works on, for as long as it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..store.sql_store import SqlStore

WHERE = (
    "Path of a SQLite file, or postgresql://USER@HOST/NAME ($DRIVETRAIN_STORE, or a file in the user's data folder)."
)


@contextmanager
def opened_store(place: str | None, create: bool = False) -> Iterator[SqlStore]:
    """Open the store at ``place``, or at its default place.

    Raises:
        StoreError: it is not there or cannot be used.
    """
    from ..store.default_store import default_store_url
    from ..store.sql_store import open_store

    opened = open_store(place or default_store_url(), create=create)
    try:
        yield opened
    finally:
        opened.close()
