"""JPEG, WebP, GIF and JPEG 2000 without the metadata that Pillow or its libraries stumble over, and the picture does not need.

A file without any of these is not copied. PNG has a module of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .boxes import boxes
from .jpeg2000 import SIGNATURE as JPEG_2000
from .jpeg_scan import APP0, APP15, COM, MAX_HEAD_PARTS, SOS
from .slow_heads import gif_extensions

JPEG = b"\xff\xd8\xff"
# The segments that Pillow reads numbers of, by marker and beginning: the fewest bytes that each must have.
LEAST: tuple[tuple[int, bytes, int], ...] = ((0xE0, b"JFIF", 14), (0xE2, b"ICC_PROFILE\0", 14), (0xEE, b"Adobe", 12))

GIF = (b"GIF87a", b"GIF89a")
# The extensions of a GIF that say how its picture is shown, and a comment; and the blocks that others may have.
GIF_CONTROL, GIF_COMMENT, FEW_BLOCKS = 0xF9, 0xFE, 16

# Chunks of a WebP that are not its picture, with the flags by which its header announces them.
BESIDE = {b"EXIF": 0x08, b"XMP ": 0x04, b"ICCP": 0x20}
VP8X = b"VP8X"

# Boxes of a JPEG 2000 that make its picture; others that are larger do not fit into the buffer of its reader.
PICTURE_BOXES = frozenset({b"jP  ", b"ftyp", b"jp2h", b"jp2c"})
MAX_BOX = 1 << 16


def mended(data: bytes) -> bytes:
    """Leave out of a file what keeps its picture from being read; ``data`` itself where nothing does."""
    if data.startswith(JPEG):
        unusable = tuple(_unusable_segments(data))
        return _without(data, unusable) if unusable else data
    if data.startswith(b"RIFF") and data.startswith(b"WEBP", 8):
        return _webp(data)
    if data.startswith(GIF):
        needless = tuple(_needless_extensions(data))
        return _without(data, needless) if needless else data
    if data.startswith(JPEG_2000):
        large = tuple(
            (start, end) for start, end, kind in _boxes(data) if kind not in PICTURE_BOXES and end - start > MAX_BOX
        )
        return _without(data, large) if large else data
    return data


def is_odd(data: bytes) -> bool:
    """Tell whether a JPEG, a GIF or a JPEG 2000 is one that `mended` copies."""
    if data.startswith(GIF):
        return next(_needless_extensions(data), None) is not None
    if data.startswith(JPEG):
        return next(_unusable_segments(data), None) is not None
    return data.startswith(JPEG_2000) and any(
        kind not in PICTURE_BOXES and end - start > MAX_BOX for start, end, kind in _boxes(data)
    )


def _without(data: bytes, ranges: tuple[tuple[int, int], ...]) -> bytes:
    view, pieces, at = memoryview(data), [], 0
    for start, end in ranges:
        pieces.append(view[at:start])
        at = end
    return b"".join([*pieces, view[at:]])


def _unusable_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of segments that are shorter than what they begin with must be."""
    at = 2
    for _ in range(MAX_HEAD_PARTS):
        if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] == SOS:
            return
        marker, end = data[at + 1], at + 2 + (data[at + 2] << 8 | data[at + 3])
        if (APP0 <= marker <= APP15 or marker == COM) and any(
            marker == number and data.startswith(beginning, at + 4) and end - at - 4 < least
            for number, beginning, least in LEAST
        ):
            yield at, end
        at = end


def _needless_extensions(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of long comments and of other programs' data before a GIF's picture, and of comments after the first.

    Pillow reads them step by step, and copies all comments for each one more.
    """
    comments = 0
    for start, end, count in gif_extensions(data):
        kind = data[start + 1] if start < end - 1 else GIF_CONTROL
        comments += kind == GIF_COMMENT
        if kind != GIF_CONTROL and (count > FEW_BLOCKS or (kind == GIF_COMMENT and comments > 1)):
            yield start, end


def _webp(data: bytes) -> bytes:
    """Leave out metadata at the end of a WebP that are cut short."""
    if 8 + int.from_bytes(data[4:8], "little") <= len(data) or data[12:16] != VP8X or len(data) < 30:
        return data
    at, flags = 12, 0
    while at + 8 <= len(data):
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if end > len(data):
            break
        at, flags = end, flags | BESIDE.get(kind, 0)
    if data[at : at + 4].ljust(4) not in BESIDE and at + 8 <= len(data):
        return data  # the picture itself is cut short
    head = bytes([data[20] & ~sum(BESIDE.values()) | flags])
    return b"".join([b"RIFF", struct.pack("<I", at - 8), data[8:20], head, memoryview(data)[21:at]])


def _boxes(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (start, end, kind) of a file's boxes, with their heads."""
    at = 0
    for box in boxes(data):
        yield at, box.end, box.kind
        at = box.end
