"""Versions of the tables."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from made_records import made_entry
from sqlalchemy import inspect, text

from drivetrain.core.errors import StoreError
from drivetrain.store import schema
from drivetrain.store.engine import make_engine
from drivetrain.store.location import locate
from drivetrain.store.sql_store import migrate_store, open_store
from drivetrain.store.tables import METADATA


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_the_migrations_make_what_the_code_uses(place: str) -> None:
    open_store(place).close()
    engine = make_engine(locate(place), create=False)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        found = {index["name"] for table in METADATA.tables for index in inspect(connection).get_indexes(table)}
        if engine.dialect.name == "sqlite":  # which keeps indexes over expressions from being told
            names = text("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
            found = {row[0] for row in connection.execute(names)}
    engine.dispose()
    assert found == {index.name for table in METADATA.tables.values() for index in table.indexes}


def test_the_newest_migration_is_the_version_of_the_code() -> None:
    folder = Path(schema.__file__).with_name("migrations")
    assert ScriptDirectory(str(folder)).get_heads() == [schema.CURRENT]


def test_an_older_store_is_migrated_when_asked(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(place).close()
    assert migrate_store(place) == (schema.CURRENT, schema.CURRENT)
    monkeypatch.setattr(schema, "CURRENT", f"{int(schema.CURRENT) + 1:04}")
    with pytest.raises(StoreError, match="run: drivetrain store migrate") as caught:
        open_store(place)
    assert "\n" not in str(caught.value)


def test_a_newer_store_is_left_alone(place: str) -> None:
    store = open_store(place)
    with store._writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    store.close()
    for use in (open_store, migrate_store):
        with pytest.raises(StoreError, match="upgrade drivetrain"):
            use(place)


@pytest.mark.parametrize("table", ["review_lanes", "rollout_snapshots", "notices"])
def test_a_store_that_lacks_a_table_is_refused_in_a_line(place: str, table: str) -> None:
    store = open_store(place)
    with store._writing() as connection:
        connection.execute(text(f"DROP TABLE {table}"))
    store.close()
    with pytest.raises(StoreError, match=f"lacks the table {table}: .*; give a new store: --store OTHER") as caught:
        open_store(place)
    assert "\n" not in str(caught.value)


def test_an_empty_database_is_migrated_from_nothing(place: str) -> None:
    if not place.startswith("postgresql"):
        Path(place).parent.mkdir()
        Path(place).touch()
    assert migrate_store(place) == (None, schema.CURRENT)
    store = open_store(place)
    store.append([made_entry()])
    store.close()


def test_many_may_make_it_at_once(place: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _n: open_store(place), range(8)))
    for number, store in enumerate(stores):
        store.append([made_entry(number)])
    assert stores[0].info().records == 8
    for store in stores:
        store.close()


@pytest.mark.processes
def test_alembic_is_not_imported_for_a_store_that_is_current(tmp_path: Path) -> None:
    open_store(tmp_path / "store.sqlite").close()
    code = "import sys; from drivetrain.store.sql_store import open_store\n"
    code += "open_store(sys.argv[1]).check(); print('alembic' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "store.sqlite")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
