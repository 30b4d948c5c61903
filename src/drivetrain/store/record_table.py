"""Records by their ids."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from ..core.records import Record
from .indexed import indexed
from .rows import COLUMNS, to_record
from .tables import PREDICTIONS

_AT_ONCE = 500


def by_id(connection: Connection, ids: Iterable[str]) -> dict[str, Record]:
    """Return the records of those ids that are there."""
    columns = [PREDICTIONS.c[name] for name in COLUMNS]
    asked = sorted({indexed(name) for name in ids})
    found: dict[str, Record] = {}
    for start in range(0, len(asked), _AT_ONCE):
        rows = connection.execute(select(*columns).where(PREDICTIONS.c.id.in_(asked[start : start + _AT_ONCE])))
        found.update((row.id, to_record(row)) for row in rows)
    return found
