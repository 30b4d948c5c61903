"""Reading HEIC and HEIF photos with libheif, by way of pi-heif, which is imported when the first one comes."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from ...core.errors import LIBRARY_MISSING, ImageError
from .heif import without_needless
from .levels import Scaling
from .stored import Stored

_lock = Lock()

FORMAT = "HEIC"
NEEDED = "an HEIC photo, for which the package pi-heif is needed; run: pip install pi-heif"
# Modes of more than 8 bits, which libheif hands out in 16 with the lowest left empty → those of 8.
DEEP = {"I;16": "L", "L;16": "L", "LA;16": "LA", "La;16": "La"}


def read_heif(data: bytes) -> Stored:
    """Decode the primary picture, turned and mirrored as the file's own properties say (`irot`, `imir`).

    EXIF's orientation is passed over, as the standard (ISO/IEC 23000-22) wants it: cameras state the turn in both places.

    Raises:
        ImageError: the library is missing.
    """
    file = _library().open_heif(without_needless(data), convert_hdr_to_8bit=True)
    if not len(file):
        raise ImageError("damaged", "no picture can be found in it")
    picture = file[file.primary_index]
    pixels, mode = picture.data, picture.mode
    if mode in DEEP:
        image = _of_8_bits(pixels, picture.size, picture.info["bit_depth"], DEEP[mode])
    else:
        image = Image.frombytes(mode, picture.size, pixels, "raw", mode, picture.stride)
    if profile := picture.info.get("icc_profile"):
        image.info["icc_profile"] = profile
    return Stored(image, FORMAT, mode)


def _of_8_bits(pixels: bytes, size: tuple[int, int], depth: int, mode: str) -> Image.Image:
    values = np.frombuffer(pixels, "<u2").reshape(size[1], size[0], len(mode))
    white = ((1 << depth) - 1) << (16 - depth)
    return Image.frombytes(mode, size, Scaling(0, white).levels(values).tobytes())


def _library() -> Any:
    try:
        with _lock:  # a library that cannot be loaded fails in other ways where several threads try at once
            import pi_heif

            pi_heif.libheif_version()  # the package hides that its own library cannot be loaded until that is used
    except (ImportError, OSError):
        raise ImageError(LIBRARY_MISSING, NEEDED) from None
    return pi_heif
