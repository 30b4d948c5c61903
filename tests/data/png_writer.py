"""Writes PNGs of any kind, so that a test knows the values that a reader must find."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Adam7: first row, first column, and the steps between rows and columns of each pass.
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def chunk(kind: bytes, body: bytes, *, damaged: bool = False) -> bytes:
    """One chunk; ``damaged``: with a wrong checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ damaged)


def write(
    values_HWS: NDArray[Any],
    bits: int,
    colour: int,
    *,
    interlaced: bool = False,
    before: Iterable[bytes] = (),
    after: Iterable[bytes] = (),
    piece: int = 1 << 20,
) -> bytes:
    """Write a PNG; ``before`` and ``after`` are chunks beside the pixels, which lie in chunks of ``piece`` bytes."""
    height, width, _ = values_HWS.shape
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced)))
    passes = [values_HWS[y::dy, x::dx] for y, x, dy, dx in PASSES] if interlaced else [values_HWS]
    raw = b"".join(b"\0" + row for part in passes if part.size for row in _rows(part, bits))
    packed = zlib.compress(raw)
    pixels = [chunk(b"IDAT", packed[at : at + piece]) for at in range(0, len(packed), piece)]
    return b"".join([SIGNATURE, head, *before, *pixels, *after, chunk(b"IEND", b"")])


def _rows(values: NDArray[Any], bits: int) -> Iterable[bytes]:
    for row in values.reshape(len(values), -1):
        if bits >= 8:
            yield row.astype(f">u{bits // 8}").tobytes()
        else:
            spread = (row[:, None].astype(np.uint8) >> np.arange(bits - 1, -1, -1, dtype=np.uint8)) & 1
            yield np.packbits(spread.reshape(-1)).tobytes()


def orientation(number: int) -> bytes:
    """EXIF with nothing but an orientation."""
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HHI", number, 0, 0)
