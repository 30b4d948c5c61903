"""A stored picture → 8-bit RGB, by a `Render`."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .levels import Levels, by_picture, by_range
from .render import AS_STORED, Ranges, Render, Rendered

# Pixels of a transparent picture that are turned to RGB at a time.
BAND_PIXELS = 1 << 17


def rendered(image: Image.Image, render: Render) -> tuple[Image.Image, Rendered]:
    """Turn an image of any of Pillow's modes into RGB of 8 bits. Transparency is laid over white.

    The result may be ``image`` itself.

    Raises:
        ImageError: its values cannot be shown.
    """
    if image.mode.startswith("I") or image.mode == "F":
        levels, how = _levels(np.asarray(image), render.ranges)
        return Image.fromarray(levels).convert("RGB"), how
    return to_rgb(image), AS_STORED


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
