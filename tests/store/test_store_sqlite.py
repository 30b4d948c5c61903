"""A store in a file."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from made_records import made_entry, made_record

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.store import engine
from drivetrain.store.location import locate
from drivetrain.store.sql_store import open_store


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "a" / "b" / "store.sqlite"
        store = open_store(path)
        store.append([made_entry()])
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == ["store.sqlite", "store.sqlite-shm", "store.sqlite-wal"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        store.close()
    finally:
        os.umask(before)


@pytest.mark.parametrize("form", ["{}", "sqlite:///{}", "sqlite+pysqlite:///{}", "sqlite:///{}?synchronous=full"])
def test_forms_of_its_place(tmp_path: Path, form: str) -> None:
    place = form.format(tmp_path / "ein Ordner %20" / "störe.sqlite")
    store = open_store(place)
    store.append([made_entry()])
    with store._reading() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == (2 if "full" in place else 1)
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    store.close()
    assert (tmp_path / "ein Ordner %20" / "störe.sqlite").stat().st_size > 0


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("sqlite:///x.sqlite").path == tmp_path / "x.sqlite"
    assert locate("x.sqlite").path == tmp_path / "x.sqlite"
    assert locate("C:/x.sqlite").path is not None


@pytest.mark.parametrize(
    "place",
    [
        "",
        ":memory:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///x?synchronous=off",
        "sqlite:///x?mode=ro",
        "a\0b",
    ],
)
def test_a_place_that_is_none_is_refused(place: str) -> None:
    with pytest.raises(UsageError) as caught:
        locate(place)
    assert "\n" not in str(caught.value)


def test_without_create_it_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no store at .* drivetrain serve makes one"):
        open_store(tmp_path / "store.sqlite", create=False)
    assert list(tmp_path.iterdir()) == []


def test_where_no_store_can_be_made_it_is_said_how_to_give_another_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"cannot be used \(.*\); give a file in a folder of your own with --store"):
        open_store(tmp_path / "file" / "store.sqlite")


def test_what_is_not_a_store_is_left_alone(tmp_path: Path) -> None:
    text, other, folder = tmp_path / "notes.txt", tmp_path / "other.sqlite", tmp_path / "folder"
    text.write_text("not a database, but long enough to be one")
    folder.mkdir()
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE alembic_version (version_num TEXT)")
    db.execute("INSERT INTO alembic_version VALUES ('0001')")
    db.commit()
    db.close()
    for path, words in ((text, "is not a store"), (other, "holds tables of something else"), (folder, "is not a file")):
        with pytest.raises(StoreError, match=words):
            open_store(path)
    with pytest.raises(StoreError, match="cannot be used"):
        open_store(text / "below.sqlite")
    assert text.read_text().startswith("not a database")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.sqlite"
    open_store(path).close()
    os.chown(path, 12345, 12345)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(StoreError, match="belongs to another user"):
        open_store(path)


def test_a_file_that_was_deleted_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = open_store(path)
    store.append([made_entry(0)])
    path.rename(tmp_path / "moved")
    for call in (lambda: store.append([made_entry(1)]), store.check):
        with pytest.raises(StoreError, match="was moved or deleted"):
            call()
    (tmp_path / "moved").rename(path)
    store.append([made_entry(1)])
    assert store.record(made_record(1).id) == made_record(1)
    store.close()


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
@pytest.mark.parametrize("replaced", [False, True])
def test_what_stands_beside_the_file_is_missed_too(tmp_path: Path, ending: str, replaced: bool) -> None:
    path = tmp_path / "store.sqlite"
    store = open_store(path)
    store.append([made_entry(0)])
    beside = path.with_name(path.name + ending)
    beside.rename(tmp_path / "moved")
    if replaced:
        beside.write_bytes((tmp_path / "moved").read_bytes())
    for call in (lambda: store.append([made_entry(1)]), store.check, store.keys):
        with pytest.raises(StoreError, match=f"{ending} was moved or deleted"):
            call()
    (tmp_path / "moved").rename(beside)
    store.append([made_entry(1)])
    store.close()
    again = open_store(path)
    assert [again.record(made_record(number).id) for number in range(2)] == [made_record(0), made_record(1)]
    again.close()


def test_others_that_open_and_close_the_store_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    first = open_store(path)
    for number in range(3):
        other = open_store(path)
        other.append([made_entry(number)])
        other.close()
        first.check()
    first._engine.dispose()  # as when all of its own connections have broken
    first.append([made_entry(3)])
    assert first.info().records == 4
    first.close()


def test_a_lock_held_for_too_long_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PATIENCE_S", 0.1)
    path = tmp_path / "store.sqlite"
    store = open_store(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="is locked by another program"):
        store.append([made_entry()])
    assert store.info().records == 0
    holder.execute("ROLLBACK")
    holder.close()
    store.append([made_entry()])
    store.close()


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = open_store(path)
    for number in range(50):
        store.append([made_entry(number, data=b"x" * 3000)])
    store.close()
    data = bytearray(path.read_bytes())
    # All but the first pages, where the schema is read from.
    data[10 * 4096 :] = os.urandom(len(data) - 10 * 4096)
    path.write_bytes(data)

    def read_all() -> None:
        damaged = open_store(path)
        list(damaged.iterate())
        for number in range(50):
            damaged.record(made_record(number).id)
            damaged.input(f"{number:064x}")

    with pytest.raises(StoreError, match="is damaged") as caught:
        read_all()
    assert "\n" not in str(caught.value)


def test_room_is_given_back_after_pruning(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = open_store(path)
    for number in range(100):
        store.append([made_entry(number, data=b"x" * 50_000)])
    store.prune(inputs_older_than=made_record(99).at)
    store.close()
    assert path.stat().st_size < 1_000_000
