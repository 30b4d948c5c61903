"""A TIFF's directory, looked at before Pillow makes Python numbers of it; and the buffers its decoder sets aside."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import TiffImagePlugin

from ...core.errors import ImageError

# The most numbers in all tags together: offsets and lengths of the parts of a large picture, a profile's curves.
MAX_NUMBERS = 1 << 18
MAX_TAGS = 4096
# The most strips or tiles: Pillow sets them up one by one, at some microseconds and hundreds of bytes each.
MAX_PIECES = 1 << 17
PIECES = frozenset({273, 324})
# The most directories inside directories: EXIF, GPS, interoperability.
POINTERS = frozenset({34665, 34853, 40965})
MAX_DIRECTORIES = 16
# Bytes of a number by its type; numbers of 1 byte are kept as they are, and cost no more than the file.
TYPE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
WIDTH, LENGTH, BITS, SAMPLES = 256, 257, 258, 277
ROWS, TILE_WIDTH, TILE_LENGTH = 278, 322, 323


@dataclass(frozen=True, slots=True)
class _Tag:
    number: int
    kind: int
    count: int
    value: int


def check(data: bytes) -> None:
    """Raise `ImageError` for directories that would take far more memory than the file."""
    pieces = max((tag.count for tag in _tags(data) if tag.number in PIECES), default=0)
    if pieces > MAX_PIECES:
        raise ImageError("too large", f"a TIFF in {pieces} pieces; at most {MAX_PIECES}")
    numbers = number_count(data)
    if numbers > MAX_NUMBERS:
        raise ImageError("too large", f"a TIFF whose tags hold {numbers} numbers; at most {MAX_NUMBERS}")


def number_count(data: bytes) -> int:
    """The count of numbers in the first directory and in those it points to."""
    return sum(tag.count for tag in _tags(data) if tag.kind in TYPE_BYTES)


def number_bytes(data: bytes) -> int:
    """The bytes that the numbers take in the file."""
    return sum(min(tag.count * TYPE_BYTES[tag.kind], len(data)) for tag in _tags(data) if tag.kind in TYPE_BYTES)


def _tags(data: bytes) -> Iterator[_Tag]:
    order = ">" if data.startswith(b"MM") else "<"
    try:
        big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
        places = [struct.unpack_from(f"{order}Q" if big else f"{order}I", data, 8 if big else 4)[0]]
        for _ in range(MAX_DIRECTORIES):
            if not places:
                return
            at = places.pop()
            (count,) = struct.unpack_from(f"{order}Q" if big else f"{order}H", data, at)
            if count > MAX_TAGS:
                raise ImageError("damaged", f"a TIFF with a directory of {count} tags; at most {MAX_TAGS}")
            at += 8 if big else 2
            form, step = (f"{order}HHQQ", 20) if big else (f"{order}HHII", 12)
            for _ in range(count):
                tag = _Tag(*struct.unpack_from(form, data, at))
                at += step
                yield tag
                if tag.number in POINTERS:
                    places.append(tag.value)
    except struct.error:
        return  # the file is cut short, which Pillow will say


def buffer_bytes(image: TiffImagePlugin.TiffImageFile) -> int:
    """The bytes that the decoder holds of the compressed picture at once: a strip, or a tile, which may exceed the picture.

    Raises:
        ImageError: the tags that say so are no numbers.
    """
    tags = image.tag_v2
    if not image.use_load_libtiff:
        return 0
    width, length = _number(tags.get(WIDTH)), _number(tags.get(LENGTH))
    rows = min(_number(tags.get(ROWS, length)) or length, length)
    if TILE_WIDTH in tags:
        width, rows = _number(tags.get(TILE_WIDTH)), _number(tags.get(TILE_LENGTH))
    bits = max(map(_number, tags.get(BITS, (1,))))
    # The decoder holds three buffers: the strip or tile, the window of unpacked bytes (LZMA, Zstandard), and rows of subsampled
    # colour.
    return 3 * (width * rows * max(_number(tags.get(SAMPLES, 1)), 1) * bits // 8)


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise ImageError("damaged", "the tags of a TIFF that say its size are no numbers")
    return value
