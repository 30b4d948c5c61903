"""A journal of what was sent, so that a sender that was interrupted goes on where it stopped without reading all of it again.

It saves work and nothing more: a server knows a case by its key, so that without a journal nothing is taken twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class Journal:
    """A file of one JSON line for each thing that the server has taken."""

    def __init__(self, path: Path) -> None:
        """``path`` need not be there yet."""
        self._path = path
        self._lock = threading.Lock()
        self.kept = True
        """Tells whether it could be written."""

    @classmethod
    def of(cls, folder: Path, *what: str) -> Journal:
        """Return the journal of one thing that is sent to one place."""
        name = hashlib.sha256("\n".join(what).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return cls(folder / f"{name}.jsonl")

    def lines(self) -> Iterator[Mapping[str, Any]]:
        """Yield what is written in it; a last line that was cut short is no line."""
        try:
            with self._path.open("rb") as file:
                for line in file:
                    try:
                        read = json.loads(line)
                    except ValueError:
                        continue
                    if isinstance(read, dict):
                        yield read
        except OSError:
            return

    def add(self, line: Mapping[str, Any]) -> None:
        """Write a line. A disk that takes none is no reason to stop: then the next run asks the server of everything."""
        data = json.dumps(line).encode() + b"\n"
        try:
            with self._lock:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                # One write to the end: two senders of the same folder do not cut each other's lines.
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                try:
                    os.write(descriptor, data)
                finally:
                    os.close(descriptor)
        except OSError:
            self.kept = False

    def clear(self) -> None:
        """Forget everything."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            self.kept = False
