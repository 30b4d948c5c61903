"""What was answered is in the store, whatever happens to the server or the store."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2 as httpx
import pytest
from crowd import Crowd, Told, check_stored, predict, status_of, until
from running import Running, jpeg, serving

from drivetrain.core.records import RecordFilter
from drivetrain.store.sql_store import open_store
from postgres import Postgres

pytestmark = pytest.mark.processes

FAST = {"workers": 2, "max_batch": 1}


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server that tests may stop and start."""
    server = Postgres()
    yield server
    server.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_server_that_is_killed_loses_nothing_it_answered(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, kept: Path
) -> None:
    place = str(tmp_path / "store.db") if kind == "sqlite" else request.getfixturevalue("postgres").new_database()
    with serving(kept, store=place, log=tmp_path / "log", **FAST) as running, Crowd(running.address, 6) as crowd:
        until(lambda: len(crowd.told) >= 80, "80 answers")
        running.process.kill()
        assert running.process.wait(10) == -signal.SIGKILL
        until(lambda: crowd.broken, "a client notices")
    assert {told.status for told in crowd.told} == {200}
    check_stored(place, crowd.told)
    store = open_store(place, create=False)
    newest = store.page(RecordFilter(), 200).records
    store.close()
    for request_id in {record.request_id for record in newest[:20]}:
        # What no client heard of may be there too, but all of it.
        assert sum(record.request_id == request_id for record in newest) == 2
    with serving(kept, store=place, log=tmp_path / "log", **FAST) as running, httpx.Client(timeout=60) as client:
        again = predict(client, running.address, jpeg(0), jpeg(10_000))
        known = crowd.told[-1].body["predictions"][0]
        found = client.get(f"{running.address}/v1/predictions/{known['id']}").json()
        assert {key: found[key] for key in known} == known
        assert client.get(running.address + found["input"]).status_code == 200
    check_stored(place, [again])


class Room:
    """Takes the room away that a store could grow into, and gives it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self, running: Running) -> None:
        """No file of the process grows beyond the largest it has."""
        size = max(file.stat().st_size for file in self.folder.iterdir())
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def give(self, running: Running) -> None:
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


class RoomOnDisk(Room):
    """The same with a file system of a few megabytes, filled up."""

    def take(self, running: Running) -> None:
        del running
        with suppress(OSError), (self.folder / "filling").open("wb", buffering=0) as filling:
            while True:
                filling.write(bytes(4096))

    def give(self, running: Running) -> None:
        del running
        (self.folder / "filling").unlink()


@contextmanager
def limited(folder: Path) -> Iterator[Room]:
    folder.mkdir()
    yield Room(folder)


@contextmanager
def small_disk(folder: Path) -> Iterator[Room]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        refused = os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0
    except OSError:
        refused = True
    if refused:
        pytest.skip("only root can mount a small file system")
    try:
        yield RoomOnDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process are a thing of Linux")
@pytest.mark.parametrize("disk", [limited, small_disk], ids=["file size", "file system"])
def test_a_full_disk(disk: Callable[[Path], Iterator[Room]], tmp_path: Path, kept: Path) -> None:
    with (
        disk(tmp_path / "disk") as room,  # type: ignore[attr-defined]  # made a context manager above
        serving(kept, store=room.folder / "store.db", log=tmp_path / "log", **FAST) as running,
        httpx.Client(timeout=60) as client,
    ):
        told: list[Told] = []
        seeds = itertools.count()

        def ask() -> Told:
            told.append(predict(client, running.address, jpeg(next(seeds), (320, 240))))
            return told[-1]

        assert [ask().status for _ in range(5)] == [200] * 5
        room.take(running)
        refused = until(lambda: ask().status != 200 and told[-1], "there is no room")
        for _ in range(10):
            ask()
            assert status_of(running.address, "/v2/health/live") == 200
        for one in told[told.index(refused) :]:
            if one.status != 200:
                assert (one.status, one.body["type"]) == (503, "urn:drivetrain:problem:store-unavailable")
                assert int(one.headers["Retry-After"]) > 0
        room.give(running)
        until(lambda: ask().status == 200, "there is room again")
        assert running.stop() == 0
        store = open_store(room.folder / "store.db", create=False)
        for one in told:
            found = store.page(RecordFilter(request_id=one.request_id), 10).records
            assert len(found) == (one.status == 200), "stored is what was answered, no more and no less"
        store.close()
        check_stored(str(room.folder / "store.db"), told)
    assert "Traceback" not in running.log.read_text()


def test_a_database_that_goes_and_comes_back(postgres: Postgres, tmp_path: Path, kept: Path) -> None:
    place = postgres.new_database()
    with serving(kept, store=place, log=tmp_path / "log", **FAST) as running, httpx.Client(timeout=60) as client:
        before = predict(client, running.address, jpeg(0))
        assert before.status == 200
        postgres.stop()
        try:
            # Nobody has to ask for a prediction for it to be noticed.
            until(lambda: status_of(running.address, "/v2/health/ready") == 503, "it is not ready")
            with Crowd(running.address, 4) as crowd:
                until(lambda: len(crowd.told) >= 100, "100 refusals")
                waits_s = []
                for _ in range(20):
                    start_s = time.monotonic()
                    assert client.get(f"{running.address}/v2/health/live").status_code == 200
                    waits_s.append(time.monotonic() - start_s)
                history = client.get(f"{running.address}/v1/predictions")
            assert sorted(waits_s)[10] < 1, "the event loop was held up"
            assert (history.status_code, history.headers["Retry-After"]) == (503, "2")
            assert not crowd.broken
            for one in crowd.told:
                assert (one.status, one.body["type"]) == (503, "urn:drivetrain:problem:store-unavailable")
                assert int(one.headers["Retry-After"]) > 0
        finally:
            postgres.start()
        until(lambda: status_of(running.address, "/v2/health/ready") == 200, "it is ready again")
        after = predict(client, running.address, jpeg(1))
        assert after.status == 200
        assert (
            client.get(f"{running.address}/v1/predictions").json()["predictions"][0]["request_id"] == after.request_id
        )
        assert running.stop() == 0
    check_stored(place, [before, after])
    log = running.log.read_text()
    assert "Traceback" not in log
    assert log.count("the store failed") < 10, "a store that is gone for long must not fill the log"


def test_a_database_that_is_restarted_under_load(postgres: Postgres, tmp_path: Path, kept: Path) -> None:
    place = postgres.new_database()
    with serving(kept, store=place, log=tmp_path / "log", **FAST) as running:
        with Crowd(running.address, 4) as crowd:
            until(lambda: len(crowd.good) >= 30, "30 answers")
            postgres.stop()
            until(lambda: any(told.status == 503 for told in crowd.told), "a refusal")
            postgres.start()
            answered = len(crowd.good)
            until(lambda: len(crowd.good) >= answered + 30, "30 answers more")
        assert running.stop() == 0
    assert not crowd.broken
    assert {told.status for told in crowd.told} == {200, 503}
    check_stored(place, crowd.told)
