"""TIFF: who reads a picture, and what its values mean.

Pillow is asked only for layouts that a grid of generated files has shown it to read right (tests/data/test_grid.py); it
refuses others, or makes rubbish of them. All that it is not trusted with is read by `tiff_values` or refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.errors import ImageError
from .jpeg_scan import check_end
from .stored import Stored, upright
from .tiff_colours import from_lab, read_ycbcr
from .tiff_directory import beginning_with, first_place
from .tiff_layout import (
    BLACK_IS_ZERO,
    CCITT,
    CIELAB,
    CMYK,
    COMPRESSIONS,
    FLOAT_BITS,
    FLOATING,
    JPEG,
    NONE,
    PALETTE,
    PHOTOMETRICS,
    RGB,
    SIGNED,
    UNSIGNED,
    WHITE_IS_ZERO,
    YCBCR,
    Layout,
    check_unpacked,
    dtype_of,
    levels_of,
    read_layout,
)
from .tiff_pictures import can_decode
from .tiff_values import UNPACKED, batch_bytes, values_HWS
from .values import Values

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
RGB_BYTES = 8
Reader = Literal["Pillow", "values"]


def is_tiff(data: bytes) -> bool:
    """Tell whether a file begins as a TIFF does."""
    return data.startswith(SIGNATURES)


def reader_of(layout: Layout, *, before: bool = False) -> Reader:
    """Tell who reads a layout. ``before``: as bundles of before schema version 4 have it, to 8 bits.

    Raises:
        ImageError: nobody does; says why.
    """
    if _pillow_reads(layout) or (before and _pillow_read(layout)):
        return "Pillow"
    _check(layout)
    return "values"


def can_read_values(layout: Layout) -> bool:
    """Tell whether `read_values` reads a layout, whoever else does."""
    try:
        _check(layout)
    except ImageError:
        return False
    return True


def _pillow_reads(layout: Layout) -> bool:
    """Tell whether a layout is one that Pillow reads right, and as deep as it is."""
    if layout.planar or layout.guessed or layout.sparse or layout.form != UNSIGNED:
        return False
    if _is_big_big_endian(layout):
        return False
    kind, extra, bits = layout.photometric, layout.extra, layout.bits
    if layout.compression in CCITT:
        return bits == 1 and layout.samples == 1 and kind in (WHITE_IS_ZERO, BLACK_IS_ZERO)
    if bits != 8 or layout.reversed_bits or (layout.compression not in UNPACKED and layout.compression != JPEG):
        return False
    if kind in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        return layout.samples == 1
    if kind == RGB:
        return layout.samples == 3 or (
            layout.samples == 4 and extra in ((0,), (1,), (2,)) and layout.compression != JPEG
        )
    if kind == CMYK:
        return layout.samples == 4
    if kind == YCBCR:
        # Pillow takes every pixel to have a colour of its own where nothing is compressed.
        return layout.samples == 3 and layout.compression == JPEG
    return False


def _is_big_big_endian(layout: Layout) -> bool:
    """Tell whether offsets have 64 bits and their highest byte first, which Pillow takes for another header."""
    return layout.big and layout.order == ">"


def _pillow_read(layout: Layout) -> bool:
    """Tell whether Pillow gave a picture of 8 bits, or the right values, in bundles of before."""
    if (
        layout.planar
        or layout.sparse
        or layout.compression not in UNPACKED
        or layout.reversed_bits
        or _is_big_big_endian(layout)
    ):
        return False
    kind = layout.photometric
    if layout.samples == 1:
        # Black and white of deep pictures were not told from one another.
        inverted = (16, UNSIGNED) if layout.order == "<" else None
        return kind == WHITE_IS_ZERO and ((layout.bits, layout.form) in (inverted, (32, FLOATING)))
    if layout.form != UNSIGNED or layout.guessed:
        return False
    if layout.bits == 8 and layout.samples == 2:
        return kind == BLACK_IS_ZERO and layout.is_multiplied
    if layout.bits == 8 and layout.samples == 3:
        fine = layout.subsampling == (1, 1) or layout.compression != NONE
        return kind == CIELAB or (kind == YCBCR and fine)
    return layout.bits == 16 and ((kind == RGB and layout.samples in (3, 4)) or (kind == CMYK and layout.samples == 4))


def _check(layout: Layout) -> None:
    """Raise `ImageError` for a layout whose values cannot be read, or mean no colours that are known here."""
    if layout.compression not in UNPACKED and not can_decode(layout):
        name = COMPRESSIONS.get(layout.compression, f"number {layout.compression}")
        raise _cannot(
            f"its compression is {name}, of {layout.samples} values of {layout.bits} bits a pixel",
            "save it again with LZW or without compression",
        )
    kind = layout.photometric
    if kind not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, CIELAB):
        raise _cannot(f"its values are {PHOTOMETRICS.get(kind, f'of photometric {kind}')}", "save it again as RGB")
    if (kind == YCBCR and layout.bits != 8) or (kind == CIELAB and layout.bits not in (8, 16)):
        raise _cannot(f"it is {_colours(kind)} of {layout.bits} bits", "save it again as RGB")
    if layout.form not in (UNSIGNED, SIGNED, FLOATING):
        raise _cannot("its values are complex numbers", "save their magnitude as a picture")
    if layout.form == FLOATING and layout.bits not in FLOAT_BITS:
        raise _cannot(f"its values are floating-point numbers of {layout.bits} bits", "save it again with 32")
    least = {RGB: 3, CMYK: 4, YCBCR: 3, CIELAB: 3}.get(kind, 1)
    if layout.samples < least:
        raise ImageError(
            "damaged", f"a TIFF in {_colours(kind)} with {layout.samples} values a pixel; {least} are needed"
        )
    if kind in (PALETTE, CMYK, YCBCR) and layout.form != UNSIGNED:
        raise _cannot(f"its values are {_colours(kind)} with signed or floating-point numbers", "save it again as RGB")
    if layout.form == SIGNED and layout.is_multiplied:
        raise _cannot("its colours are signed numbers multiplied by opacity", "save it again without transparency")
    if kind == CMYK and layout.alpha is not None:
        raise _cannot("it is CMYK with transparency", "save it again as RGB, or flattened")
    if kind == PALETTE and (layout.bits > 16 or layout.palette is None or len(layout.palette) < 3 << layout.bits):
        raise ImageError("damaged", "a TIFF whose palette is missing or has too few colours")


def _cannot(why: str, instead: str) -> ImageError:
    return ImageError("not an image", f"a TIFF that cannot be read here: {why}; {instead}")


def check_pieces(data: bytes, layout: Layout) -> None:
    """Raise `ImageError` where strips or tiles unpack to too much, or are JPEGs cut short, which libtiff fills up."""
    check_unpacked(layout)
    if layout.compression == JPEG:
        for start, count in zip(layout.offsets.tolist(), layout.counts.tolist(), strict=False):
            if count:
                check_end(data, start, min(start + count, len(data)))


def for_pillow(data: bytes, layout: Layout) -> bytes:
    """The file as Pillow is to see it, whose first picture is the one to be read."""
    return beginning_with(data, layout.place)


def _colours(kind: int) -> str:
    return {RGB: "RGB", PALETTE: "palette", CMYK: "CMYK", YCBCR: "YCbCr", CIELAB: "CIELAB"}[kind]


def read_values(data: bytes, layout: Layout) -> Stored:
    """Read a picture that Pillow is not trusted with.

    Raises:
        ImageError: a part of it is missing or damaged.
    """
    if layout.photometric == YCBCR:
        array = upright(read_ycbcr(data, layout), layout.orientation)
        return Stored(_with_profile(Image.fromarray(np.ascontiguousarray(array)), layout), "TIFF", "YCbCr")
    colours = _colour_samples(layout)
    chosen = [*colours, *([] if layout.alpha is None else [layout.alpha])]
    array = upright(values_HWS(data, layout, chosen), layout.orientation)
    bands = layout.samples if layout.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) and layout.samples > 2 else 0
    if layout.photometric == PALETTE:
        return Stored(_with_profile(_from_palette(array, layout), layout), "TIFF", "P")
    if layout.photometric == CMYK:
        return Stored(_with_profile(Image.fromarray(_eight_bits(array, layout), "CMYK"), layout), "TIFF", "CMYK")
    if layout.photometric == CIELAB:
        return Stored(Image.fromarray(from_lab(array, layout.bits)), "TIFF", "LAB")
    mode = f"{bands} bands" if bands else {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[array.shape[2]]
    if layout.form == UNSIGNED and layout.bits <= 8:
        levels = _eight_bits(array, layout)
        if layout.alpha is not None:
            levels = _plain_opacity(levels, layout, 255)
        if layout.photometric == WHITE_IS_ZERO:
            levels[:, :, : len(colours)] = 255 - levels[:, :, : len(colours)]
        image = Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
        return Stored(_with_profile(image, layout), "TIFF", mode)
    if array.dtype.itemsize == 1:
        array = array.astype(np.int16)
    if layout.alpha is not None:
        array = _plain_opacity(array, layout, _full(layout))
    values = Values(array, layout.no_data, layout.photometric == WHITE_IS_ZERO, layout.profile)
    return Stored(values, "TIFF", _deep_mode(mode, array.dtype))


def _full(layout: Layout) -> int:
    """The opacity that is all of it."""
    if layout.form == FLOATING:
        return 1
    return levels_of(layout) if layout.form == UNSIGNED else (1 << layout.bits - 1) - 1


def _deep_mode(mode: str, dtype: np.dtype[Any]) -> str:
    """Name a deep picture: as Pillow does where it has a name (grey), else by its channels and its numbers."""
    if mode == "L":
        names = {"u2": "I;16", "i2": "I", "i4": "I", "u4": "I", "f4": "F"}
        return names.get(dtype.str[1:], dtype.name)
    return f"{mode};{dtype.name}"


def _colour_samples(layout: Layout) -> list[int]:
    """The samples that make the picture: of several bands without a meaning, the first three."""
    if layout.photometric == CMYK:
        return [0, 1, 2, 3]
    if layout.photometric == PALETTE:
        return [0]
    if layout.photometric in (YCBCR, CIELAB):
        return [0, 1, 2]
    others = [sample for sample in range(layout.samples) if sample != layout.alpha]
    return others[:3] if len(others) >= 3 else others[:1]


def _eight_bits(array: NDArray[Any], layout: Layout) -> NDArray[np.uint8]:
    """Scale whole numbers to 8 bits, full scale to full scale."""
    if layout.bits == 8:
        return np.ascontiguousarray(array, np.uint8)
    if layout.bits > 16:
        upper: NDArray[np.uint8] = (array >> np.array(layout.bits - 8, array.dtype)).astype(np.uint8)
        return upper
    top = levels_of(layout)
    scale = np.rint(np.arange(top + 1) * (255 / top)).astype(np.uint8)
    levels: NDArray[np.uint8] = scale[array]
    return levels


def _from_palette(array: NDArray[Any], layout: Layout) -> Image.Image:
    assert layout.palette is not None
    colours_3N = layout.palette[: 3 << layout.bits].reshape(3, -1)
    # Colours have 16 bits; some programs write 8.
    levels_N3 = (colours_3N if int(colours_3N.max()) < 256 else colours_3N >> 8).T.astype(np.uint8)
    rgb = levels_N3[array[:, :, 0]]
    if layout.alpha is None:
        return Image.fromarray(rgb)
    return Image.fromarray(np.concatenate([rgb, _eight_bits(array[:, :, 1:], layout)], axis=2))


def _plain_opacity(array: NDArray[Any], layout: Layout, full: int) -> NDArray[Any]:
    """Give opacity the full scale of its type, and colours that are multiplied by it back their own."""
    whole = array.dtype.kind != "f"
    opacity = array[:, :, -1:].astype(np.float64)
    result = np.array(array)
    if layout.is_multiplied:
        # The nearest number that a conversion does not take beyond the type.
        top = full if full < 1 << 53 else np.nextafter(float(full), 0)
        with np.errstate(all="ignore"):
            plain = np.where(opacity > 0, array[:, :, :-1] * (full / opacity), 0)
        result[:, :, :-1] = np.minimum(np.rint(plain), top) if whole else plain
    most = int(np.iinfo(array.dtype).max) if whole else 1
    if full != most:
        result[:, :, -1:] = np.rint(opacity * (most / full))
    return result


def _with_profile(image: Image.Image, layout: Layout) -> Image.Image:
    if layout.profile:
        image.info["icc_profile"] = layout.profile
    return image


def values_bytes(layout: Layout) -> tuple[int, int]:
    """(bytes a pixel, bytes beside) that are held at once on the way from a layout's values to RGB."""
    samples: Sequence[int] = _colour_samples(layout)
    count = len(samples) + (layout.alpha is not None)
    size = dtype_of(layout).itemsize
    opacity = 0 if layout.alpha is None else count * size + 8 * (2 + 3 * len(samples))
    levels = count * (8 if size <= 2 else 2 * size + 10)
    return count * size + max(opacity, levels) + RGB_BYTES, batch_bytes(layout)


__all__ = [
    "check_pieces",
    "first_place",
    "for_pillow",
    "is_tiff",
    "read_layout",
    "read_values",
    "reader_of",
    "values_bytes",
]
