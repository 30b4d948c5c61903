"""A row that is added only where there is none of its key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def add_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Add a row; False where there was one of its key, which stays as it is."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(values).on_conflict_do_nothing()
    # SQLAlchemy would else forget the number of rows that an INSERT has added.
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1
