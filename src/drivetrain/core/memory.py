"""The memory this process may use, and sizes as people write them."""

from __future__ import annotations

import ctypes
import os
import re
from functools import cache
from pathlib import Path

from .errors import UsageError

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Read a size such as 512M, 2G or 1.5GiB as bytes; units are powers of 1024.

    >>> parse_size("512M"), parse_size("1.5 GiB")
    (536870912, 1610612736)

    Raises:
        UsageError: it is no size.
    """
    found = _SIZE.fullmatch(text.strip())
    size = int(float(found[1]) * UNITS[found[2].upper()]) if found else 0
    if not size:
        raise UsageError(f"{text[:40]!r} is no size; write it such as 512M or 2G")
    return size


def shown_size(size: int) -> str:
    """Write a size in one unit, rounded up to whole MiB.

    >>> shown_size(300 << 20), shown_size(5 << 29)
    ('300 MiB', '2.5 GiB')
    """
    mebibytes = (size + (1 << 20) - 1) >> 20
    return f"{mebibytes} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.3g} GiB"


def available_memory(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes this process may use: the machine's, or a container's limit where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 4 << 30
    # Control groups: first the file of version 2, then that of version 1.
    for file in (cgroup / "memory.max", cgroup / "memory" / "memory.limit_in_bytes"):
        try:
            limit = int(file.read_text())
        except (OSError, ValueError):
            continue  # not Linux, or no limit ("max")
        if limit > 0:
            return min(total, limit)
    return total


def resident_memory() -> int:
    """Bytes of memory this process holds now, 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


# The system gives blocks of this size and more one by one, and takes them back as soon as they are free.
OWN_BLOCK_BYTES = 4 << 20
# glibc keeps this much free at the end of each thread's share of the heap, so that one ordinary picture after another needs
# no new pages. It must be set beside the size above: setting that one alone leaves 128 KiB here, and every image of a few
# hundred pixels then costs hundreds of page faults, a tenth of all the time that a server spends on it.
KEPT_FREE_BYTES = OWN_BLOCK_BYTES
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def return_large_blocks() -> None:
    """Make the C library give large blocks back to the system at once, for the life of this process.

    Left to itself glibc keeps up to 32 MiB of each size in each thread's share of the heap, so that a server that has
    decoded large pictures in several threads holds several times what it needs. Elsewhere nothing happens.
    """
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_MMAP_THRESHOLD, OWN_BLOCK_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, KEPT_FREE_BYTES)


def return_free_memory() -> None:
    """Give back to the system what lies free between smaller blocks; takes some milliseconds. Elsewhere nothing happens."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
        return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
    except (OSError, TypeError):  # Windows has no such library to ask
        return None
