"""The values of a TIFF's picture: its strips or tiles unpacked, a few at a time, and laid where they belong.

libtiff, which comes with Pillow, unpacks the bytes and knows nothing else of the picture: it is given the strips as those of a
grey picture of 8 bits whose rows are as long. What the bytes mean is left to this module: their order, differences between
neighbours, planes, tiles at the edge, bits that do not fill bytes. So every layout is read with every compression, and no
strip unpacks to more than its tags announce.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from ...core.errors import ImageError
from .tiff_layout import DEFLATE, FLOATING, LZMA, LZW, NONE, OLD_DEFLATE, PACKBITS, ZSTD, Layout, dtype_of
from .tiff_pictures import JPEG_2000, PIXEL_BYTES, STRUCTURE_BYTES, decoded_HWS

UNPACKED = frozenset({NONE, LZW, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD})
"""Compressions that make bytes of bytes, whatever these mean."""
# Bytes of strips that are unpacked at a time, or one strip where that holds more.
BATCH_BYTES = 4 << 20
# A packed strip has at most so many bytes more than twice those it unpacks to.
PACKED_MORE = 1024
WIDE_BYTES = 64 << 20
HORIZONTAL, FLOATING_POINT = 2, 3

Bytes = NDArray[np.uint8]
Values = NDArray[Any]

_REVERSED: Bytes = np.packbits(
    np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little"), axis=1
)[:, 0]


def values_HWS(data: bytes, layout: Layout, samples: Sequence[int]) -> Values:
    """Unpack the picture's ``samples``, in the order given: an array of (height, width, samples).

    Raises:
        ImageError: a strip or tile is missing, damaged or cut short.
    """
    values = np.zeros((layout.length, layout.width, len(samples)), dtype_of(layout))
    if layout.no_data is not None and layout.sparse:
        values[:] = _as_number(layout.no_data, values.dtype)
    planes = (
        [([at], sample) for at, sample in enumerate(samples)] if layout.planar else [(list(range(len(samples))), 0)]
    )
    for columns, plane in planes:
        chosen = [0] if layout.planar else list(samples)
        for row, column, piece in _pieces(data, layout, plane):
            height, width = min(piece.shape[0], layout.length - row), min(piece.shape[1], layout.width - column)
            values[row : row + height, column : column + width, columns] = piece[:height, :width, chosen]
    return values


def _as_number(no_data: float, dtype: np.dtype[Any]) -> float:
    """The value for “no data” as a number of the picture, 0 where it is none of its numbers."""
    if dtype.kind == "f":
        return no_data
    limits = np.iinfo(dtype)
    return int(no_data) if limits.min <= no_data <= limits.max else 0


def batch_bytes(layout: Layout) -> int:
    """The most bytes of unpacked strips that are held at once: as bytes, and as numbers on their way from differences or bits."""
    width, length = layout.segment
    if layout.compression not in UNPACKED:
        structures = STRUCTURE_BYTES if layout.compression in JPEG_2000 else 0
        return width * length * (PIXEL_BYTES + 2 * layout.interleaved * layout.bits // 8) + structures
    batch = min(max(BATCH_BYTES, layout.row_bytes * length), layout.row_bytes * length * layout.across * layout.down)
    whole = layout.bits % 8 == 0 and layout.bits != 24
    numbers = width * length * layout.interleaved * dtype_of(layout).itemsize * (2 if whole else 4)
    # The strips as they lie in the file, joined, and given to libtiff twice; unpacked, in Pillow's image and as an array.
    return 3 * (2 * batch + PACKED_MORE) + 3 * batch + numbers


def _pieces(data: bytes, layout: Layout, plane: int) -> Iterator[tuple[int, int, Values]]:
    """Yield (row, column, values) of each strip or tile of one plane."""
    width, length = layout.segment
    count = layout.across * layout.down
    batch = max(1, BATCH_BYTES // (layout.row_bytes * length + PACKED_MORE))
    for first in range(0, count, batch):
        numbers = [
            number for number in range(first, min(first + batch, count)) if not _absent(layout, plane * count + number)
        ]
        if not numbers:
            continue
        rows = [_rows(layout, number) for number in numbers]
        if layout.compression not in UNPACKED:
            for number, height in zip(numbers, rows, strict=True):
                packed = bytes(_packed(data, layout, plane * count + number, height * layout.row_bytes))
                yield (
                    number // layout.across * length,
                    number % layout.across * width,
                    decoded_HWS(packed, layout, height),
                )
            continue
        unpacked = _unpack(data, layout, [plane * count + number for number in numbers], rows)
        for number, height, piece in zip(numbers, rows, _split(unpacked, rows, layout.row_bytes), strict=True):
            yield number // layout.across * length, number % layout.across * width, _numbers(piece, layout, height)


def _absent(layout: Layout, number: int) -> bool:
    """Tell whether a strip or tile is left out of the file, as of a raster of which parts are unknown."""
    return layout.offsets[number] == 0 and number < len(layout.counts) and layout.counts[number] == 0


def _rows(layout: Layout, number: int) -> int:
    """The count of rows in a strip, of which the last may have fewer, or a tile."""
    length = layout.segment[1]
    return length if layout.tile else min(length, layout.length - number * length)


def _split(unpacked: Bytes, rows: Sequence[int], row_bytes: int) -> Iterator[Bytes]:
    at = 0
    for height in rows:
        yield unpacked[at : at + height * row_bytes]
        at += height * row_bytes


def _unpack(data: bytes, layout: Layout, numbers: Sequence[int], rows: Sequence[int]) -> Bytes:
    """Unpack strips or tiles to their bytes, one behind another."""
    sizes = [height * layout.row_bytes for height in rows]
    packed = [_packed(data, layout, number, size) for number, size in zip(numbers, sizes, strict=True)]
    if layout.compression != NONE:
        return _unpacked_by_libtiff(packed, layout, rows)
    if any(len(piece) < size for piece, size in zip(packed, sizes, strict=True)):
        raise ImageError(
            "truncated", "a strip or tile has fewer bytes than its part of the picture takes; copy it again"
        )
    whole = np.frombuffer(b"".join(piece[:size] for piece, size in zip(packed, sizes, strict=True)), np.uint8)
    return _REVERSED[whole] if layout.reversed_bits else whole


def _packed(data: bytes, layout: Layout, number: int, size: int) -> memoryview:
    """The bytes of a strip or tile as they lie in the file; where no tag says how many there are, as many as there can be."""
    start = int(layout.offsets[number])
    announced = int(layout.counts[number]) if number < len(layout.counts) else 0
    if layout.compression == NONE and not announced:
        end = start + size
    elif announced:
        # No compression makes more than twice as many bytes of what it is given.
        end = start + min(announced, 2 * size + PACKED_MORE)
    else:
        later = layout.offsets[layout.offsets > start]
        end = int(later.min()) if len(later) else len(data)
    if end > len(data):
        raise ImageError("truncated", "the file ends before its picture does; copy or download it again")
    return memoryview(data)[start:end]


def _unpacked_by_libtiff(packed: Sequence[memoryview], layout: Layout, rows: Sequence[int]) -> Bytes:
    """Unpack strips as those of a grey picture of 8 bits, whose rows are as long as these."""
    height, length = sum(rows), max(rows)
    # Pillow refuses pictures of more pixels than it thinks good; those of four bytes are a quarter as many.
    wide = height * layout.row_bytes > WIDE_BYTES and layout.row_bytes % 4 == 0
    samples = 4 if wide else 1
    starts = np.cumsum([8, *(len(piece) for piece in packed)])
    end = int(starts[-1]) + int(starts[-1]) % 2
    tags = [
        (256, 4, [layout.row_bytes // samples]),
        (257, 4, [height]),
        (258, 3, [8] * samples),
        (259, 3, [layout.compression]),
        (262, 3, [2 if wide else 1]),
        (266, 3, [2 if layout.reversed_bits else 1]),
        (273, 4, starts[:-1].tolist()),
        (277, 3, [samples]),
        (278, 4, [length]),
        (279, 4, [len(piece) for piece in packed]),
        *([(338, 3, [2])] if wide else []),
    ]
    file = b"".join(
        [struct.pack("<2sHI", b"II", 42, end), *packed, b"\0" * (end - int(starts[-1])), _directory(tags, end)]
    )
    del packed
    with TiffImagePlugin.TiffImageFile(io.BytesIO(file)) as image:
        image.load()
        return np.asarray(image).reshape(-1)


def _directory(tags: Sequence[tuple[int, int, list[int]]], at: int) -> bytes:
    """Write a directory that stands at ``at``, with what does not fit into it behind."""
    entries, behind = [], b""
    free = at + 2 + 12 * len(tags) + 4
    for tag, kind, numbers in tags:
        body = struct.pack(f"<{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(body) > 4:
            body, behind = struct.pack("<I", free + len(behind)), behind + body
        entries.append(struct.pack("<HHI", tag, kind, len(numbers)) + body.ljust(4, b"\0"))
    return struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4) + behind


def _numbers(piece: Bytes, layout: Layout, height: int) -> Values:
    """Make numbers of a strip's bytes: an array of (rows, columns, samples side by side)."""
    width, samples = layout.segment[0], layout.interleaved
    if layout.bits in (8, 16, 32, 64):
        return _whole_numbers(piece, layout).reshape(height, width, samples)
    if layout.predictor != 1:
        raise ImageError("not an image", f"a TIFF of differences of {layout.bits} bits; save it without a predictor")
    if layout.bits == 24:
        wide = np.zeros((height * width * samples, 4), np.uint8)
        wide[:, :3] = piece.reshape(-1, 3)[:, :: 1 if layout.order == "<" else -1]
        found = wide.view("<u4")
    else:
        found = _from_bits(piece.reshape(height, -1), layout.bits, width * samples)
    if layout.form != FLOATING and dtype_of(layout).kind == "i":
        found = found.astype(np.int64)
        found -= (found >> (layout.bits - 1)) << layout.bits
    return found.astype(dtype_of(layout)).reshape(height, width, samples)


def _from_bits(rows: Bytes, bits: int, count: int) -> Values:
    """Read numbers of ``bits`` bits, most significant first, of which each row begins with a byte of its own."""
    numbers = np.zeros((len(rows), count), np.uint64 if bits > 32 else np.uint32)
    bit = np.arange(count, dtype=np.int64) * bits
    for _ in range(bits):
        numbers <<= numbers.dtype.type(1)
        numbers |= (rows[:, bit >> 3] >> (7 - (bit & 7)).astype(np.uint8)) & 1
        bit += 1
    return numbers


def _whole_numbers(piece: Bytes, layout: Layout) -> Values:
    dtype = dtype_of(layout)
    width, samples = layout.segment[0], layout.interleaved
    if layout.predictor == FLOATING_POINT:
        if layout.form != FLOATING:
            raise ImageError("damaged", "a TIFF of whole numbers with differences of floating-point numbers")
        return _undo_floating_point(piece.reshape(-1, width * samples * dtype.itemsize), samples, dtype)
    if layout.predictor == HORIZONTAL:
        unsigned = np.dtype(f"{layout.order}u{dtype.itemsize}")
        differences = piece.view(unsigned).reshape(-1, width, samples)
        return np.cumsum(differences, axis=1, dtype=unsigned.newbyteorder("=")).view(dtype)
    if layout.predictor != 1:
        raise ImageError("damaged", f"a TIFF with predictor {layout.predictor}; 1, 2 and 3 exist")
    return piece.view(dtype.newbyteorder(layout.order))


def _undo_floating_point(rows: Bytes, samples: int, dtype: np.dtype[Any]) -> Values:
    """Undo differences of floating-point numbers: bytes are sorted by significance in each row, and differences of neighbours."""
    sums = np.cumsum(rows.reshape(len(rows), -1, samples), axis=1, dtype=np.uint8)
    sorted_bytes = sums.reshape(len(rows), dtype.itemsize, -1)
    return np.ascontiguousarray(sorted_bytes.swapaxes(1, 2)).view(dtype.newbyteorder(">"))
