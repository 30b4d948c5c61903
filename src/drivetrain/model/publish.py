"""Publishing a finished folder in the place of another in one step: a reader sees the old one or the new one."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ..core.errors import UsageError

# Flags that swap two names, from linux/fs.h and sys/stdio.h.
_RENAME_EXCHANGE = 2
_RENAME_SWAP = 2
_AT_FDCWD = -100

# The most tries: several processes may publish to one name, and at each turn one of them gets through.
_TURNS = 100


def check_place(out: Path, target: Path) -> None:
    """Check that ``target``, which a person called ``out``, may be written to; it need not be there yet.

    Raises:
        UsageError: a file stands where a folder has to be, or writing is not allowed.
    """
    nearest = next(parent for parent in target.parents if parent.exists())
    if not nearest.is_dir():
        raise UsageError(f"cannot write {out}: {nearest} is a file, not a folder; choose another place with --out")
    if not os.access(nearest, os.W_OK):
        raise UsageError(f"cannot write to {nearest}; choose a folder of your own with --out")


def publish(new: Path, target: Path, swap: Callable[[Path, Path], bool] | None = None) -> None:
    """Rename the folder ``new`` to ``target``. What stood there is afterwards at ``new``, or beside it as ``old-…``.

    ``swap`` is `exchange` unless given.

    Raises:
        OSError: it cannot be done; ``target`` is then as it was.
    """
    for turn in range(_TURNS):
        if _renamed(new, target):
            return
        try:
            if (swap or exchange)(new, target) or _stepped_aside(new, target, new.with_name(f"old-{turn}")):
                return
        except FileNotFoundError:
            continue  # another process has just moved the old folder away
    raise OSError(errno.EBUSY, "other processes keep writing to it")


def _renamed(new: Path, target: Path) -> bool:
    """Rename, unless a folder with something in it stands there."""
    try:
        new.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) or (os.name == "nt" and target.is_dir()):
            return False
        raise
    return True


def exchange(a: Path, b: Path) -> bool:
    """Swap two names in one step; False where the system or the file system cannot.

    Raises:
        OSError: it could, but one of the names is missing or may not be changed.
    """
    names = os.fsencode(a), os.fsencode(b)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux":
            failed = libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
        elif sys.platform == "darwin":
            failed = libc.renamex_np(*names, _RENAME_SWAP)
        else:
            return False
    except (AttributeError, OSError, TypeError):
        return False  # the C library is old, or lacks the call
    if not failed:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM):
        return False
    raise OSError(code, os.strerror(code), str(b))


def _stepped_aside(new: Path, target: Path, old: Path) -> bool:
    """Swap in two steps: if killed between them, the old bundle is left whole as ``old``, and none at ``target``.

    False where another process was quicker with the second step.
    """
    target.rename(old)
    try:
        return _renamed(new, target)
    except OSError:
        old.rename(target)
        raise
