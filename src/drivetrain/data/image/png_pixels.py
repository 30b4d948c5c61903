"""Telling whether a PNG's compressed picture is whole.

Pillow neither compares the checksums of the pixels nor counts them: what is missing is black, and what is overwritten is whatever
it unpacks to. To count them takes as long as to unpack them, and so is done only where a checksum does not fit, or where the
picture ends in black.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

from numpy.typing import NDArray

from ...core.errors import ImageError
from .png import SIGNATURE, Chunk, chunks

PIXELS = b"IDAT"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# (first column, first row, columns, rows from one pixel to the next) of the seven passes of an interlaced picture.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
AT_A_TIME = 1 << 20
TRUNCATED = "the file ends before its picture does; copy or download it again"
DAMAGED = "its compressed picture is damaged; copy or download it again"


def check_pixels(data: bytes, last_rows: NDArray[Any]) -> None:
    """Raise `ImageError` where pixels are missing or damaged.

    ``last_rows`` are the last two rows, as they were unpacked: the last pass of an interlaced picture fills one of them.
    """
    pieces = [chunk for chunk in chunks(data) if chunk.kind == PIXELS]
    fits = all(chunk.is_whole(data) for chunk in pieces)
    if fits and last_rows.reshape(len(last_rows), -1).any(axis=1).all():
        return
    announced = _announced(data)
    if _unpacked_bytes(data, pieces, announced, to_the_end=not fits) < announced:
        raise ImageError("truncated", TRUNCATED)


def _announced(data: bytes) -> int:
    """Count the bytes that the picture unpacks to: rows of pixels, each behind a byte for its filter."""
    width, height, bits, colour, interlaced = struct.unpack_from(">IIBBxxB", data, len(SIGNATURE) + 8)
    passes = PASSES if interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        columns, rows = -(-max(width - left, 0) // across), -(-max(height - top, 0) // down)
        total += rows * (1 + -(-columns * bits * CHANNELS[colour] // 8)) if columns else 0
    return total


def _unpacked_bytes(data: bytes, pieces: list[Chunk], announced: int, *, to_the_end: bool) -> int:
    """Count what the pixels unpack to, as far as ``announced``, or to the end, where their own checksum stands."""
    unpacker, count = zlib.decompressobj(), 0
    try:
        for piece in pieces:
            waiting: bytes | memoryview = piece.body(data)
            while len(waiting) and not unpacker.eof and (count < announced or to_the_end):
                count += len(unpacker.decompress(waiting, AT_A_TIME))
                waiting = unpacker.unconsumed_tail
                if count > announced + AT_A_TIME:
                    return count
        if not unpacker.eof and (count < announced or to_the_end):  # all is given, and little of it waits
            count += len(unpacker.flush())
    except zlib.error:
        raise ImageError("damaged", DAMAGED) from None
    if to_the_end and not unpacker.eof:
        raise ImageError("damaged", DAMAGED)
    return count
