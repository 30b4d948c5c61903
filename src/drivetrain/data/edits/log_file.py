"""The file of a log: lines of JSON that are only ever appended, by one process at a time.

Lines written at one stroke count once all of them are there. A process that is killed, or a machine that loses power, may
leave part of a stroke behind: nobody was told that it had been kept, so readers pass over it and the next writer cuts it off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.confined import check_at_home
from ...core.errors import DataError
from ...core.file_lock import locked
from ...core.plain_file import not_plain, open_plain
from ..sources.folder import shown
from .line import LEFT, encoded
from .moving import sync_folder

_TAIL = 256
"""Bytes before the place read so far by which a file is known to be the same still."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log; ``number`` counts from 1."""

    number: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class News:
    """The lines that were not read before; ``anew`` where the file is another one, and they are all of it."""

    lines: tuple[Line, ...]
    anew: bool = False


class LogFile:
    """A log on disk, as far as it has been read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None
        self._read_bytes = 0
        self._read_lines = 0
        self._tail = b""

    @property
    def title(self) -> str:
        """The path as messages show it."""
        return shown(str(self.path))

    def news(self) -> News:
        """Read the lines that were written since; none where there is no file.

        Raises:
            DataError: it cannot be read, or a line is no JSON object; says which.
        """
        try:
            with open_plain(self.path) as file:
                return self._news(file.fileno())
        except FileNotFoundError:
            anew = self._identity is not None
            self._begin(None)
            return News((), anew)
        except OSError as error:
            raise DataError(
                f"cannot read {self.title}: {error.strerror or error}; check its permissions, or read the data as they lie "
                "with --no-edits (edits=False)"
            ) from None

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Keep other writers out; the file is made if it is not there.

        Raises:
            DataError: it cannot be written to, or another process keeps it locked.
        """
        try:
            created = not self.path.exists()
            file = self._opened()
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            with self._locked(file):
                if created:
                    sync_folder(self.path.parent)
                yield Writer(self, file)
        finally:
            os.close(file)

    @contextmanager
    def _locked(self, file: int) -> Iterator[None]:
        holding = locked(file)
        try:
            holding.__enter__()
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            yield
        finally:
            holding.__exit__(None, None, None)

    def _opened(self) -> int:
        if what := not_plain(self.path):
            raise OSError(0, what)
        check_at_home(self.path)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        return os.open(self.path, flags, 0o666)

    def _unwritable(self, error: OSError) -> DataError:
        return DataError(
            f"cannot write {self.title}: {error.strerror or error}; nothing was recorded: make room or give write "
            "permission there, or copy the data to a folder of your own"
        )

    def forget(self) -> None:
        """Have `news` begin at the first line again."""
        self._begin(None)

    def _begin(self, identity: tuple[int, int] | None) -> None:
        self._identity, self._read_bytes, self._read_lines, self._tail = identity, 0, 0, b""

    def _news(self, file: int) -> News:
        status = os.fstat(file)
        identity = (status.st_dev, status.st_ino)
        known = self._identity
        data = _read_from(file, self._read_bytes - len(self._tail)) if known == identity else b""
        # A file that was cut and written again may be as long as before.
        anew = known is not None and (known != identity or not data.startswith(self._tail))
        if anew or known is None:
            self._begin(identity)
            data = _read_from(file, 0)
        data = data[len(self._tail) :]
        found, whole = self._parsed(data)
        self._tail = (self._tail + data[:whole])[-_TAIL:]
        self._read_bytes += whole
        self._read_lines += data.count(b"\n", 0, whole)
        return News(tuple(found), anew)

    def _parsed(self, data: bytes) -> tuple[list[Line], int]:
        """The lines of every stroke that is whole, and the number of bytes that they take."""
        found: list[Line] = []
        whole, kept, at = 0, 0, 0
        for place, raw in enumerate(data.split(b"\n")):
            ended = at + len(raw) < len(data)
            if raw.strip():
                line = self._line(raw, self._read_lines + place + 1, ended)
                if line is None:
                    break
                found.append(line)
                if not line.fields.get(LEFT):
                    whole, kept = min(at + len(raw) + 1, len(data)), len(found)
            at += len(raw) + 1
        return found[:kept], whole

    def _line(self, raw: bytes, number: int, ended: bool) -> Line | None:
        """Read a line; None of the last one where it was cut short."""
        try:
            fields = json.loads(raw)
            reason = None if isinstance(fields, dict) else f"it is a JSON {type(fields).__name__}, no object"
        except (ValueError, RecursionError) as error:
            if not ended:
                return None
            reason = f"broken JSON, {error}"
        if reason:
            raise self.refused(number, reason)
        return Line(number, fields)

    def refused(self, number: int, reason: str) -> DataError:
        """The error for a line that is no line of a log."""
        return DataError(
            f"{self.title}, line {number} is no edit ({reason}); correct the line, or take it out, or read the data as they lie "
            "with --no-edits (edits=False)"
        )


class Writer:
    """A log that nobody else can write to."""

    def __init__(self, log: LogFile, file: int) -> None:
        self._log = log
        self._file = file

    def news(self) -> News:
        """Read what others have written since, as `LogFile.news`."""
        return self._log._news(self._file)

    def append(self, lines: Sequence[dict[str, Any]]) -> None:
        """Write lines at one stroke, and return when they would survive a loss of power. `news` then gives them, too.

        Raises:
            DataError: they cannot be written; none of them has been.
        """
        try:
            end = self._repaired()
            try:
                _write_all(self._file, encoded(list(lines)))
                os.fsync(self._file)
            except BaseException:
                os.ftruncate(self._file, end)
                raise
        except OSError as error:
            raise self._log._unwritable(error) from None

    def _repaired(self) -> int:
        """Cut off what is no whole stroke, and end the last line; returns the size."""
        end = self._log._read_bytes
        if os.fstat(self._file).st_size > end:
            os.ftruncate(self._file, end)
        if end and _read_from(self._file, end - 1) != b"\n":
            _write_all(self._file, b"\n")
        return os.fstat(self._file).st_size


def _read_from(file: int, start: int) -> bytes:
    os.lseek(file, start, os.SEEK_SET)
    parts = []
    while part := os.read(file, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
