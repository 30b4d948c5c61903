"""The version of the tables in a database: looked at on opening, made or raised by Alembic's migrations.

Alembic is slow to import, so it is asked only where the version is not the current one.
"""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from ..core.errors import StoreError
from .engine import WRITING
from .faults import told
from .location import Location
from .tables import METADATA, PREDICTIONS

CURRENT = "0005"
"""The newest of ``migrations/versions``: bump it with each one added."""
VERSION_TABLE = "alembic_version"
_OURS = re.compile(r"\d{4}")
# The lock that a process holds while it makes or migrates a store in PostgreSQL; its number only has to be the same everywhere.
_LOCK = 0x64726976


def ensure(engine: Engine, location: Location) -> None:
    """Make the tables in a database without any.

    Raises:
        StoreError: they are of an older or a newer version, or something else is there.
    """
    with told(location.shown):
        with engine.connect() as connection:
            found = _version(connection, location.shown)
        if found is None:
            found = _upgrade(engine, location.shown)
    if found < CURRENT:
        raise StoreError(
            f"{location.shown} is of an older version ({found}); run: drivetrain store migrate {location.shown}"
        )
    if found > CURRENT:
        raise StoreError(f"{location.shown} was written by a newer version ({found}); upgrade drivetrain")
    with told(location.shown), engine.connect() as connection:
        lacking = sorted(METADATA.tables.keys() - set(inspect(connection).get_table_names()))
    if lacking:
        raise StoreError(
            f"{location.shown} says that it is of version {found} and lacks the table {lacking[0]}: it was made by an unfinished "
            "version, or something took the table away; give a new store: --store OTHER"
        )


def migrate(engine: Engine, location: Location) -> tuple[str | None, str]:
    """Raise the tables to the current version; returns the versions before (None: there were no tables) and after.

    Raises:
        StoreError: they are newer already, something else is there, or the database fails; nothing is changed then.
    """
    with told(location.shown):
        with engine.connect() as connection:
            before = _version(connection, location.shown)
        if before is not None and before > CURRENT:
            raise StoreError(f"{location.shown} was written by a newer version ({before}); upgrade drivetrain")
        return before, before if before == CURRENT else _upgrade(engine, location.shown)


def _version(connection: Connection, shown: str) -> str | None:
    """The version of the tables; None for an empty database."""
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    found: list[str] = []
    if VERSION_TABLE in tables:
        found = [str(row[0]) for row in connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))]
        if not found and tables == {VERSION_TABLE}:
            return None
    if len(found) != 1 or not _OURS.fullmatch(found[0]) or PREDICTIONS.name not in tables:
        raise StoreError(f"{shown} holds tables of something else; give the store a database of its own")
    return found[0]


def _upgrade(engine: Engine, shown: str) -> str:
    """Upgrade in one transaction; where several processes try at once, one does it and the others find it done."""
    with engine.connect().execution_options(**WRITING) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        found = _version(connection, shown)
        if found is not None and found >= CURRENT:
            return found
        from alembic import command
        from alembic.config import Config

        config = Config()
        # Percent signs are doubled, as Alembic reads one in its options as the start of a name.
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return CURRENT
