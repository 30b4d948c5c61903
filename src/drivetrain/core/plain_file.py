"""Opening a file that somebody named: only a regular file, as a pipe or device could keep the program waiting for ever.

To open a pipe waits for a writer or a reader that may never come, to read a device may never end, and to open one can do
things of its own. Every path that comes from a user, a table or a folder is therefore opened here, and those that are to be
written are looked at.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

LOOK = 64 << 10
"""Bytes at either end of a file that say whether it was written here."""

PAGE = b"<!doctype html>"
"""The mark of a report: a page may be replaced by another."""

# Opening does not block: a pipe may take the file's place between the check and the opening.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)


def open_plain(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open the file at ``path`` for reading bytes, following links.

    Raises:
        OSError: there is none, it may not be read, or it is a folder, pipe, socket or device.
    """
    _check(os.stat(path), path)  # noqa: PTH116  # asked a hundred thousand times
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | _AT_ONCE))  # noqa: SIM115
    try:
        _check(os.fstat(file.fileno()), path)
    except OSError:
        file.close()
        raise
    return file


def read_plain(path: str | os.PathLike[str], most: int | None = None) -> bytes:
    """Read the file at ``path``; of a file longer than ``most`` only ``most`` + 1 bytes, so that the caller can tell.

    Raises:
        OSError: as `open_plain`.
    """
    with open_plain(path) as file:
        if most is None:
            return file.read()
        # Python sets memory aside for all bytes asked for, however few there are to read.
        size = min(most, os.fstat(file.fileno()).st_size)
        data = file.read(size + 1)
        return data if len(data) <= size or size == most else data + file.read(most - size)


def not_plain(path: str | os.PathLike[str]) -> str | None:
    """Say what stands at ``path`` where that is no file: ``it is a pipe, not a file``; None where it is one, or nothing."""
    try:
        status = os.stat(path)  # noqa: PTH116  # as above
        _check(status, path)
    except (OSError, ValueError) as error:
        return error.strerror if isinstance(error, OSError) and error.errno in (errno.EISDIR, errno.EINVAL) else None
    return None


def check_writable(path: str | os.PathLike[str], mark: bytes = b"") -> None:
    """Check that ``path`` can be written to: a regular file stands there, links followed, or nothing.

    ``mark``: bytes that stand in the first or last `LOOK` of any file that may be replaced; an empty one may always be.

    Raises:
        OSError: it is a folder, pipe, socket or device, cannot be looked at, may not be written, or is somebody's file, without
            the mark.
    """
    try:
        status = os.stat(path)  # noqa: PTH116  # as above
        _check(status, path)
        if mark and status.st_size and not _has(path, mark):
            raise OSError(errno.EEXIST, "another file stands there and would be lost", os.fspath(path))
        place = Path(path)
    except FileNotFoundError:
        place = next((folder for folder in Path(path).absolute().parents if folder.exists()), Path("/"))
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))


def _has(path: str | os.PathLike[str], mark: bytes) -> bool:
    with open_plain(path) as file:
        if mark in file.read(LOOK):
            return True
        file.seek(-min(LOOK, file.seek(0, os.SEEK_END)), os.SEEK_END)
        return mark in file.read(LOOK)


def write_plain(path: str | os.PathLike[str], data: bytes, mark: bytes = b"") -> None:
    """Write a file, in a folder that is made if need be; what stands there before is replaced, see `check_writable`.

    Raises:
        OSError: it cannot be written, or as `check_writable`.
    """
    check_writable(path, mark)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags & ~os.O_TRUNC | _AT_ONCE, 0o666)) as file:
        _check(os.fstat(file.fileno()), path)
        file.truncate()
        file.write(data)


def _check(status: os.stat_result, path: str | os.PathLike[str]) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        # A folder keeps its own errno (EISDIR), by which callers may know it; the words are ours.
        number = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
        raise OSError(number, f"it is {_KINDS.get(kind, 'something else')}, not a file", os.fspath(path))
