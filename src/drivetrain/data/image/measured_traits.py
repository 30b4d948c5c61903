"""Measuring the traits of a picture from its bytes. Shapes: H, W pixels of a small copy, P pixels of its border."""

from __future__ import annotations

import io
from math import ceil

import numpy as np
from PIL import ExifTags, Image

from ...core.types import FloatArray
from .decode import decode
from .jpeg_quality import quality_of
from .render import SRGB, Render
from .sharpness import SIDE, sharpness
from .taken_at import FORMATS, moment_in
from .traits import Traits

# The side in pixels of the small copy from which light and colours are taken.
SMALL = 64
# The border is this share of each side: narrow, so that a thin frame is seen, too.
BORDER = 1 / 32
LUMA = np.asarray((0.299, 0.587, 0.114), np.float32)
# The most characters of a camera's name.
LONGEST = 80


def traits_of_bytes(data: bytes, render: Render = SRGB) -> Traits:
    """Measure a picture; a JPEG is decoded at a reduced scale where that says as much.

    Raises:
        ImageError: the bytes are not a usable image.
    """
    decoded = decode(data, _enough, render=render)
    image = decoded.image
    small_HW3 = np.asarray(image.resize((SMALL, SMALL), Image.Resampling.BOX), np.float32) / np.float32(255)
    luma_HW = small_HW3 @ LUMA
    largest_HW, smallest_HW = small_HW3.max(axis=2), small_HW3.min(axis=2)
    border_P3 = _border(small_HW3)
    red, green, blue = border_P3.mean(axis=0).tolist()
    quality, camera, moment = _said(data)
    return Traits(
        width=decoded.width,
        height=decoded.height,
        format=decoded.format,
        mode=decoded.mode,
        bytes=len(data),
        brightness=_short(luma_HW.mean()),
        highlight=_short(np.quantile(luma_HW, 0.95)),
        contrast=_short(luma_HW.std()),
        saturation=_short((largest_HW - smallest_HW).mean() / max(float(largest_HW.mean()), 1 / 255)),
        sharpness=None if (sharp := sharpness(image)) is None else _short(sharp),
        border=(_short(red), _short(green), _short(blue)),
        border_spread=_short(np.sqrt(border_P3.var(axis=0).mean())),
        quality=quality,
        camera=camera,
        taken_at=moment,
    )


def _enough(width: int, height: int) -> tuple[int, int] | None:
    scale = SIDE / max(width, height)
    return (ceil(width * scale), ceil(height * scale)) if scale < 1 else None


def _short(value: float) -> float:
    return round(float(value), 4)


def _border(small_HW3: FloatArray) -> FloatArray:
    """(P, 3) pixels of the border."""
    wide = round(SMALL * BORDER)
    inside = np.zeros((SMALL, SMALL), bool)
    inside[wide:-wide, wide:-wide] = True
    return small_HW3[~inside]


def _said(data: bytes) -> tuple[int | None, str | None, str | None]:
    """Read (quality, camera, moment) from the headers; None for what a file does not say, or not so that it can be read."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            quality = quality_of(getattr(image, "quantization", {}))
            try:
                exif = image.getexif()
                own = exif.get_ifd(ExifTags.IFD.Exif)
            except Exception:  # metadata that cannot be read do not make a picture unusable; anything may be raised
                return quality, None, None
    except Exception:  # a format without such headers; the picture itself was decoded
        return None, None, None
    moment = moment_in(own)
    return quality, _camera(exif), None if moment is None else moment.isoformat()


def _camera(exif: Image.Exif) -> str | None:
    """Return the maker and the model, the maker once only: many models begin with it."""
    maker, model = (_text(exif.get(tag)) for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
    name = model if model.lower().startswith(maker.lower()) else f"{maker} {model}"
    return name.strip()[:LONGEST] or None


def _text(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
