"""Reading one picture from wherever it is: a file, bytes, an array or a Pillow image."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from ...core.errors import DataError, ImageError
from ...core.local_path import not_local
from ...core.plain_file import read_plain
from ..block.describe import describe
from .decode import MAX_BYTES, DecodeSize, decode, to_rgb


def read_picture(x: object, decode_size: DecodeSize | None = None) -> Image.Image:
    """Upright RGB image, never the caller's own object.

    ``x``: the path or the bytes of an image file, a Pillow image (taken as it is, EXIF or not), or a uint8 array, (H, W)
    grey or (H, W, K) with 1, 3 or 4 channels. ``decode_size`` is for JPEGs, see `decode`.

    >>> read_picture(np.zeros((4, 6), np.uint8)).size
    (6, 4)

    Raises:
        ImageError: the file or bytes are not a usable image.
        DataError: the array or object is none of these.
    """
    match x:
        case str() | Path():
            return decode(read_bytes(Path(x)), decode_size).image
        case bytes():
            return decode(x, decode_size).image
        case Image.Image():
            return to_rgb(x).copy()
        case np.ndarray():
            return to_rgb(from_array(x))
    raise DataError(f"received {describe(x)}; give a path, bytes, a Pillow image or a uint8 array")


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a regular file of bearable size.

    Raises:
        ImageError: missing, unreadable, too large, or not enough memory just now.
    """
    try:
        size = os.stat(path).st_size  # noqa: PTH116  # as it was given: a Path would change an address
        if size > MAX_BYTES:
            raise ImageError("too large", f"{size >> 20} MiB; at most {MAX_BYTES >> 20} MiB")
        return read_plain(path, MAX_BYTES)
    except FileNotFoundError:
        raise ImageError("missing", not_local(os.fspath(path)) or "no such file") from None
    except (OSError, ValueError) as error:  # ValueError: the path contains a null character
        raise ImageError("unreadable", getattr(error, "strerror", None) or str(error)) from None
    except MemoryError:
        raise ImageError("out of memory", "not enough memory to read it") from None


def from_array(pixels: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Image.Image:
    """(H, W) or (H, W, K) uint8 → image of mode L, RGB or RGBA.

    Raises:
        DataError: another type or shape; values are never scaled by guess.
    """
    shape = pixels.shape[:-1] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels.shape
    fits = len(shape) == 2 or (len(shape) == 3 and shape[-1] in (3, 4))
    if pixels.dtype != np.uint8 or not fits or not pixels.size:
        raise DataError(f"received {describe(pixels)}; give uint8 of (H, W), (H, W, 3) or (H, W, 4), values 0–255")
    return Image.fromarray(np.ascontiguousarray(pixels.reshape(shape)))
