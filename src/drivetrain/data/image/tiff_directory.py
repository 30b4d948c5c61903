"""A directory of a TIFF: the tags of one picture, read with bounds."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ImageError
from .tiff_tags import MAX_TAGS, POINTERS, TYPE_BYTES

# NumPy's code of a number by its type.
KINDS = {
    1: "u1",
    3: "u2",
    4: "u4",
    6: "i1",
    8: "i2",
    9: "i4",
    11: "f4",
    12: "f8",
    13: "u4",
    16: "u8",
    17: "i8",
    18: "u8",
}
# A tag that says what a picture is of others in the file, and its bit for a smaller copy of another.
SUBFILE_TYPE, OLD_SUBFILE_TYPE, REDUCED, MASK = 254, 255, 1, 4
# XMP and the colour profile, which are bytes; and the tag that nobody knows.
TEXTS = frozenset({700, 34675})
UNKNOWN_TAG = 65535
# An offset beyond every file.
FAR = 1 << 62
# The most pictures that are passed over in search of one of full size.
MAX_PAGES = 64


@dataclass(frozen=True, slots=True)
class Directory:
    """One picture's tags: where each has its values."""

    data: bytes
    order: Literal["<", ">"]
    places: dict[int, tuple[int, int, int]]
    """Tag → (type, count, offset of its values in the file)."""
    place: int
    """The offset of the directory."""
    next: int
    """The offset of the next directory; 0: this is the last."""

    def count(self, tag: int) -> int:
        """The count of values that a tag has; 0: there is no such tag."""
        return self.places[tag][1] if tag in self.places else 0

    def numbers(self, tag: int, most: int) -> NDArray[np.int64]:
        """Read the whole numbers of a tag, at most ``most``, and no more than the file holds."""
        kind, count, at = self.places.get(tag, (3, 0, 0))
        if kind not in KINDS:
            return np.zeros(0, np.int64)
        dtype = np.dtype(f"{self.order}{KINDS[kind]}")
        count = min(count, most, max(0, len(self.data) - at) // dtype.itemsize)
        found = np.frombuffer(self.data, dtype, count, at)
        if found.dtype.kind == "u" and dtype.itemsize == 8:
            found = np.minimum(found, np.uint64(FAR))
        whole: NDArray[np.int64] = found.astype(np.int64)
        return whole

    def number(self, tag: int, default: int) -> int:
        """Read the first number of a tag."""
        found = self.numbers(tag, 1)
        return int(found[0]) if len(found) else default

    def fractions(self, tag: int, most: int) -> tuple[float, ...]:
        """Read the fractions of a tag, or its whole numbers; infinity for those that divide by nothing."""
        kind, count, at = self.places.get(tag, (3, 0, 0))
        if kind not in (5, 10):
            return tuple(map(float, self.numbers(tag, most)))
        count = min(count, most, max(0, len(self.data) - at) // 8)
        pairs = np.frombuffer(self.data, f"{self.order}{'u4' if kind == 5 else 'i4'}", 2 * count, at).reshape(-1, 2)
        return tuple(int(above) / int(below) if below else float("inf") for above, below in pairs)

    def bytes(self, tag: int, most: int | None = None) -> bytes:
        """Read a tag's values as bytes; nothing where they do not lie within the file."""
        kind, count, at = self.places.get(tag, (1, 0, 0))
        if kind not in (1, 2, 7) or at + count > len(self.data) or (most is not None and count > most):
            return b""
        return self.data[at : at + count]


def first_directory(data: bytes) -> Directory:
    """Read the tags of the first picture that is no smaller copy of another, nor a mask; of the first, where all are.

    Raises:
        struct.error: the directory lies beyond the file.
    """
    at = first = first_place(data)
    seen = {0}
    for _ in range(MAX_PAGES):
        if at in seen:
            break
        seen.add(at)
        try:
            directory = _directory(data, at)
        except struct.error:
            break
        if not _is_copy(directory):
            return directory
        at = directory.next
    return _directory(data, first)


def _is_copy(directory: Directory) -> bool:
    return bool(directory.number(SUBFILE_TYPE, 0) & (REDUCED | MASK)) or directory.number(OLD_SUBFILE_TYPE, 0) == 2


def _order(data: bytes) -> Literal["<", ">"]:
    return ">" if data.startswith(b"MM") else "<"


def is_big(data: bytes) -> bool:
    """Tell whether a TIFF has offsets of 64 bits."""
    return 43 in data[2:4]


def first_place(data: bytes) -> int:
    """Read where the first directory lies."""
    at: int = struct.unpack_from(
        f"{_order(data)}Q" if is_big(data) else f"{_order(data)}I", data, 8 if is_big(data) else 4
    )[0]
    return at


def _directory(data: bytes, at: int) -> Directory:
    order, big = _order(data), is_big(data)
    place = at
    (count,) = struct.unpack_from(f"{order}Q" if big else f"{order}H", data, at)
    if count > MAX_TAGS:
        raise ImageError("damaged", f"a TIFF with a directory of {count} tags; at most {MAX_TAGS}")
    at += 8 if big else 2
    form, step, room = (f"{order}HHQQ", 20, 8) if big else (f"{order}HHII", 12, 4)
    places: dict[int, tuple[int, int, int]] = {}
    for _ in range(count):
        tag, kind, values, offset = struct.unpack_from(form, data, at)
        inside = values * TYPE_BYTES.get(kind, 1) <= room
        places[tag] = kind, values, at + step - room if inside else offset
        at += step
    following = data[at : at + room]
    return Directory(data, order, places, place, int.from_bytes(following, "little" if order == "<" else "big"))


def beginning_with(data: bytes, place: int) -> bytes:
    """The file with the directory at ``place`` as its first, and without tags that lead astray; ``data`` itself where it is.

    Left out are directories within the directory (EXIF, GPS) that cannot be read, and texts that are none: neither is needed.
    """
    order, big = _order(data), is_big(data)
    size, at = (8, 8) if big else (4, 4)
    astray = _astray(data, place)
    if first_place(data) == place and not astray:
        return data
    copy = bytearray(data)
    copy[at : at + size] = place.to_bytes(size, "little" if order == "<" else "big")
    for entry in astray:
        struct.pack_into(f"{order}H", copy, entry, UNKNOWN_TAG)
    return bytes(copy)


def _astray(data: bytes, place: int) -> list[int]:
    """Find the places of the directory's entries for directories that cannot be read, and for texts that are none."""
    order, big = _order(data), is_big(data)
    found = []
    try:
        (count,) = struct.unpack_from(f"{order}Q" if big else f"{order}H", data, place)
        for number in range(min(count, MAX_TAGS)):
            at = place + ((8 + 20 * number) if big else (2 + 12 * number))
            tag, kind = struct.unpack_from(f"{order}HH", data, at)
            if tag in POINTERS:
                (inner,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", data, at + (12 if big else 8))
                if kind not in (4, 13, 16, 18) or not _is_directory(data, inner):
                    found.append(at)
            elif tag in TEXTS and kind not in (1, 2, 7):
                found.append(at)
    except (struct.error, OverflowError):
        pass  # the directory is cut short, which its reader says
    return found


def _is_directory(data: bytes, at: int) -> bool:
    """Tell whether a directory lies at an offset: its tags fit into the file and are of types that exist."""
    try:
        directory = _directory(data, at)
    except (ImageError, struct.error, OverflowError):
        return False
    return all(1 <= kind <= 18 for kind, _, _ in directory.places.values())
