"""A stored picture → 8-bit RGB, by a `Render`."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .colour import AS_IT_IS, Conversion, Space, conversion_of
from .levels import Levels, levels_of
from .render import AS_STORED, Range, Render, Rendered
from .values import Values

# The space of colours that a profile has to be for, by mode; of all other modes that of RGB.
SPACES: dict[str, Space] = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK"}
# Pixels of a transparent picture that are turned to RGB at a time.
BAND_PIXELS = 1 << 17


def rendered(
    picture: Image.Image | Values | NDArray[Any], render: Render, *, own: bool = False
) -> tuple[Image.Image, Rendered]:
    """Turn an image of any of Pillow's modes, or the values of a deeper one, into RGB of 8 bits.

    Transparency is laid over white. The result may be ``picture`` itself. An array has the shape (height, width), or (height,
    width, channels) with 1 to 4 channels, as `Values` has them. ``own``: an image may be changed in place. A colour profile in
    the image's ``info`` is left out of the result's, as its colours are sRGB then, unless ``render`` passes profiles over.

    Raises:
        ImageError: its values cannot be shown.
    """
    if isinstance(picture, np.ndarray):
        return _of_values(Values(picture if picture.ndim == 3 else picture[:, :, None]), render)
    if isinstance(picture, Values):
        return _of_values(picture, render)
    if picture.mode.startswith("I") or picture.mode == "F":
        own_profile = picture.info.get("icc_profile")
        return _of_values(Values(np.asarray(picture)[:, :, None], profile=own_profile), render)
    profile = picture.info.get("icc_profile") if render.colour == "srgb" else None
    if not profile:
        return to_rgb(picture), AS_STORED
    return _by_profile(picture if own else picture.copy(), profile)


def _by_profile(image: Image.Image, profile: object) -> tuple[Image.Image, Rendered]:
    clear = (image.mode != "RGB" or "transparency" in image.info) and image.has_transparency_data
    conversion = conversion_of(profile, SPACES.get(image.mode, "RGB"), clear=clear)
    image.info.pop("icc_profile")
    how: Literal["ignored", "applied"] = "ignored" if conversion is None else "applied"
    return to_rgb(image, conversion or AS_IT_IS), Rendered(profile=how)


def _of_values(values: Values, render: Render) -> tuple[Image.Image, Rendered]:
    array_HWK = values.array_HWK
    opaque = array_HWK.shape[2] in (1, 3)
    colours_HWK = array_HWK if opaque else array_HWK[:, :, :-1]
    levels_HWK, how = levels_of(
        colours_HWK,
        render.ranges,
        values.no_data,
        inverted=values.inverted,
        stated=_stated(colours_HWK, values.profile),
    )
    levels_HWK, profile = _converted(levels_HWK, values.profile, render)
    told = Rendered(profile, how)
    if not opaque:
        _lay_over_white(levels_HWK, array_HWK[:, :, -1])
    if levels_HWK.shape[2] == 1:
        return Image.fromarray(levels_HWK[:, :, 0]).convert("RGB"), told
    return Image.fromarray(levels_HWK), told


def _stated(colours_HWK: NDArray[Any], profile: bytes | None) -> Range | None:
    """Black and white of colours with a profile: it says what the numbers look like, the highest of 16 bits as white.

    So a photo of the night stays dark. Grey is left out: some programs add a profile to whatever they save.
    """
    whole = colours_HWK.dtype.kind == "u" and colours_HWK.dtype.itemsize == 2
    if not profile or not whole or colours_HWK.shape[2] != 3:
        return None
    return None if conversion_of(profile, "RGB") is None else (0.0, 65535.0)


def _converted(
    levels_HWK: Levels, profile: bytes | None, render: Render
) -> tuple[Levels, Literal["none", "applied", "ignored"]]:
    """Convert levels of grey or colour by their profile."""
    if not profile or render.colour != "srgb":
        return levels_HWK, "none"
    grey = levels_HWK.shape[2] == 1
    conversion = conversion_of(profile, "L" if grey else "RGB")
    if conversion is None:
        return levels_HWK, "ignored"
    if not conversion.changes:
        return levels_HWK, "applied"
    image = conversion.of(Image.fromarray(levels_HWK[:, :, 0] if grey else levels_HWK))
    return np.array(image).reshape(levels_HWK.shape), "applied"


def _lay_over_white(levels_HWK: Levels, opacity_HW: NDArray[Any]) -> None:
    """Mix levels with white, in place, some rows at a time."""
    top = np.iinfo(opacity_HW.dtype).max if opacity_HW.dtype.kind in "iu" else 1
    rows = max(1, BAND_PIXELS // max(1, opacity_HW.shape[1]))
    for first in range(0, len(levels_HWK), rows):
        share_HW1 = np.clip(np.nan_to_num(opacity_HW[first : first + rows, :, None] / np.float64(top)), 0, 1)
        band_HWK = levels_HWK[first : first + rows]
        band_HWK[:] = np.rint(255 - (255 - band_HWK) * share_HW1)


def to_rgb(image: Image.Image, conversion: Conversion = AS_IT_IS) -> Image.Image:
    """Turn an image of 8 bits a channel into RGB, its colours by ``conversion``; the result may be ``image`` itself, changed."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return conversion.of(image)
    if image.has_transparency_data:
        return _over_white(image, conversion)
    if image.mode == "1":
        image = image.convert("L")
    if image.mode in SPACES and conversion.changes:
        return conversion.of(image).convert("RGB")
    return conversion.of(image.convert("RGB"))


def _over_white(image: Image.Image, conversion: Conversion) -> Image.Image:
    """Lay a transparent picture over white, a band of rows at a time: as a whole it would be in memory four times."""
    rgb = Image.new("RGB", image.size)
    rows = max(1, BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        if band.mode == "La":
            band = band.convert("LA")  # the only way from premultiplied grey
        if conversion.table is not None:
            band = conversion.of(band.convert("LA"))
        rgba = band.convert("RGBA")
        if conversion.transform is not None:
            rgba = conversion.of(rgba)
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        rgb.paste(Image.alpha_composite(white, rgba).convert("RGB"), (0, top))
    return rgb
