"""The addresses that gave no picture, remembered beside the folder's items, so that a later run does not ask again.

A hidden file: it holds nothing that a reader of the data needs, and may be lost without harm.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from ...core.plain_file import read_plain
from .refusal import NotFetchedError

FILE = ".gather-refused.jsonl"


class Refusals:
    """The addresses refused for good, by the reason."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._reasons: dict[str, str] = {}
        with suppress(FileNotFoundError):
            for line in read_plain(self._path).splitlines():
                with suppress(ValueError, KeyError, TypeError):  # half a line of a run that was killed
                    found = json.loads(line)
                    self._reasons[found["url"]] = found["reason"]

    def reason(self, url: str) -> str | None:
        """The reason why an address was refused before; None where it was not."""
        return self._reasons.get(url)

    def add(self, url: str, error: NotFetchedError) -> None:
        """Remember an address, unless it may be otherwise another day."""
        if error.passing or url in self._reasons:
            return
        self._reasons[url] = error.reason
        line = json.dumps({"url": url, "reason": error.reason, "detail": error.detail}) + "\n"
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)
