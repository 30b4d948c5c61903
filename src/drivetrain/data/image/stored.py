"""A picture as its file stores it, turned upright, and what the file says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from PIL import ExifTags, Image

from .values import Values

# EXIF's number → how the stored pixels are turned upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = frozenset({5, 6, 7, 8})
_TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda array: array[:, ::-1],
    3: lambda array: array[::-1, ::-1],
    4: lambda array: array[::-1],
    5: lambda array: array.swapaxes(0, 1),
    6: lambda array: array[::-1].swapaxes(0, 1),
    7: lambda array: array[::-1, ::-1].swapaxes(0, 1),
    8: lambda array: array[:, ::-1].swapaxes(0, 1),
}


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture of 8 bits a channel as a Pillow image, a deeper one as its values; upright."""

    pixels: Image.Image | Values
    format: str
    mode: str


def upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn an array of (height, width, …) as EXIF's orientation asks; a view of it."""
    return _TURNS[orientation](array) if orientation in _TURNS else array


def orientation_of(image: Image.Image) -> int:
    """Read EXIF's (or XMP's) orientation, 1 where there is none. Metadata that cannot be read do not make a picture unusable."""
    try:
        number = image.getexif().get(ExifTags.Base.Orientation, 1)
    except MemoryError:
        raise
    except Exception:  # as with pixels, anything may be raised
        return 1
    return number if isinstance(number, int) else 1
