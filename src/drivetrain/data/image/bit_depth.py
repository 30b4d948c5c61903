"""Files that hold pictures of more than 8 bits, told by their headers alone: some bytes are read, never the picture."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from .true_size import PNG_SIGNATURE

# Endings of formats that hold 8 bits a value, or are always brought to 8 bits when they are decoded.
SHALLOW = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".webp",
        ".avif",
        ".avifs",
        ".gif",
        ".bmp",
        ".dib",
        ".ico",
        ".tga",
        ".pbm",
    }
    | {".heic", ".heif", ".hif"}
)

HEAD_BYTES = 512
# TIFF: bits a value, and whether values are integers (1, 2) or floating point (3).
BITS_PER_SAMPLE, SAMPLE_FORMAT = 258, 339
MOST_TAGS = 4096


def may_be_deep(name: str) -> bool:
    """Tells whether a file of this name may hold more than 8 bits a value.

    >>> may_be_deep("a.JPG"), may_be_deep("a.tif"), may_be_deep("a")
    (False, True, True)
    """
    return os.path.splitext(name)[1].lower() not in SHALLOW  # noqa: PTH122  # asked of every file of a data set


def is_deep(file: BinaryIO) -> bool:
    """Tells whether a file holds more than 8 bits a value; False where its header cannot be read."""
    head = file.read(HEAD_BYTES)
    try:
        if head.startswith(PNG_SIGNATURE):
            return head[24] > 8
        if head[:2] in (b"II", b"MM"):
            return _tiff(file, head)
        if head[:2] in (b"P2", b"P3", b"P5", b"P6"):
            return _largest(head) > 255
    except (struct.error, IndexError, ValueError, OSError, OverflowError):
        return False
    if head[:2] in (b"Pf", b"PF"):
        return True
    at = head.find(b"ihdr")
    if at >= 0:
        return at + 15 <= len(head) and (head[at + 14] & 0x7F) + 1 > 8
    # A bare JPEG 2000 stream begins with the sizes; the depth of its first component stands behind them.
    return head.startswith(b"\xff\x4f\xff\x51") and len(head) > 42 and (head[42] & 0x7F) + 1 > 8


def _largest(head: bytes) -> int:
    """Read the largest value that a PGM or PPM states: the fourth word, comments left out."""
    words = [word for line in head.split(b"\n") for word in line.partition(b"#")[0].split()]
    return int(words[3])


def _tiff(file: BinaryIO, head: bytes) -> bool:
    order = "<" if head.startswith(b"II") else ">"
    big = struct.unpack_from(f"{order}H", head, 2)[0] == 43
    counted, entry, number = (f"{order}Q", f"{order}HHQ", 8) if big else (f"{order}H", f"{order}HHI", 4)
    (at,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", head, 8 if big else 4)
    (count,) = struct.unpack(counted, _at(file, at, struct.calcsize(counted)))
    size = struct.calcsize(entry) + number
    directory = _at(file, at + struct.calcsize(counted), min(count, MOST_TAGS) * size)
    for start in range(0, len(directory) - size + 1, size):
        tag, _, values = struct.unpack_from(entry, directory, start)
        place = start + struct.calcsize(entry)
        if tag not in (BITS_PER_SAMPLE, SAMPLE_FORMAT):
            continue
        if 2 * values > number:  # they do not fit here, and stand elsewhere
            (elsewhere,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", directory, place)
            (first,) = struct.unpack(f"{order}H", _at(file, elsewhere, 2))
        else:
            (first,) = struct.unpack_from(f"{order}H", directory, place)
        if (tag == BITS_PER_SAMPLE and first > 8) or (tag == SAMPLE_FORMAT and first == 3):
            return True
    return False


def _at(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    return file.read(count)
