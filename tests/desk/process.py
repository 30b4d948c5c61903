"""A desk in a process of its own, as people start it, that is killed while somebody marks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from drivetrain.data.edits.log import EditLog

START_S = 120.0
FATES = ("keep", "remove", "open")


@dataclass(frozen=True)
class RunningDesk:
    """A desk that answers at ``address``."""

    process: subprocess.Popen[str]
    told: dict[str, Any]
    client: httpx.Client

    @property
    def address(self) -> str:
        """http://host:port."""
        return str(self.told["address"])

    def state(self) -> dict[str, Any]:
        """The desk at a glance."""
        found: dict[str, Any] = self.client.get("/v1/desk").json()
        return found

    def until_ready(self, seconds: float = START_S) -> dict[str, Any]:
        """Until the set has been surveyed."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.state()
            if found["ranking"]["state"] == "ready":
                return found
            assert found["ranking"]["state"] != "failed", found["ranking"]["problem"]
            time.sleep(0.05)
        raise AssertionError(found)

    def until_listed(self, seconds: float = START_S) -> dict[str, dict[str, Any]]:
        """Until there are items to mark, which is before the set has been ranked; every item by its id."""
        until = time.monotonic() + seconds
        while self.client.get("/v1/desk/items?limit=1").status_code == 503:
            assert time.monotonic() < until, "the survey takes too long"
            time.sleep(0.05)
        return self.items()

    def items(self) -> dict[str, dict[str, Any]]:
        """Every item by its id."""
        found: dict[str, dict[str, Any]] = {}
        while page := self.client.get(f"/v1/desk/items?order=name&limit=500&offset={len(found)}").json()["items"]:
            found |= {item["id"]: item for item in page}
        return found


@contextmanager
def running_desk(source: Path, cache: Path, *flags: str) -> Iterator[RunningDesk]:
    """``drivetrain clean`` on a free port until the end of the block; it may be dead by then."""
    given = ["--json", "--no-open", *(() if "--port" in flags else ("--port", "0")), *flags]
    process = subprocess.Popen(
        [sys.executable, "-m", "drivetrain", "clean", str(source), *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DRIVETRAIN_CACHE": str(cache)},
    )
    try:
        told = _first_document(process)
        with httpx.Client(base_url=told["address"], timeout=60) as client:
            yield RunningDesk(process, told, client)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _first_document(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    text = ""
    while line := process.stdout.readline():
        text += line
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError:
            continue
        return found
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


@dataclass
class Marking:
    """Somebody who marks one item after the other, and remembers what was acknowledged."""

    address: str
    ids: Sequence[str]
    first: int
    acknowledged: dict[str, tuple[str, str]]
    """Item → the fate asked for, and the id of the edit that was acknowledged."""
    unanswered: str | None = None
    """The item whose request got no answer: it may have been written or not."""

    def run(self) -> None:
        """Mark until the server is gone."""
        number = self.first
        with httpx.Client(base_url=self.address, timeout=60) as client:
            while True:
                item, to = self.ids[number % len(self.ids)], FATES[number % 3]
                self.unanswered = item
                try:
                    answer = client.post(
                        "/v1/desk/edits", json={"by": "ann", "changes": [{"id": item, "to": to}]}
                    ).raise_for_status()
                except httpx.TransportError:
                    return
                self.acknowledged[item] = to, answer.json()["edits"][0]["id"]
                self.unanswered = None
                number += 1


def kill_while_marking(source: Path, cache: Path, moments_s: Sequence[float], *flags: str) -> int:
    """Kill a desk that many times, each time so long after marking began; the number of acknowledged edits.

    After each kill the log is read here, and the next desk is asked.

    Raises:
        AssertionError: one of them was lost.
    """
    fates = {"keep": "kept", "remove": "removed", "open": "open"}
    acknowledged: dict[str, tuple[str, str]] = {}
    unanswered: set[str] = set()
    marked = 0
    for number, moment_s in enumerate([*moments_s, None]):
        with running_desk(source, cache, *flags) as desk:
            items = desk.until_listed()
            logged = {edit.id for edit in EditLog.open(Path(desk.told["log"])).edits}
            for item, (to, edit) in acknowledged.items():
                assert edit in logged, f"lost: {items[item]}"
                if item not in unanswered:  # whose last request may have been written, and nobody was told
                    assert (items[item]["fate"], items[item]["last_edit"]) == (fates[to], edit), f"other: {items[item]}"
            if moment_s is None:
                break
            for item in unanswered & acknowledged.keys():
                del acknowledged[item]
            unanswered.clear()
            marking = Marking(desk.address, sorted(items), number * 17, {})
            thread = threading.Thread(target=marking.run)
            thread.start()
            time.sleep(moment_s)
            desk.process.send_signal(signal.SIGKILL)
            thread.join(60)
            assert not thread.is_alive()
            marked += len(marking.acknowledged)
            acknowledged |= marking.acknowledged
            unanswered |= {marking.unanswered} if marking.unanswered else set()
    return marked
