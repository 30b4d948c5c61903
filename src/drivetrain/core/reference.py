"""The place of an item's bytes: a file of this machine, or anything else that has a name and gives bytes.

A `pathlib.Path` is a reference to the file there, and is opened with the care of `drivetrain.core.plain_file`. A reference to
an object in a bucket, say, is a small frozen class with a ``name`` and ``read_bytes``.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Protocol, runtime_checkable

from .errors import InputError
from .local_path import not_local
from .plain_file import read_plain

MAX_BYTES = 512 << 20
"""The most bytes of one item: no camera writes as many, and a reader holds them all in memory."""


@runtime_checkable
class Reference(Protocol):
    """A name for bytes that can also read them. Frozen and hashable: equal references give equal bytes, unless these change."""

    @property
    def name(self) -> str:
        """The last part of the name, with its ending: ``IMG_7.jpg``."""
        ...

    def read_bytes(self) -> bytes:
        """Read all bytes.

        Raises:
            OSError: they cannot be had.
        """
        ...


def read_reference(reference: Reference) -> bytes:
    """Read the bytes, up to `MAX_BYTES`; a path must lead to a regular file, see `read_plain`.

    Raises:
        OSError: they cannot be had, are too many, or it is a pipe, a device or a folder.
    """
    data = read_plain(reference, MAX_BYTES) if isinstance(reference, Path) else reference.read_bytes()
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"more than {MAX_BYTES >> 20} MiB", str(reference.name))
    return data


def read_bounded(place: Reference | str | os.PathLike[str]) -> bytes:
    """Read the bytes of a regular file or another reference, up to `MAX_BYTES`.

    Raises:
        InputError: missing, unreadable, too large, or not enough memory just now.
    """
    try:
        if not isinstance(place, str | os.PathLike):
            data = place.read_bytes()
            _check_size(len(data))
            return data
        _check_size(os.stat(place).st_size)  # noqa: PTH116  # as it was given: a Path would change an address
        return read_plain(place, MAX_BYTES)
    except FileNotFoundError:
        address = not_local(os.fspath(place)) if isinstance(place, str | os.PathLike) else None
        raise InputError("missing", address or "no such file") from None
    except (OSError, ValueError) as error:  # ValueError: the path contains a null character
        raise InputError("unreadable", getattr(error, "strerror", None) or str(error)) from None
    except MemoryError:
        raise InputError("out of memory", "not enough memory to read it") from None


def local_file(reference: Reference) -> Path | None:
    """The file of this machine that a reference names; None where it names something else."""
    return reference if isinstance(reference, Path) else None


def size_of(reference: Reference) -> int:
    """The size in bytes where it is known without reading: that of a file that is there, else 0."""
    try:
        return reference.stat().st_size if isinstance(reference, Path) else 0
    except (OSError, ValueError):  # ValueError: the path contains a null character
        return 0


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise InputError("too large", f"{size >> 20} MiB; at most {MAX_BYTES >> 20} MiB")
