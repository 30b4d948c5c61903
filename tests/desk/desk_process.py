"""A desk in a process of its own, as people start it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tiny_backbone import TINY

START_S = 120.0
MARK_S = 30.0


@dataclass(frozen=True)
class DeskProcess:
    """A desk that answers at ``address``."""

    process: subprocess.Popen[str]
    address: str
    folder: Path

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.address.rpartition(":")[2])

    def get(self, path: str, **query: Any) -> Any:
        """Return what the desk answers to a question."""
        answer = httpx.get(f"{self.address}{path}", params=query, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def mark(self, item: str, to: Any, by: str, seen: str | None = None) -> Any:
        """Change an item as another page would."""
        change = {"id": item, "to": to, "why": "", "how": "assisted", "seen": seen}
        answer = httpx.post(f"{self.address}/v1/desk/edits", json={"by": by, "changes": [change]}, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def logged(self) -> list[dict[str, Any]]:
        """Return the edits on disk, the oldest first."""
        log = self.folder / "edits.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [line for line in map(json.loads, lines) if line["kind"] == "edit"]

    def logged_in_time(self, n: int) -> list[dict[str, Any]]:
        """Wait for as many edits on disk, and return them."""
        deadline = time.monotonic() + MARK_S
        while len(found := self.logged()) < n and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def surveyed(self) -> None:
        """Wait until the set has been looked at."""
        deadline = time.monotonic() + START_S
        while self.get("/v1/desk")["ranking"]["version"] == 0:
            assert time.monotonic() < deadline, "the survey takes too long"
            time.sleep(0.1)


@contextmanager
def cleaning(folder: Path, cache: Path, port: int = 0) -> Iterator[DeskProcess]:
    """``drivetrain clean`` on a folder until the end of the block; what it says besides goes to ``cache/log``."""
    cache.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "drivetrain", "clean", str(folder), "--json", "--no-open", "--port", str(port)]
    command += ["--backbone", TINY, "--cache", str(cache)]
    with (cache / "log").open("a", encoding="utf-8") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, start_new_session=True)
    try:
        desk = DeskProcess(process, str(_first_document(process, cache / "log")["address"]), folder)
        desk.surveyed()
        yield desk
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _first_document(process: subprocess.Popen[str], log: Path) -> dict[str, Any]:
    """Return the JSON document that the command prints when it listens."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        try:
            found = json.loads(text)
        except json.JSONDecodeError:
            continue
        assert isinstance(found, dict)
        return found
    raise AssertionError(f"the desk ended with {process.wait()}: {log.read_text(encoding='utf-8')}")
