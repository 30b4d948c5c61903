"""The layout of a TIFF's picture: what its tags say of where the values lie, and of what they mean.

Everything is read from the tags, with bounds, before any of the picture is unpacked; what does not fit together is refused.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ImageError
from ...core.memory import shown_size
from .tiff_directory import Directory, first_directory, is_big
from .tiff_tags import MAX_NUMBERS, MAX_PIECES

NONE, LZW, OLD_JPEG, JPEG, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD = 1, 5, 6, 7, 8, 32773, 32946, 34925, 50000
CCITT = frozenset({2, 3, 4, 32771})
# Compressions after which differences between neighbours may stand for values; others pass the tag over.
PREDICTED = frozenset({LZW, DEFLATE, OLD_DEFLATE, LZMA, ZSTD})
COMPRESSIONS = {
    6: "the JPEG of before 1995",
    7: "JPEG",
    32766: "NeXT",
    32809: "ThunderScan",
    32908: "PixarFilm",
    32909: "PixarLog",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    33007: "JPEG",
    34661: "JBIG",
    34676: "LogLuv",
    34677: "LogLuv",
    34712: "JPEG 2000",
    34713: "Nikon NEF",
    34715: "JBIG2",
    34887: "LERC",
    34892: "lossy JPEG of a DNG",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 4, 5, 6, 8
PHOTOMETRICS = {
    MASK: "a transparency mask",
    9: "ICC L*a*b*",
    10: "ITU L*a*b*",
    32803: "a sensor's colour filter array",
    32844: "LogL",
    32845: "LogLuv",
    34892: "linear RAW",
    51177: "a depth map",
}
UNSIGNED, SIGNED, FLOATING, VOID = 1, 2, 3, 4
FLOAT_BITS = frozenset({16, 32, 64})
MAX_BITS, MAX_SAMPLES = 64, 4096
# The most bytes that strips or tiles unpack to, bands and edges that are passed over included: some ten seconds' work. Strips may
# all lie in one place of the file, so that its size bounds nothing.
MAX_UNPACKED = 2 << 30
ASSOCIATED, OPACITY = 1, 2
# Factors of red, green and blue in luma (ITU-R BT.601), and black and white of Y, Cb and Cr, where a TIFF states none.
LUMA = (0.299, 0.587, 0.114)
BLACK_AND_WHITE = (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)
MAX_TABLES = 1 << 16
ALPHA = frozenset({ASSOCIATED, OPACITY})
_NUMBER = re.compile(rb"\s*([-+]?[0-9.eE+-]{1,40}|nan)[\s\0]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything that the tags say of the picture."""

    order: Literal["<", ">"]
    width: int
    length: int
    bits: int
    form: int
    samples: int
    photometric: int
    """The meaning of the values as stated; guessed by their number where nothing is stated."""
    guessed: bool
    """Tells whether no photometric is stated."""
    planar: bool
    compression: int
    predictor: int
    reversed_bits: bool
    extra: tuple[int, ...]
    tile: tuple[int, int] | None
    """(width, length) of tiles; None: in strips."""
    rows: int
    """Rows of a strip."""
    orientation: int
    offsets: NDArray[np.int64] = field(repr=False)
    counts: NDArray[np.int64] = field(repr=False)
    palette: NDArray[np.int64] | None = field(repr=False)
    profile: bytes | None = field(repr=False)
    no_data: float | None
    subsampling: tuple[int, int]
    """Pixels, across and down, that share one colour in YCbCr; (0, 0): no tag says it."""
    luma: tuple[float, ...]
    black_and_white: tuple[float, ...]
    """Black and white of each sample of YCbCr."""
    tables: bytes = field(repr=False)
    """Tables that the JPEGs of all strips or tiles share."""
    big: bool
    """Tells whether offsets have 64 bits."""
    place: int
    """The offset of the directory that says all this."""

    @property
    def segment(self) -> tuple[int, int]:
        """(width, length) of a strip or tile."""
        return self.tile or (self.width, self.rows)

    @property
    def across(self) -> int:
        """The count of segments side by side."""
        return -(-self.width // self.segment[0])

    @property
    def down(self) -> int:
        """The count of segments one below another."""
        return -(-self.length // self.segment[1])

    @property
    def sparse(self) -> bool:
        """Tells whether strips or tiles are left out of the file, as of a raster of which parts are unknown."""
        few = min(len(self.offsets), len(self.counts))
        return bool(((self.offsets[:few] == 0) & (self.counts[:few] == 0)).any())

    @property
    def interleaved(self) -> int:
        """The count of samples that lie side by side in a segment."""
        return 1 if self.planar else self.samples

    @property
    def row_bytes(self) -> int:
        """The bytes of a segment's row."""
        return -(-self.segment[0] * self.interleaved * self.bits // 8)

    @property
    def unpacked_bytes(self) -> int:
        """The bytes that all strips or tiles of the picture unpack to; of planes, those that can have a part in it."""
        rows = self.segment[1] * self.down if self.tile else self.length
        return self.row_bytes * self.across * rows * (min(self.samples, 4) if self.planar else 1)

    @property
    def alpha(self) -> int | None:
        """The sample that holds transparency."""
        colours = self.samples - len(self.extra)
        return next((colours + at for at, kind in enumerate(self.extra) if kind in ALPHA), None)

    @property
    def is_multiplied(self) -> bool:
        """Tells whether colours are stored multiplied by their opacity."""
        return self.alpha is not None and self.extra[self.alpha - self.samples + len(self.extra)] == ASSOCIATED


def read_layout(data: bytes) -> Layout:
    """Read the layout of a TIFF's first picture.

    Raises:
        ImageError: the tags are no picture's, or one's that cannot be read; says why.
    """
    try:
        return _layout(data, first_directory(data))
    except (struct.error, ValueError, OverflowError):
        raise ImageError("damaged", "the TIFF's list of tags lies beyond the file's end, or is cut short") from None


def _layout(data: bytes, tags: Directory) -> Layout:
    width, length = tags.number(256, 0), tags.number(257, 0)
    if width <= 0 or length <= 0:
        raise ImageError("damaged", f"the tags of the TIFF say a size of {width}×{length} pixels")
    compression = tags.number(259, 1)
    samples = tags.number(277, max(1, tags.count(258)))
    if not 1 <= samples <= MAX_SAMPLES:
        raise ImageError("damaged", f"a TIFF of {samples} values a pixel; 1 to {MAX_SAMPLES} can be read")
    planar = tags.number(284, 1) == 2 and samples > 1
    photometric = tags.number(262, -1)
    tile = _tile(tags)
    offsets, counts = _places(tags, tiled=tile is not None)
    extra = tuple(int(kind) for kind in tags.numbers(338, MAX_SAMPLES))
    if photometric == RGB and samples == 4 and not extra:
        extra = (OPACITY,)  # programs that forget the tag mean transparency
    layout = Layout(
        order=tags.order,
        width=width,
        length=length,
        bits=_same(tags, 258, samples, 1, "bits"),
        form=_same(tags, 339, samples, UNSIGNED, "kinds of numbers"),
        samples=samples,
        photometric=_guess(samples - len(extra), compression) if photometric < 0 else photometric,
        guessed=photometric < 0,
        planar=planar,
        compression=compression,
        predictor=tags.number(317, 1) if compression in PREDICTED else 1,
        reversed_bits=tags.number(266, 1) == 2,
        extra=extra[: samples - 1],
        tile=tile,
        rows=min(tags.number(278, length) or length, length),
        orientation=tags.number(274, 1),
        offsets=offsets,
        counts=counts,
        palette=tags.numbers(320, MAX_NUMBERS) if photometric == PALETTE else None,
        profile=tags.bytes(34675) or None,
        no_data=_no_data(tags.bytes(42113, 64)),
        subsampling=_subsampling(tags),
        luma=_rationals(tags, 529, LUMA),
        black_and_white=_rationals(tags, 532, BLACK_AND_WHITE),
        tables=tags.bytes(347, MAX_TABLES),
        big=is_big(data),
        place=tags.place,
    )
    _check_pieces(layout, len(data))
    return layout


def _tile(tags: Directory) -> tuple[int, int] | None:
    """Read the size of tiles; None: the picture is in strips."""
    tile = (tags.number(322, 0), tags.number(323, 0)) if tags.count(322) or tags.count(324) else None
    if tile and min(tile) <= 0:
        raise ImageError("damaged", f"the TIFF's tiles are {tile[0]}×{tile[1]} pixels")
    return tile


def _places(tags: Directory, *, tiled: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read where strips or tiles lie, and how many bytes each has."""
    where, length = (324, 325) if tiled and tags.count(324) else (273, 279)
    if tags.count(where) > MAX_PIECES:
        raise ImageError("too large", f"a TIFF in {tags.count(where)} pieces; at most {MAX_PIECES}")
    return tags.numbers(where, MAX_PIECES), tags.numbers(length, MAX_PIECES)


def _same(tags: Directory, tag: int, samples: int, default: int, noun: str) -> int:
    """Read a tag that has a number for each sample, or one for all."""
    numbers = {int(number) for number in tags.numbers(tag, MAX_SAMPLES)[:samples]} or {default}
    if len(numbers) > 1:
        raise ImageError(
            "not an image", f"a TIFF whose samples have different {noun} ({_listed(numbers)}); save it as PNG"
        )
    found = numbers.pop()
    return UNSIGNED if tag == 339 and found == VOID else found


def _listed(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


def _guess(colours: int, compression: int) -> int:
    """Guess the meaning of the values where no tag states it, as libtiff does."""
    if colours == 1:
        return WHITE_IS_ZERO if compression in CCITT else BLACK_IS_ZERO
    return RGB if colours == 3 else BLACK_IS_ZERO


def _check_pieces(layout: Layout, size: int) -> None:
    """Raise `ImageError` where strips or tiles are missing, lie beyond the file, or hold more than a file can."""
    expected = layout.across * layout.down * (layout.samples if layout.planar else 1)
    if expected > MAX_PIECES:
        raise ImageError("too large", f"a TIFF in {expected} pieces; at most {MAX_PIECES}")
    if not 1 <= layout.bits <= MAX_BITS:
        raise ImageError("damaged", f"a TIFF of {layout.bits} bits a value; 1 to {MAX_BITS} can be read")
    # Strips too many are no harm where libtiff passes them over; else nobody knows which part of the picture each is.
    named, spare = len(layout.offsets), layout.compression != NONE and not layout.planar
    if named < expected or (named > expected and not spare):
        raise ImageError("damaged", f"a TIFF whose size asks for {expected} pieces, and whose tags name {named}")
    if bool((layout.offsets[:expected] >= size).any()):
        raise ImageError("truncated", "the file ends before its picture does; copy or download it again")


def check_unpacked(layout: Layout) -> None:
    """Raise `ImageError` where unpacking would take too long, however small the picture and the file are."""
    if layout.unpacked_bytes > MAX_UNPACKED:
        raise ImageError(
            "too large",
            f"a TIFF whose strips or tiles unpack to {shown_size(layout.unpacked_bytes)}, {layout.samples} values a pixel; at "
            f"most {shown_size(MAX_UNPACKED)}",
        )


def _subsampling(tags: Directory) -> tuple[int, int]:
    found = tuple(int(number) for number in tags.numbers(530, 2)) or (0, 0)
    if found == (0, 0):
        return found
    if len(found) != 2 or not set(found) <= {1, 2, 4}:
        raise ImageError(
            "damaged", f"a TIFF in YCbCr with one colour for {'×'.join(map(str, found))} pixels; 1, 2 and 4 exist"
        )
    return found[0], found[1]


def _rationals(tags: Directory, tag: int, default: tuple[float, ...]) -> tuple[float, ...]:
    """Read fractions, or whole numbers in their place; the default where there are none that can be used."""
    found = tags.fractions(tag, len(default))
    usable = len(found) == len(default) and all(np.isfinite(found))
    # The second factor of luma divides.
    return found if usable and (tag != 529 or found[1] > 0) else default


def _no_data(text: bytes) -> float | None:
    """Read the value that stands for “no data”, which GDAL writes as text."""
    match = _NUMBER.fullmatch(text)
    try:
        return float(match[1]) if match else None
    except ValueError:
        return None


def levels_of(layout: Layout) -> int:
    """The highest value of an unsigned sample."""
    return int((1 << layout.bits) - 1)


def dtype_of(layout: Layout) -> np.dtype[Any]:
    """The type of numbers that holds a sample."""
    kind = {UNSIGNED: "u", SIGNED: "i", FLOATING: "f"}[layout.form]
    size = next(size for size in (1, 2, 4, 8) if 8 * size >= layout.bits)
    return np.dtype(f"{kind}{size}")
