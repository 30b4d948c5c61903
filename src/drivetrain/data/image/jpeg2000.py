"""The memory that decoding a JPEG 2000 file takes: its code stream says so, not the container around it.

The decoder (OpenJPEG) sets a structure aside for every tile, and within a tile for every precinct and code block, before
it reads a pixel; a header of a hundred bytes can ask for a great many of each.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from ...core.errors import ImageError
from .boxes import boxes, inside

SIGNATURE = b"\0\0\0\x0cjP  "
CODE_STREAM = b"\xff\x4f\xff\x51"
SIZ, COD, COC, SOT, SOD, EOC = 0xFF51, 0xFF52, 0xFF53, 0xFF90, 0xFF93, 0xFFD9
MAX_MARKERS = 100_000
# The markers that have a segment, as OpenJPEG knows them. After any other marker it tries every second byte for one of these,
# whatever the segment's length would be.
KNOWN = frozenset(
    {
        0xFF50,
        SIZ,
        COD,
        COC,
        0xFF55,
        0xFF57,
        0xFF58,
        0xFF59,
        0xFF5C,
        0xFF5D,
        0xFF5E,
        0xFF5F,
        0xFF60,
        0xFF61,
        0xFF63,
        0xFF64,
    }
    | {0xFF74, 0xFF75, 0xFF77, 0xFF78, SOT}
)

# Bytes that OpenJPEG takes, computed from its structures and measured, with some to spare.
TILE_BYTES, TILE_COMPONENT_BYTES = 7000, 1500
PRECINCT_BYTES, BLOCK_BYTES = 500, 900


@dataclass(frozen=True, slots=True)
class Announced:
    """The larger of the two sizes, components, and the bytes that structures take besides the samples."""

    width: int
    height: int
    components: int
    bytes: int
    bits: int
    """Bits of a sample, of the component that has the most; 0: some are signed, or coarser than the picture."""


@dataclass(frozen=True, slots=True)
class _Coding:
    """The smallest parts any component or tile is cut into, and the most layers."""

    layers: int = 1
    block: int = 4096
    """Samples of a code block."""
    precinct: int = 15
    """Binary logarithm of a precinct's shorter side."""
    levels: int = 5

    def with_style(self, precincts: bool, style: bytes, layers: int) -> _Coding:
        levels, wide, high = style[0], style[1] + 2, style[2] + 2
        sides = [min(size & 15, size >> 4) for size in style[5 : 6 + levels]] if precincts else []
        # The precinct of the lowest level alone may be of one sample; it is small.
        smallest = min([*sides[1:], *(max(side, 1) for side in sides[:1]), self.precinct])
        return _Coding(
            max(layers, self.layers), min(1 << wide + high, self.block), smallest, max(min(levels, 32), self.levels)
        )


def announced(data: bytes) -> Announced | None:
    """Read the size and memory that a file's headers announce; None: no header can be read."""
    start, sizes = 0, []
    if data.startswith(SIGNATURE):
        start = -1
        for box in boxes(data):
            if box.kind == b"jp2h":
                for header in inside(data, box, b"ihdr"):
                    if header.end - header.start >= 8:
                        height, width = struct.unpack_from(">II", data, header.start)
                        sizes.append((width, height))
            elif box.kind == b"jp2c" and start < 0:
                start = box.start
    if start < 0 or not data.startswith(CODE_STREAM, start):
        return None
    try:
        x1, y1, x0, y0, tile_w, tile_h, _, _, components = struct.unpack_from(">8IH", data, start + 8)
        coding = _Coding()
        for marker, body in _segments(data, start + 2):
            if marker == COD:
                coding = coding.with_style(bool(body[0] & 1), body[5:], int.from_bytes(body[2:4], "big"))
            elif marker == COC:
                own = body[2 if components > 256 else 1 :]
                coding = coding.with_style(bool(own[0] & 1), own[1:], 0)
    except (struct.error, IndexError):
        return None
    width, height = max(x1 - x0, 0), max(y1 - y0, 0)
    sizes.append((width, height))
    tiles = ceil(x1 / max(tile_w, 1)) * ceil(y1 / max(tile_h, 1))
    extra = tiles * (TILE_BYTES + components * TILE_COMPONENT_BYTES)
    extra += _parts_bytes(min(width, tile_w), min(height, tile_h), components, coding)
    largest = max(sizes, key=lambda size: size[0] * size[1])
    return Announced(*largest, components, extra, _bits(data, start, components))


def _bits(data: bytes, start: int, components: int) -> int:
    """Read the bits of the samples; 0 where some are signed, or lie wider apart than pixels."""
    each = data[start + 42 : start + 42 + 3 * components]
    plain = set(each[1::3]) | set(each[2::3]) == {1} and max(each[::3]) < 128
    return max(each[::3]) + 1 if plain else 0


def is_ycc(data: bytes) -> bool:
    """Tell whether a file says that its colours are luma and differences."""
    return b"colr\1" in data[:4096] and data[data.index(b"colr\1") :][7:11] == (18).to_bytes(4, "big")


def _parts_bytes(width: int, height: int, components: int, coding: _Coding) -> int:
    """Bytes for the precincts and code blocks of a tile, and for the table of packets that were read."""
    side = 1 << coding.precinct
    # These are the finest level's; the others together have a third of that, and each at least one.
    precincts = ceil(width / side) * ceil(height / side)
    block = min(coding.block, max(1, side * side // 4))
    blocks = ceil(width * height / block)
    packets = 2 * coding.layers * (coding.levels + 1) * precincts
    return round(components * (1.4 * (precincts * PRECINCT_BYTES + blocks * BLOCK_BYTES) + packets))


def _segments(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield the markers of the main header and of each tile's, with their content.

    Raises:
        ImageError: there are too many.
    """
    tile_end, steps = len(data), 0
    while at + 4 <= len(data):
        steps += 1
        if steps > MAX_MARKERS:
            raise ImageError("too large", f"a JPEG 2000 of more than {MAX_MARKERS} parts")
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == EOC:
            return
        if marker == SOD:
            at = max(tile_end, at + 2)
            continue
        if marker not in KNOWN:
            at += 2
            continue
        if marker == SOT:
            size = int.from_bytes(data[at + 6 : at + 10], "big")
            tile_end = at + size if size >= 14 else len(data)
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def profile_of(data: bytes) -> bytes | None:
    """The colour profile in a boxed file's header, which Pillow passes over; None where there is none."""
    for header in boxes(data) if data.startswith(SIGNATURE) else ():
        if header.kind == b"jp2h":
            for box in inside(data, header, b"colr"):
                # Method 2 and 3: a profile, after the method, the precedence and the approximation.
                if data[box.start : box.start + 1] in (b"\2", b"\3"):
                    return data[box.start + 3 : box.end]
    return None
