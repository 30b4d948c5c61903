"""Stores that earlier versions wrote: real files of each revision of the tables, and the same rows in PostgreSQL."""

from __future__ import annotations

import gzip
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from made_records import (
    START,
    is_wanted,
    made_alarm,
    made_entry,
    made_record,
    made_truth,
    varied_filter,
    varied_record,
)
from made_rollouts import made_body, made_rollout
from sqlalchemy import Connection, inspect, text

from drivetrain.core.calendar import Calendar
from drivetrain.core.errors import StoreError
from drivetrain.core.records import ApiKey, Record, RecordFilter, Role
from drivetrain.core.types import Verdict
from drivetrain.store import schema
from drivetrain.store.engine import make_engine
from drivetrain.store.location import locate
from drivetrain.store.sql_store import migrate_store, open_store
from drivetrain.store.tables import METADATA

OLDER = Path(__file__).parent / "older"
REVISIONS = ("0001", "0002", "0003", "0004")


def expected(revision: str) -> list[Record]:
    """What was put into the files when they were made, from the newest back."""
    rng = Random(7)
    records = [made_record(n) for n in range(6)] + [varied_record(n, rng) for n in range(6, 40)]
    unread = made_record(40, verdict=Verdict.UNREADABLE, label=None, probs={}, error="damaged: ends early", facts={})
    odd = made_record(41, label="größe\0" + "x" * 200, path="\ud83d.jpg")
    records += [unread, odd]
    if revision < "0003":  # answers had no reasons then
        records = [replace(record, prediction=replace(record.prediction, reasons=())) for record in records]
    return sorted(records, key=lambda record: (record.at, record.id), reverse=True)


@pytest.fixture(params=REVISIONS)
def revision(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def older(place: str, revision: str, tmp_path: Path) -> str:
    """A store of that revision, with its rows."""
    data = gzip.decompress((OLDER / f"{revision}.sqlite.gz").read_bytes())
    file = tmp_path / "older.sqlite"
    file.write_bytes(data)
    if not place.startswith("postgresql"):
        return str(file)
    engine = make_engine(locate(place), create=False)
    with engine.connect() as connection, connection.begin():
        _make(connection, revision)
        _copy(file, connection)
    engine.dispose()
    return place


def _make(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _copy(file: Path, connection: Connection) -> None:
    db = sqlite3.connect(file)
    db.row_factory = sqlite3.Row
    for table in inspect(connection).get_table_names():
        if table != "alembic_version":
            for row in db.execute(f"SELECT * FROM {table}"):
                names = ", ".join(row.keys())
                marks = ", ".join(f":{name}" for name in row.keys())  # noqa: SIM118  # a Row's own iterator gives values
                connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), dict(row))
    db.close()
    if inspect(connection).has_table("feed"):  # numbered on from the rows that are there
        last = "(SELECT max(number) FROM feed)"
        connection.execute(text(f"SELECT setval(pg_get_serial_sequence('feed', 'number'), {last}) WHERE {last} > 0"))


def test_an_older_store_is_named_and_migrated_with_all_it_holds(older: str, revision: str) -> None:
    with pytest.raises(StoreError, match=rf"older version \({revision}\); run: drivetrain store migrate"):
        open_store(older)
    assert migrate_store(older) == (revision, schema.CURRENT)
    store = open_store(older)
    try:
        assert list(store.iterate()) == expected(revision)
        assert [store.input(f"{n:064x}") for n in range(6)] == [
            made_entry(n, data=bytes([n]) * 9).input for n in range(6)
        ]
        assert store.kept([f"{n:064x}" for n in (3, 9)]) == {f"{3:064x}"}
        assert store.keys() == (
            ApiKey("1" * 32, "line 1", Role.REVIEW, "a" * 64, START, None, 60),
            ApiKey("2" * 32, "line 2", Role.ADMIN, "b" * 64, START, START + timedelta(days=1), None),
        )
        newest = START + timedelta(days=3) if revision >= "0002" else expected(revision)[0].at
        assert store.calendar() == Calendar(newest)
        # The feed begins with what was there, in the order of its time.
        fed = store.feed(0, 100)
        assert [one.record for one in fed if one.truth is None] == expected(revision)[::-1]
        if revision >= "0004":
            assert [one.truth for one in fed][42:] == [made_truth()]
            assert store.truths_of([made_record(0).id]) == {made_record(0).id: (made_truth(),)}
            assert store.alarms() == (made_alarm(),)
            assert len(store.notices_of([made_alarm().id])[made_alarm().id]) == 1
            state = store.monitor_state("bears", "b" * 32)
            assert state is not None
            assert (state.position, state.state) == (5, '{"votes":9}')
        # Rollouts begin with none.
        assert store.rollouts() == ()
        row = store.open_rollout(made_rollout())
        with store.rollout_log(row.id) as log:
            log.append(START, made_body())
        assert [line.number for line in store.verify_log(row.id)] == [1]
        # What is written now lies beside it, and goes with it.
        store.append([made_entry(100, at=START + timedelta(days=9), facts={"rows": 3, "unit": "mm", "scale": 0.5})])
        assert store.page(RecordFilter(), 1).records[0].facts == {"rows": 3, "unit": "mm", "scale": 0.5}
        done = store.prune(records_older_than=START + timedelta(days=8))
        assert (done.records, done.inputs, store.info().records, store.info().inputs) == (42, 6, 1, 1)
        assert [fed.record.id for fed in store.feed(0, 100)] == [store.page(RecordFilter(), 1).records[0].id]
    finally:
        store.close()


def test_a_migrated_store_is_searched_as_before(older: str, revision: str) -> None:
    migrate_store(older)
    store, records, rng = open_store(older), expected(revision), Random(3)
    try:
        for _ in range(60):
            wanted = varied_filter(rng)
            assert list(store.iterate(wanted)) == [record for record in records if is_wanted(record, wanted)]
    finally:
        store.close()


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_a_migrated_store_has_the_tables_and_indexes_of_a_new_one(older: str) -> None:
    migrate_store(older)
    engine = make_engine(locate(older), create=False)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        if engine.dialect.name == "sqlite":
            rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL"))
        else:
            rows = connection.execute(text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"))
        found = {row[0]: row[1] for row in rows}
    engine.dispose()
    assert {index.name for table in METADATA.tables.values() for index in table.indexes} <= found.keys()
    assert "image" not in " ".join(f"{name} {definition}" for name, definition in found.items())
    assert "input_sha256 IS NOT NULL" in found["ix_predictions_input_sha256"]
    assert "at + 0" in found["ix_predictions_time"]


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_a_migration_that_fails_changes_nothing(revision: str, tmp_path: Path) -> None:
    file = tmp_path / "older.sqlite"
    file.write_bytes(gzip.decompress((OLDER / f"{revision}.sqlite.gz").read_bytes()))
    db = sqlite3.connect(file)
    db.execute("CREATE TABLE notices (x)")  # in the way of the last migration
    db.close()
    with pytest.raises(StoreError):
        migrate_store(str(file))
    db = sqlite3.connect(file)
    assert db.execute("SELECT version_num FROM alembic_version").fetchone() == (revision,)
    assert db.execute("SELECT count(width) FROM predictions").fetchone() == (41,)
    assert db.execute("SELECT count(*) FROM images").fetchone() == (6,)
    db.close()


def test_a_migration_to_rollouts_that_fails_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "older.sqlite"
    file.write_bytes(gzip.decompress((OLDER / "0004.sqlite.gz").read_bytes()))
    db = sqlite3.connect(file)
    db.execute("CREATE TABLE review_lanes (x)")  # in the way of its last table
    tables = db.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    db.close()
    with pytest.raises(StoreError):
        migrate_store(str(file))
    db = sqlite3.connect(file)
    assert db.execute("SELECT version_num FROM alembic_version").fetchone() == ("0004",)
    assert db.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall() == tables
    assert db.execute("SELECT count(*) FROM predictions").fetchone() == (42,)
    db.close()
