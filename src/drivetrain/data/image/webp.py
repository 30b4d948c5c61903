"""A WebP's container, looked at before the library opens it."""

from __future__ import annotations

import struct

from ...core.errors import ImageError


def check_chunks(data: bytes, most: int) -> None:
    """Raise `ImageError` for too many chunks, as the decoder keeps a note of each."""
    at, count = 12, 0
    while at + 8 <= len(data):
        count += 1
        if count > most:
            raise ImageError("too large", f"a WebP of more than {most} chunks")
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2


def canvas(data: bytes) -> tuple[int, int] | None:
    """Read the size of the canvas; the decoder refuses frames that do not lie within it."""
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8 " and len(data) >= 30 and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and len(data) >= 25 and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None
