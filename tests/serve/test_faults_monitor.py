"""A server that is killed under load loses no answer, no label and no step of its monitor, and counts none twice."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from monitored import ACCEPTED, kept_state, replayed
from running import form, jpeg, serving

from drivetrain.core.records import TruthFilter
from drivetrain.store.sql_store import SqlStore, open_store
from postgres import Postgres

pytestmark = pytest.mark.processes

WAIT_S = 60.0


class Rangers:
    """People and cameras: each sends pictures of its camera, and tells of every second one what it really shows."""

    def __init__(self, count: int) -> None:
        self.answered: dict[str, dict[str, Any]] = {}
        """What was answered, by id."""
        self.told: dict[str, str] = {}
        """The labels that were taken, by the prediction's id."""
        self.address = ""
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(count)]

    def __enter__(self) -> Rangers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(WAIT_S)

    def _work(self, camera: int) -> None:
        with httpx.Client(timeout=WAIT_S) as client:
            while not self._stop.is_set():
                try:
                    self._one(client, camera, next(self._numbers))
                except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol, OSError):
                    time.sleep(0.02)  # the server is gone

    def _one(self, client: httpx.Client, camera: int, number: int) -> None:
        address = self.address
        metadata = json.dumps({"camera": f"trail-{camera}", "group": f"event {number}"})
        image = ACCEPTED if number % 2 else jpeg(number)
        given = client.post(f"{address}/v1/predict", **form(image, metadata=metadata))
        if given.status_code != 200:
            return
        said = given.json()["predictions"][0]
        self.answered[said["id"]] = said
        if number % 2 == 0:
            return
        label = ("rot", "blau")[number % 3 == 0]
        told = client.post(
            f"{address}/v1/predictions/{said['id']}/label", json={"label": label, "by": "ada", "how": "blind"}
        )
        if told.status_code == 200:
            self.told[said["id"]] = label


def await_answers(rangers: Rangers, count: int) -> None:
    end_s = time.monotonic() + WAIT_S
    aim = len(rangers.answered) + count
    while len(rangers.answered) < aim:
        assert time.monotonic() < end_s, "nothing is answered"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Started when a test first asks for it."""
    server = Postgres()
    yield server
    server.close()


@pytest.mark.parametrize(("kind", "kills"), [("sqlite", 2), ("postgresql", 1)])
def test_a_killed_server_loses_nothing_and_its_monitor_comes_to_the_same_state(
    kind: str, kills: int, tmp_path: Path, kept: Path, request: pytest.FixtureRequest
) -> None:
    place = str(tmp_path / "store.db") if kind == "sqlite" else request.getfixturevalue("postgres").new_database()
    rangers = Rangers(4)
    with rangers:
        for number in range(kills):
            with serving(kept, store=place, log=tmp_path / f"log {number}", max_batch=1) as running:
                rangers.address = running.address
                await_answers(rangers, 60)
                os.killpg(running.process.pid, signal.SIGKILL)
                running.process.wait()
    with serving(kept, store=place, log=tmp_path / "log last", max_batch=1) as running:
        found = caught_up(running.address, len(stored(place)))
        assert running.stop() == 0
    assert found["n"] == len(stored(place)) >= len(rangers.answered) >= 60 * kills
    store = open_store(place)
    try:
        for identity, said in rangers.answered.items():
            record = store.record(identity)
            assert record is not None, "it was answered and is not stored"
            assert record.prediction.to_json()["verdict"] == said["verdict"]
        assert rangers.told
        labels = {truth.prediction_id: truth.label for truth in truths(store)}
        assert rangers.told.items() <= labels.items(), "a label was taken and is not stored"
    finally:
        store.close()
    assert kept_state(place, kept) == replayed(place, kept)
    assert "begins anew" not in (tmp_path / "log last").read_text()


def caught_up(address: str, count: int) -> dict[str, Any]:
    """What is known of the model, as soon as its monitor has read so many answers and all there is."""
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        found: dict[str, Any] = httpx.get(f"{address}/v1/monitor", timeout=WAIT_S).json()["models"][0]
        if found["n"] == count and found["progress"]["caught_up"]:
            return found
        time.sleep(0.05)
    raise AssertionError(f"the monitor has not read {count} answers: {found['progress']}, {found['n']}")


def stored(place: str) -> set[str]:
    store = open_store(place)
    try:
        return {record.id for record in store.iterate()}
    finally:
        store.close()


def truths(store: SqlStore) -> list[Any]:
    found: list[Any] = []
    cursor: str | None = None
    while True:
        page = store.truths(TruthFilter(), 200, cursor)
        found += page.truths
        cursor = page.next
        if cursor is None:
            return found
