"""Several processes at one store, and processes that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from made_records import made_record

from drivetrain.core.errors import StoreError
from drivetrain.core.records import RecordFilter
from drivetrain.store.sql_store import open_store

pytestmark = pytest.mark.processes

WRITER = str(Path(__file__).with_name("writer_process.py"))
SIZE = 8


def start(place: str, first: int, groups: int, limit: int | None = None) -> subprocess.Popen[str]:
    arguments = [
        sys.executable,
        WRITER,
        place,
        str(first),
        str(groups),
        str(SIZE),
        *([] if limit is None else [str(limit)]),
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [*sys.path]))}
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_processes_make_and_fill_one_store_together(place: str) -> None:
    writers = [start(place, 100_000 * number, 20) for number in range(3)]
    for writer in writers:
        out, err = writer.communicate(timeout=120)
        assert (writer.returncode, err) == (0, ""), err
        assert out.split() == ["open", *map(str, range(20))]
    store = open_store(place, create=False)
    assert store.info().records == 3 * 20 * SIZE
    store.close()


def test_what_a_killed_process_had_written_is_there(place: str) -> None:
    writer = start(place, 0, 100_000)
    assert writer.stdout is not None
    told = []
    for line in writer.stdout:
        told.append(line.strip())
        if len(told) == 25:
            break
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate(timeout=60)
    # A last line may have been cut by the kill.
    told += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    groups = [int(line) for line in told if line.strip() != "open"]
    assert len(groups) >= 24
    store = open_store(place, create=False)
    for number in range(len(groups) * SIZE):
        assert store.record(made_record(number).id) == made_record(number)
        assert store.input(f"{number:064x}") is not None
    # The group it was at is there as a whole or not at all.
    assert store.info().records % SIZE == 0
    assert store.info().records - len(groups) * SIZE in {0, SIZE}
    assert len(store.page(RecordFilter(label="teddy"), 1000).records) == min(store.info().records, 1000)
    store.close()


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    place = tmp_path / "store.sqlite"
    writer = start(str(place), 0, 1000, limit=600_000)
    out, err = writer.communicate(timeout=120)
    assert err == ""
    *lines, last = out.splitlines()
    assert last.startswith(f"error {place} ")
    assert "\n" not in last
    groups = len(lines) - 1
    assert 2 <= groups < 1000
    # With room again, it goes on where it was.
    store = open_store(place, create=False)
    assert store.info().records == groups * SIZE
    store.close()
    again = start(str(place), groups * SIZE, 5)
    assert again.communicate(timeout=120)[0].split() == ["open", *map(str, range(5))]


def test_a_full_database_is_said_in_words(tmp_path: Path) -> None:
    from made_records import made_entry

    store = open_store(tmp_path / "store.sqlite")
    with store._reading() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        (pages,) = driver.execute("PRAGMA page_count").fetchone()
        driver.execute(f"PRAGMA max_page_count = {pages + 20}")

    def fill() -> None:
        for number in range(1000):
            store.append([made_entry(number, data=b"x" * 5000)])

    with pytest.raises(StoreError, match="the disk is full"):
        fill()
    assert 1 <= store.info().records < 1000
    assert store.record(made_record(0).id) == made_record(0)
    store.close()
