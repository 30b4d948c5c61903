"""A store in PostgreSQL: away and back, and what is said of it."""

from __future__ import annotations

import socket
import sys

import pytest
from made_records import made_entry, made_record

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.records import RecordFilter
from drivetrain.store.location import locate
from drivetrain.store.sql_store import open_store
from postgres import Postgres

SECRET = "s3cr3t-w0rd"


def test_a_server_that_was_restarted_is_used_again(postgres: Postgres) -> None:
    store = open_store(postgres.new_database())
    store.append([made_entry(0)])
    postgres.stop()
    try:
        for call in (lambda: store.append([made_entry(1)]), store.check, store.keys, lambda: store.record("a")):
            with pytest.raises(StoreError, match="cannot be reached") as caught:
                call()
            assert "\n" not in str(caught.value)
    finally:
        postgres.start()
    store.append([made_entry(1)])
    store.check()
    assert store.page(RecordFilter(), 5).records == (made_record(1), made_record(0))
    store.close()


def test_a_server_that_is_read_only_is_said(postgres: Postgres) -> None:
    import psycopg

    place = postgres.new_database()
    open_store(place).close()
    with psycopg.connect(place, autocommit=True) as connection:
        connection.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$"
        )
    store = open_store(place)
    with pytest.raises(StoreError, match="read-only"):
        store.append([made_entry()])
    with pytest.raises(StoreError, match="read-only"):
        store.check()
    assert store.page(RecordFilter(), 5).records == ()
    store.close()


def test_a_database_that_is_not_there_is_said(postgres: Postgres) -> None:
    with pytest.raises(StoreError, match=r"createdb|does not exist"):
        open_store(postgres.new_database().replace("/store_", "/nowhere_"))


def test_other_tables_are_left_alone(postgres: Postgres) -> None:
    import psycopg

    place = postgres.new_database()
    with psycopg.connect(place, autocommit=True) as connection:
        connection.execute("CREATE TABLE images (x int)")
    with pytest.raises(StoreError, match="holds tables of something else"):
        open_store(place)


def test_nothing_shows_the_password() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        for place in (
            f"postgresql://user:{SECRET}@127.0.0.1:{port}/store",
            f"postgres://user:{SECRET}@127.0.0.1:{port}/store",
            f"postgresql+psycopg://127.0.0.1:{port}/store?user=u&password={SECRET}",
            f"postgresql://user:{SECRET}@no-such-host.invalid/store",
        ):
            assert SECRET not in locate(place).shown
            with pytest.raises(StoreError, match="cannot be reached") as caught:
                open_store(place)
            assert SECRET not in str(caught.value)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "place",
    [
        f"postgresql://user:{SECRET}/x@host/store",
        f"postgresql://user:a@{SECRET}@host/store",
        f"postgresql://user:{SECRET}@host:port/store",
        f"mysql://user:{SECRET}@host/store",
        f"postgresql+asyncpg://user:{SECRET}@host/store",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_password(place: str) -> None:
    with pytest.raises(UsageError) as caught:
        locate(place)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install 'psycopg\[binary\]'"):
        open_store("postgresql://host/store")
