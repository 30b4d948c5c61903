"""The items of an ISO file's `meta` box: of which kind each is, where its bytes lie, what it is made of and described by.

AVIF and HEIF files list their pictures so. Everything here is read without trusting it: a list that claims too much is
refused, as a decoder would go on where this ends.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from ...core.errors import ImageError
from .boxes import Box, boxes

# The most cells of a grid: libavif allows 256 × 256, far more than any camera's, and decodes and holds them all.
MAX_ITEMS = 4096
# Items may overlap in the file, but all together have at most this many times the file's bytes.
MAX_OVERLAP = 4
# The most pieces of one item, which libavif copies together.
MAX_EXTENTS = 1024
# The most references from items to others, and properties of items: a grid names each of its cells.
MAX_REFERENCES = 4 * MAX_ITEMS


class Located(NamedTuple):
    """An item's bytes, as far as the file has them."""

    number: int
    data: bytes
    is_whole: bool


class Cursor:
    """Reads numbers one after the other; past the end it raises `IndexError`."""

    def __init__(self, data: bytes, box: Box) -> None:
        self._data, self._at, self._end = data, box.start, box.end

    def read(self, size: int) -> int:
        """Read an unsigned number of ``size`` bytes."""
        self._at += size
        if self._at > self._end:
            raise IndexError
        return int.from_bytes(self._data[self._at - size : self._at], "big")


def item_kinds(data: bytes, iinf: Box) -> Iterator[tuple[int, bytes, Box]]:
    """Yield the number, the kind and the `infe` box of each item."""
    version = data[iinf.start] if iinf.start < iinf.end else 0
    for box in boxes(data, iinf.start + (8 if version else 6), iinf.end):
        form = ">4xI2x4s" if data[box.start : box.start + 1] == b"\x03" else ">4xH2x4s"
        if box.kind == b"infe" and box.end - box.start >= struct.calcsize(form):
            number, kind = struct.unpack_from(form, data, box.start)
            yield number, kind, box


def located(data: bytes, iloc: Box, idat: Box | None) -> Iterator[Located]:
    """Put the items together from their extents, by number.

    Raises:
        ImageError: there are too many, or they have more bytes than the file.
        IndexError: the list is cut short.
    """
    cursor = Cursor(data, iloc)
    version = cursor.read(4) >> 24
    sizes = cursor.read(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version == 2 else 2
    count, everything = cursor.read(wide), 0
    if count > MAX_ITEMS:
        raise ImageError("too large", f"{count} items; at most {MAX_ITEMS}")
    for _ in range(count):
        number = cursor.read(wide)
        method = cursor.read(2) & 15 if version else 0
        cursor.read(2)
        base = cursor.read(base_size)
        extents = cursor.read(2)
        if extents > MAX_EXTENTS:
            raise ImageError("too large", f"an item in {extents} pieces; at most {MAX_EXTENTS}")
        start, end = (idat.start, idat.end) if method == 1 and idat is not None else (0, len(data))
        pieces, total, whole = [], 0, True
        for _ in range(extents):
            if version:
                cursor.read(index_size)
            at = start + base + cursor.read(offset_size)
            length = cursor.read(length_size) or end - at
            pieces.append(data[at : min(at + length, end)])
            whole = whole and len(pieces[-1]) == length
            total += len(pieces[-1])
            if total > len(data):
                raise ImageError("damaged", "an item has more bytes than the file")
        everything += total
        if everything > MAX_OVERLAP * len(data):
            raise ImageError("damaged", "its items have far more bytes than the file")
        yield Located(number, b"".join(pieces), whole)


def references(data: bytes, iref: Box) -> Iterator[tuple[Box, int, list[int]]]:
    """Yield each box of references: its kind says what they mean; from which item, to which items.

    Raises:
        ImageError: there are too many.
        IndexError: the list is cut short.
    """
    wide, total = 4 if data[iref.start : iref.start + 1] == b"\x01" else 2, 0
    for box in boxes(data, iref.start + 4, iref.end):
        cursor = Cursor(data, box)
        origin, count = cursor.read(wide), cursor.read(2)
        total += count
        if total > MAX_REFERENCES:
            raise ImageError("too large", f"more than {MAX_REFERENCES} references between its pictures")
        yield box, origin, [cursor.read(wide) for _ in range(count)]


def place_of_kind(data: bytes, box: Box) -> int:
    """The place of a box's kind in the file: before its content, or before its length where that takes eight bytes."""
    return box.start - 4 if data[box.start - 4 : box.start] == box.kind else box.start - 12


def properties(data: bytes, iprp: Box) -> Iterator[tuple[int, Box]]:
    """Yield each item's number with a box that describes it.

    Raises:
        ImageError: there are too many.
        IndexError: the list is cut short.
    """
    described: list[Box] = []
    for box in boxes(data, iprp.start, iprp.end):
        if box.kind == b"ipco":
            described += boxes(data, box.start, box.end)
    count = 0
    for box in boxes(data, iprp.start, iprp.end):
        if box.kind != b"ipma":
            continue
        cursor = Cursor(data, box)
        head = cursor.read(4)
        wide, index_size = 4 if head >> 24 else 2, 2 if head & 1 else 1
        for _ in range(cursor.read(4)):
            number = cursor.read(wide)
            for _ in range(cursor.read(1)):
                count += 1
                if count > MAX_REFERENCES:
                    raise ImageError("too large", f"more than {MAX_REFERENCES} properties of its pictures")
                place = cursor.read(index_size) & (0x7FFF if index_size == 2 else 0x7F)
                if 0 < place <= len(described):
                    yield number, described[place - 1]
