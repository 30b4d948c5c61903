"""A lock on an open file, by which processes take turns in writing it.

On POSIX it is that of flock, which belongs to the opened file: threads that each open the file take turns, too, and the system
frees it when a process dies, however it dies. On Windows it is a lock on one byte far behind the end, as locked bytes cannot
be read there.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE_S = 0.002
LONGEST_S = 60.0
"""Seconds after which waiting is given up: whoever holds the lock so long is stopped, not busy."""

_TAKEN = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})

if sys.platform == "win32":
    import msvcrt

    _BYTE = 1 << 62

    def _try(file: int) -> None:
        here = os.lseek(file, 0, os.SEEK_CUR)
        os.lseek(file, _BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(file, here, os.SEEK_SET)

    def _free(file: int) -> None:
        here = os.lseek(file, 0, os.SEEK_CUR)
        os.lseek(file, _BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
        os.lseek(file, here, os.SEEK_SET)
else:
    import fcntl

    def _try(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _free(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


@contextmanager
def locked(file: int, longest_s: float = LONGEST_S) -> Iterator[None]:
    """Hold the lock on an open file, given by its descriptor, while nobody else does.

    Raises:
        TimeoutError: somebody else held it all the time.
        OSError: the file system has no locks.
    """
    turns = max(1, round(longest_s / PAUSE_S))
    for turn in range(turns):
        try:
            _try(file)
            break
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            if turn == turns - 1:
                raise TimeoutError(errno.ETIMEDOUT, "another process holds its lock") from None
        time.sleep(PAUSE_S)
    try:
        yield
    finally:
        _free(file)
