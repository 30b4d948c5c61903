"""Strips and tiles of a TIFF that are pictures by themselves: JPEG, JPEG 2000, WebP, PNG, LERC."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, Jpeg2KImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from ...core.errors import ImageError
from . import jpeg2000
from .codecs import decode_into
from .tiff_layout import BLACK_IS_ZERO, FLOATING, JPEG, RGB, UNSIGNED, WHITE_IS_ZERO, Layout, dtype_of

LERC = 34887
# Compression → the plugin that reads such a picture; Image.open would try others.
PLUGINS: Mapping[int, Callable[[IO[bytes]], ImageFile.ImageFile]] = {
    JPEG: JpegImagePlugin.JpegImageFile,
    34712: Jpeg2KImagePlugin.Jpeg2KImageFile,
    33005: Jpeg2KImagePlugin.Jpeg2KImageFile,
    34933: PngImagePlugin.PngImageFile,
    50001: WebPImagePlugin.WebPImageFile,
}
JPEG_2000 = frozenset({34712, 33005})
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# Bytes a pixel that decoders of such pictures hold, and the most that JPEG 2000 may take for its structures.
PIXEL_BYTES, STRUCTURE_BYTES = 32, 64 << 20


def can_decode(layout: Layout) -> bool:
    """Tell whether each strip or tile is a picture of a kind that can be decoded by itself."""
    bits, count, plain = layout.bits, layout.interleaved, layout.form == UNSIGNED and not layout.reversed_bits
    known = plain and layout.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB)
    if layout.compression == LERC:
        return bits in (8, 16, 32) or (bits == 64 and layout.form == FLOATING)
    if layout.compression in JPEG_2000:
        return known and count in MODES and bits in (8, 10, 12, 14, 16)
    if layout.compression == JPEG:
        # Pillow reads a JPEG's colours by guess, so that those of TIFFs are left to libtiff.
        return known and count == 1 and bits in (8, 12)
    return known and layout.compression in PLUGINS and count in MODES and bits == 8


def decoded_HWS(packed: bytes, layout: Layout, height: int) -> NDArray[Any]:
    """Decode a strip of ``height`` rows, or a tile: an array of (height, width, samples side by side).

    Raises:
        ImageError: it is damaged, or of another size.
    """
    width, samples = layout.segment[0], layout.interleaved
    out = np.zeros((height, width, samples), dtype_of(layout))
    flat = out[:, :, 0] if samples == 1 else out
    if layout.compression == LERC:
        decode_into("lerc_decode", "a TIFF compressed as LERC", packed, flat)
        return out
    if layout.compression in JPEG_2000:
        _check_jpeg2000(packed)
        if layout.bits > 8:
            decode_into("jpeg2k_decode", "a TIFF of JPEG 2000 pictures of more than 8 bits", packed, flat)
            return out
    if layout.compression == JPEG and layout.bits > 8:
        tables = {"tables": layout.tables} if layout.tables else {}
        decode_into("jpeg8_decode", "a TIFF of JPEGs of 12 bits", packed, flat, **tables)
        return out
    if layout.compression == JPEG and layout.tables:
        packed = layout.tables.removesuffix(b"\xff\xd9") + packed.removeprefix(b"\xff\xd8")
    with PLUGINS[layout.compression](io.BytesIO(packed)) as image:
        if image.size != (width, height):
            raise ImageError(
                "damaged", f"a TIFF in which a strip or tile of {width}×{height} holds a picture of another size"
            )
        image.load()
        return np.asarray(_in_mode(image, MODES[samples])).reshape(height, width, samples)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Give an image the channels that the tags announce; an encoder leaves out opacity that is full."""
    if image.mode == mode:
        return image
    if (image.mode, mode) in (("RGB", "RGBA"), ("RGBX", "RGB"), ("RGBX", "RGBA")):
        return image.convert(mode)
    raise ImageError("damaged", f"a TIFF in which a strip or tile holds a picture in {image.mode} instead of {mode}")


def _check_jpeg2000(packed: bytes) -> None:
    found = jpeg2000.announced(packed)
    if found is None or found.bytes > STRUCTURE_BYTES:
        raise ImageError("damaged", "a TIFF in which a JPEG 2000 picture is damaged, or takes too much memory")
