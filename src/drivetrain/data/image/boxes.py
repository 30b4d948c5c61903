"""Boxes of the ISO base media format, of which AVIF and JPEG 2000 files are made: walked without trusting what they say."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ...core.errors import ImageError

# The most boxes read on one level: far beyond any camera's, and a bound on the time a hostile file takes.
MAX_BOXES = 20_000


@dataclass(frozen=True, slots=True)
class Box:
    """The place of a box's content in the file."""

    kind: bytes
    start: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes that follow each other from ``start``; a box that reaches past ``end`` is cut there.

    Raises:
        ImageError: there are too many; a decoder would go on where this ends.
    """
    end, count = len(data) if end is None else min(end, len(data)), 0
    while start + 8 <= end:
        count += 1
        if count > MAX_BOXES:
            raise ImageError("too large", f"a file of more than {MAX_BOXES} parts")
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and start + 16 <= end:
            size, body = int.from_bytes(data[start + 8 : start + 16], "big"), start + 16
        stop = end if size == 0 else min(start + size, end)
        if stop < body:
            return
        yield Box(kind, body, stop)
        start = stop


def inside(data: bytes, box: Box, *path: bytes, skip: int = 0) -> Iterator[Box]:
    """The boxes at the end of a path of kinds below ``box``; the content of ``box`` itself begins after ``skip`` bytes."""
    for inner in boxes(data, box.start + skip, box.end):
        if inner.kind == path[0]:
            if len(path) == 1:
                yield inner
            else:
                yield from inside(data, inner, *path[1:])
