"""Opening a file that somebody named: only a regular one, so that nobody can be kept waiting.

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

# A pipe that takes the file's place between the look and the opening must not be waited for either.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)


def open_plain(path: str | os.PathLike[str]) -> io.BufferedReader:
    """The file at ``path``, links followed, open for reading bytes.

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
    """All bytes of the file at ``path``; of one that is longer, ``most`` and one more, by which to know.

    Raises:
        OSError: as `open_plain`.
    """
    with open_plain(path) as file:
        if most is None:
            return file.read()
        # A read of so many bytes takes the memory for them first, whatever there is to read.
        size = min(most, os.fstat(file.fileno()).st_size)
        data = file.read(size + 1)
        return data if len(data) <= size or size == most else data + file.read(most - size)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Whether a file can be written to ``path``, links followed, as far as what stands there goes: a regular file or nothing.

    Raises:
        OSError: it is a folder, pipe, socket or device, or cannot be looked at.
    """
    try:
        status = os.stat(path)  # noqa: PTH116  # as above
    except FileNotFoundError:
        return
    _check(status, path)


def write_plain(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file, in a folder that is made if need be; what stands there before is replaced.

    Raises:
        OSError: it cannot be written, or as `check_writable`.
    """
    check_writable(path)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags & ~os.O_TRUNC | _AT_ONCE, 0o666)) as file:
        _check(os.fstat(file.fileno()), path)
        file.truncate()
        file.write(data)


def _check(status: os.stat_result, path: str | os.PathLike[str]) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        # A folder has a number of its own, by which callers may know it; the words are ours.
        number = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
        raise OSError(number, f"it is {_KINDS.get(kind, 'something else')}, not a file", os.fspath(path))
