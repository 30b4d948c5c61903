"""Decoded pictures, kept in memory from one epoch to the next, as far as a number of bytes goes.

A kept picture must be what decoding the file would give now, to the bit. So it is kept for one file as it was (size and
times, from one ``stat``) and for one scale: a random crop may want a JPEG at a half in one epoch and at a quarter in the
next. The scale follows from the size as stored, which is kept beside the picture, so that a file is not opened again to
find out. Kept are bytes, 3 a pixel (1 in grey), which nobody can draw on; whoever asks gets an image of their own.

What is full stays full: nothing is pushed out to make room. An epoch visits every file once, so whatever was used least
recently is needed before anything that was used since; a store that drops it (LRU) would drop each picture just before
its turn and find nothing at all, whereas one that stands still finds its share in every epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from PIL import Image

from ...core.errors import ImageError, InputError
from .decode import DecodeSize, reduction

KEEP_BYTES = 1 << 30
"""The bytes a run keeps unless told otherwise."""

# Bytes that Python's objects around one picture take, rounded up.
ENTRY_BYTES = 1 << 10

Make = Callable[[DecodeSize], Image.Image]
Stamp = tuple[int, int, int]
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Picture:
    """An image of mode RGB or L, packed."""

    mode: str
    size: Size
    info: dict[Any, Any]
    pixels: bytes

    def image(self) -> Image.Image:
        image = Image.frombytes(self.mode, self.size, self.pixels)
        image.info = deepcopy(self.info)
        return image


@dataclass(frozen=True, slots=True)
class _Failure:
    """The reason why a file's bytes are not a picture."""

    reason: str
    detail: str


@dataclass(slots=True)
class _File:
    """The pictures kept of one file, by scale; a decoder that never asks for a size decodes at scale 1 whatever is wanted."""

    stamp: Stamp
    asked: Size | None
    kept: dict[int, _Picture | _Failure] = field(default_factory=dict)
    n_bytes: int = 0


class DecodedStore:
    """Pictures by file and scale, at most ``limit_bytes`` of them; 0 keeps nothing. Any number of threads may ask."""

    def __init__(self, limit_bytes: int = KEEP_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._files: dict[tuple[Hashable, Path], _File] = {}
        self._n_bytes = 0
        self._lock = Lock()

    @property
    def n_bytes(self) -> int:
        """Bytes kept now, Python's own included (as an estimate from above); never more than ``limit_bytes``."""
        return self._n_bytes

    def __len__(self) -> int:
        """The number of files of which something is kept."""
        return len(self._files)

    def __repr__(self) -> str:
        return f"<{len(self)} files decoded, {self.n_bytes >> 20} of {self.limit_bytes >> 20} MiB>"

    def picture(self, path: Path, maker: Hashable, decode_size: DecodeSize, make: Make) -> Image.Image:
        """Return ``make(decode_size)``, or the picture it gave before at this scale for the same, unchanged file.

        ``make`` reads the file, gives an image of mode RGB or L, and must give the same one for the same file and scale;
        ``maker`` says which of several ways of making it this is. Of a file that is no longer there nothing is kept:
        it is missing, with a store as without. That the bytes of a file are no usable image is kept like a picture; what
        may pass (`ImageError.PASSING`) is not.

        Raises:
            ImageError: as ``make`` does.
        """
        if not self.limit_bytes:
            return make(decode_size)
        # The stamp is taken before the file is read: if the file changes meanwhile, the stamp is too old, and the kept picture is
        # never used.
        stamp = _stamp(path)
        found = self._find((maker, path), stamp, decode_size)
        if isinstance(found, _Picture):
            return found.image()
        if found is not None:
            raise ImageError(found.reason, found.detail)
        if stamp is None:
            return make(decode_size)

        asked: Size | None = None
        scale = 1

        def noting(width: int, height: int) -> Size | None:
            nonlocal asked, scale
            smallest = decode_size(width, height)
            asked, scale = (width, height), reduction((width, height), smallest)
            return smallest

        try:
            image = make(noting)
        except InputError as error:
            if error.reason not in ImageError.PASSING:
                failure = _Failure(error.reason, error.detail)
                self._keep((maker, path), stamp, asked, scale, ENTRY_BYTES + _weight(error.detail), lambda: failure)
            raise
        n_bytes = ENTRY_BYTES + image.width * image.height * len(image.mode) + _weight(image.info)
        if image.mode in ("RGB", "L"):
            self._keep((maker, path), stamp, asked, scale, n_bytes, lambda: _packed(image))
        return image

    def _find(
        self, key: tuple[Hashable, Path], stamp: Stamp | None, decode_size: DecodeSize
    ) -> _Picture | _Failure | None:
        with self._lock:
            file = self._files.get(key)
            if file is None:
                return None
            if file.stamp != stamp:
                self._drop(key)
                return None
        scale = 1 if file.asked is None else reduction(file.asked, decode_size(*file.asked))
        return file.kept.get(scale)

    def _keep(
        self,
        key: tuple[Hashable, Path],
        stamp: Stamp,
        asked: Size | None,
        scale: int,
        n_bytes: int,
        pack: Callable[[], _Picture | _Failure],
    ) -> None:
        if self._n_bytes + n_bytes > self.limit_bytes:
            return
        packed = pack()  # packing takes as long as a copy, so it happens outside the lock
        with self._lock:
            file = self._files.get(key)
            if file is not None and (file.stamp != stamp or file.asked != asked):
                self._drop(key)
                file = None
            if self._n_bytes + n_bytes > self.limit_bytes:
                return
            if file is None:
                file = self._files[key] = _File(stamp, asked)
            if scale not in file.kept:  # another thread may have kept the same file meanwhile
                file.kept[scale] = packed
                file.n_bytes += n_bytes
                self._n_bytes += n_bytes

    def _drop(self, key: tuple[Hashable, Path]) -> None:
        self._n_bytes -= self._files.pop(key).n_bytes


def _stamp(path: Path) -> Stamp | None:
    """A stamp that changes when the file does; None: there is no such file. Its last part also tells a copy with the old
    dates."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: the path contains a null character
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _packed(image: Image.Image) -> _Picture:
    return _Picture(image.mode, image.size, deepcopy(image.info), image.tobytes())


def _weight(value: object) -> int:
    """Estimate from above the bytes of a picture's metadata (EXIF, colour profile)."""
    match value:
        case dict():
            return 256 + sum(_weight(part) for pair in value.items() for part in pair)
        case list() | tuple():
            return 128 + sum(_weight(part) for part in value)
        case bytes() | bytearray():
            return 64 + len(value)
        case str():
            return 128 + 4 * len(value)
    return 64
