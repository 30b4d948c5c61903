"""Reading one picture from a file, bytes, an array or a Pillow image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ...core.errors import DataError, ImageError, InputError
from ...core.reference import Reference, read_bounded
from ..block.describe import describe
from .decode import DecodeSize, decode
from .render import SRGB, Render
from .rgb import rendered


def read_picture(
    x: object,
    decode_size: DecodeSize | None = None,
    render: Render = SRGB,
) -> Image.Image:
    """Read an upright RGB image; the result is never the caller's own object.

    ``x``: a path or another reference, the bytes of an image file, a Pillow image (taken as it is, EXIF or not), or a uint8
    array, (H, W) grey or (H, W, K) with 1, 3 or 4 channels. ``decode_size`` is for JPEGs;
    for that and ``render`` see `decode`.

    >>> read_picture(np.zeros((4, 6), np.uint8)).size
    (6, 4)

    Raises:
        ImageError: the file or bytes are not a usable image, or cannot be had.
        DataError: the array or object is none of these.
    """
    match x:
        case str():
            return decode(_bytes_of(Path(x)), decode_size, render=render).image
        case bytes():
            return decode(x, decode_size, render=render).image
        case Image.Image():
            return rendered(x, render)[0].copy()
        case np.ndarray():
            return rendered(from_array(x), render)[0]
        case Reference():
            return decode(_bytes_of(x), decode_size, render=render).image
    raise DataError(f"received {describe(x)}; give a path, bytes, a Pillow image or a uint8 array")


def _bytes_of(reference: Reference) -> bytes:
    try:
        return read_bounded(reference)
    except InputError as error:
        raise ImageError(error.reason, error.detail) from None


def from_array(pixels: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Image.Image:
    """Turn (H, W) or (H, W, K) uint8 into an image of mode L, RGB or RGBA.

    Raises:
        DataError: another type or shape; values are never scaled by guess.
    """
    shape = pixels.shape[:-1] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels.shape
    fits = len(shape) == 2 or (len(shape) == 3 and shape[-1] in (3, 4))
    if pixels.dtype != np.uint8 or not fits or not pixels.size:
        raise DataError(f"received {describe(pixels)}; give uint8 of (H, W), (H, W, 3) or (H, W, 4), values 0–255")
    return Image.fromarray(np.ascontiguousarray(pixels.reshape(shape)))
