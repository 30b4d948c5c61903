"""A stored picture → 8-bit RGB, by a `Render`."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .levels import Levels, by_picture, by_range
from .render import AS_STORED, Ranges, Render, Rendered
from .values import Values

# Pixels of a transparent picture that are turned to RGB at a time.
BAND_PIXELS = 1 << 17


def rendered(picture: Image.Image | Values | NDArray[Any], render: Render) -> tuple[Image.Image, Rendered]:
    """Turn an image of any of Pillow's modes, or the values of a deeper one, into RGB of 8 bits.

    Transparency is laid over white. The result may be ``picture`` itself. An array has the shape (height, width), or (height,
    width, channels) with 1 to 4 channels, as `Values` has them.

    Raises:
        ImageError: its values cannot be shown.
    """
    if isinstance(picture, np.ndarray):
        return _of_values(Values(picture if picture.ndim == 3 else picture[:, :, None]), render)
    if isinstance(picture, Values):
        return _of_values(picture, render)
    if picture.mode.startswith("I") or picture.mode == "F":
        return _of_values(Values(np.asarray(picture)[:, :, None]), render)
    return to_rgb(picture), AS_STORED


def _of_values(values: Values, render: Render) -> tuple[Image.Image, Rendered]:
    array_HWK = values.array_HWK
    opaque = array_HWK.shape[2] in (1, 3)
    colours_HWK = array_HWK if opaque else array_HWK[:, :, :-1]
    levels_HWK, how = _levels(colours_HWK, render.ranges)
    if values.inverted:
        np.subtract(255, levels_HWK, out=levels_HWK)
    if not opaque:
        _lay_over_white(levels_HWK, array_HWK[:, :, -1])
    if levels_HWK.shape[2] == 1:
        return Image.fromarray(levels_HWK[:, :, 0]).convert("RGB"), how
    return Image.fromarray(levels_HWK), how


def _lay_over_white(levels_HWK: Levels, opacity_HW: NDArray[Any]) -> None:
    """Mix levels with white, in place, some rows at a time."""
    top = np.iinfo(opacity_HW.dtype).max if opacity_HW.dtype.kind in "iu" else 1
    rows = max(1, BAND_PIXELS // max(1, opacity_HW.shape[1]))
    for first in range(0, len(levels_HWK), rows):
        share_HW1 = np.clip(np.nan_to_num(opacity_HW[first : first + rows, :, None] / np.float64(top)), 0, 1)
        band_HWK = levels_HWK[first : first + rows]
        band_HWK[:] = np.rint(255 - (255 - band_HWK) * share_HW1)


def to_rgb(image: Image.Image) -> Image.Image:
    """Turn an image of 8 bits a channel into RGB, its colours as stored; the result may be ``image`` itself."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        return _over_white(image)
    return image.convert("RGB")


def _levels(values: NDArray[Any], ranges: Literal["picture"] | Ranges) -> tuple[Levels, Rendered]:
    known = None
    if isinstance(ranges, Ranges):
        known = ranges.floats if values.dtype.kind == "f" else ranges.integers
    if known is not None:
        return by_range(values, *known), Rendered(range="known")
    return by_picture(values), Rendered(range="guessed")


def _over_white(image: Image.Image) -> Image.Image:
    """Lay a transparent picture over white, a band of rows at a time: as a whole it would be in memory four times."""
    rgb = Image.new("RGB", image.size)
    rows = max(1, BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        if band.mode == "La":
            band = band.convert("LA")  # the only way from premultiplied grey
        rgba = band.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        rgb.paste(Image.alpha_composite(white, rgba).convert("RGB"), (0, top))
    return rgb
