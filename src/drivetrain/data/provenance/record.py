"""The record of where a folder's items came from: ``provenance.jsonl``, which only ever grows.

A line is on disk before anybody is told so. A program that is killed while it writes leaves half a line; it is passed over
in reading, and cut off before the next line is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from ...core.confined import check_at_home
from ...core.errors import SourceError, UsageError
from ...core.file_lock import locked
from ...core.plain_file import check_writable, read_plain
from .codec import from_line, to_line
from .line import FILE, Provenance

BLOCK = 1 << 16
"""Bytes in which the end of the file is looked through."""


def read_record(folder: Path) -> tuple[Provenance, ...]:
    """Read the lines of a folder's record, in the order of their writing; none where it has no record.

    Raises:
        SourceError: it cannot be read, or a line is no provenance; says which.
    """
    path = folder / FILE
    try:
        text = read_plain(path)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}; check its permissions") from None
    found = []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            break  # half a line, whose writer was killed
        if not line.strip():
            continue
        try:
            found.append(from_line(line.decode("utf-8")))
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"{path}, line {number}, is no provenance ({error}); correct the line, or take it out"
            ) from None
    return tuple(found)


class ProvenanceRecord:
    """A folder's record, open for adding lines. One writer at a time has it."""

    def __init__(self, folder: Path) -> None:
        """Open the record, or begin one, in a folder that exists.

        Raises:
            SourceError: what is there cannot be read.
            UsageError: another program is writing it.
            OSError: it cannot be written.
        """
        path = folder / FILE
        check_at_home(path)
        check_writable(path)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        with ExitStack() as stack:
            stack.callback(os.close, self._file)
            try:
                stack.enter_context(locked(self._file, 0))
            except TimeoutError:
                raise UsageError(f"another program is adding to {folder}; wait until it has ended") from None
            self.lines = list(read_record(folder))
            _cut_half_a_line(self._file)
            self._held = stack.pop_all()

    def add(self, lines: Iterable[Provenance]) -> None:
        """Add lines; they are on disk when this returns."""
        new = list(lines)
        data = "".join(map(to_line, new)).encode()
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)
        self.lines += new

    def close(self) -> None:
        """Let go of the file."""
        self._held.close()


def _cut_half_a_line(file: int) -> None:
    """Cut off what stands behind the last end of a line."""
    size = os.lseek(file, 0, os.SEEK_END)
    end = size
    while end:
        begin = max(end - BLOCK, 0)
        os.lseek(file, begin, os.SEEK_SET)
        last = os.read(file, end - begin).rfind(b"\n")
        if last >= 0:
            end = begin + last + 1
            break
        end = begin
    if end < size:
        os.ftruncate(file, end)
