"""Clients that keep a server busy from threads, and note every answer they got in full."""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import httpx2 as httpx
from running import form, jpeg

from drivetrain.core.identifiers import new_id
from drivetrain.core.records import RecordFilter
from drivetrain.store.sql_store import open_store

WAIT_S = 60.0


def until(happened: Callable[[], Any], what: str, wait_s: float = WAIT_S) -> Any:
    """Ask until the answer is true, and give it back."""
    end_s = time.monotonic() + wait_s
    while time.monotonic() < end_s:
        found = happened()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"after {wait_s:g} s it had not come to this: {what}")


def status_of(address: str, path: str) -> int:
    """The status of a GET over a connection of its own; 0 where there was no answer."""
    try:
        return _get(address, path)[0]
    except (OSError, HTTPException):
        return 0


def counted(address: str, name: str, **labels: str) -> float:
    """A metric, added up over the labels that are not given."""
    total = 0.0
    for row in _get(address, "/metrics")[1].splitlines():
        named, _, value = row.rpartition(" ")
        wanted = all(f'{label}="{given}"' in named for label, given in labels.items())
        if named.partition("{")[0] == name and wanted:
            total += float(value)
    return total


def _get(address: str, path: str) -> tuple[int, str]:
    # Not by httpx, which reads the system's certificates for each connection of its own.
    connection = HTTPConnection(address.removeprefix("http://"), timeout=WAIT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@dataclass(frozen=True)
class Told:
    """An answer as a client got it."""

    request_id: str
    status: int
    headers: httpx.Headers
    body: Any


def predict(client: httpx.Client, address: str, *images: bytes) -> Told:
    """Post images under an id of our own, and read the whole answer."""
    request_id = new_id()
    given = client.post(f"{address}/v1/predict", headers={"X-Request-ID": request_id}, **form(*images))
    return Told(request_id, given.status_code, given.headers, given.json())


class Crowd:
    """Clients that post until the block ends, each image only once."""

    def __init__(self, address: str, clients: int = 4, images: int = 2) -> None:
        self.address = address
        self.told: list[Told] = []
        self.asked: list[str] = []
        self.broken: list[Exception] = []
        """What went wrong on the way to an answer."""
        self._images = images
        self._seeds = itertools.count()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(WAIT_S)
        assert not any(thread.is_alive() for thread in self._threads)

    @property
    def good(self) -> list[Told]:
        """What was answered with 200."""
        return [told for told in self.told if told.status == 200]

    def _ask(self) -> None:
        with httpx.Client(timeout=WAIT_S) as client:
            while not self._stop.is_set():
                images = [jpeg(next(self._seeds)) for _ in range(self._images)]
                try:
                    self.told.append(predict(client, self.address, *images))
                except httpx.TransportError as error:
                    self.broken.append(error)
                    time.sleep(0.02)


def check_stored(place: str, told: list[Told]) -> None:
    """What was answered is in the store as it was answered, every image of it; of nothing is there a part."""
    store = open_store(place, create=False)
    try:
        for one in told:
            if one.status != 200:
                # What could not be answered may have been written, as when the connection to a database broke on commit.
                continue
            for answer in one.body["predictions"]:
                record = store.record(answer["id"])
                assert record is not None, f"{one.request_id} was answered and is not stored"
                assert record.request_id == one.request_id
                assert record.prediction.bundle_id == one.body["bundle_id"]
                assert record.prediction.to_json() == {key: answer[key] for key in record.prediction.to_json()}
                assert answer["input_sha256"] == record.input_sha256
                assert store.input(answer["input_sha256"]) is not None
            assert len(store.page(RecordFilter(request_id=one.request_id), 100).records) == len(one.body["predictions"])
    finally:
        store.close()


@contextmanager
def held_up(place: Path) -> Iterator[Callable[[], None]]:
    """Nothing is written to a SQLite store until the block ends or what is given is called."""
    db = sqlite3.connect(place, isolation_level=None, timeout=30, check_same_thread=False)
    db.execute("BEGIN IMMEDIATE")
    try:
        yield lambda: db.in_transaction and db.rollback()
    finally:
        db.close()


def open_files(pid: int) -> int:
    """File descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  # links to sockets are no paths


def in_status(pid: int, name: str) -> int:
    """A number of /proc/PID/status: Threads, or VmRSS in KiB."""
    found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def workers_of(pid: int) -> list[int]:
    """The processes that a server with several has started, from the oldest on."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in _command(child)]


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@contextmanager
def open_lines(port: int, count: int, wait_s: float = WAIT_S) -> Iterator[list[socket.socket]]:
    """Connections to say anything over."""
    lines = [socket.create_connection(("127.0.0.1", port), wait_s) for _ in range(count)]
    try:
        yield lines
    finally:
        for line in lines:
            line.close()


@dataclass(frozen=True)
class Answer:
    """What came over a bare connection; names of headers are small letters."""

    status: int
    headers: dict[str, str]
    body: Any


def read_answer(line: socket.socket) -> Answer:
    """The next answer: its head and, by its length, its body of JSON.

    Raises:
        ConnectionError: the connection ended before.
    """
    got = b""
    while b"\r\n\r\n" not in got:
        got += _more(line)
    head, _, body = got.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += _more(line)
    return Answer(int(first.split()[1]), headers, json.loads(body) if body else None)


def _more(line: socket.socket) -> bytes:
    piece = line.recv(65536)
    if not piece:
        raise ConnectionError("the connection ended before the answer did")
    return piece
