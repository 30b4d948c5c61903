"""A picture that has been looked into: decoded whole by the one decoder, made smaller where asked, and ready to be written."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

from PIL import Image

from ...core.errors import ImageError
from ...core.types import ItemFacts
from ...data.image.decode import decode
from ...data.image.facts import facts_of

LEAST_SIDE = 32
"""Pictures whose shorter side has fewer pixels are placeholders and buttons."""

# Quality at which pictures that are made smaller are written as JPEG.
QUALITY = 92

# Endings by format as decoded; others are called by the format itself.
_ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "JPEG2000": ".jp2", "DIB": ".bmp", "HEIF": ".heic"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """Bytes as they will be written. ``facts`` are of the picture as it came."""

    data: bytes
    ending: str
    facts: ItemFacts
    sha256: str
    """SHA-256 of ``data``."""


def prepare(data: bytes, resize: int | None = None) -> Prepared:
    """Look into a picture. ``resize``: the longer side's pixels where it has more; it is then written as JPEG.

    Raises:
        ImageError: it cannot be decoded, or is tiny.
    """
    decoded = decode(data)
    if min(decoded.width, decoded.height) < LEAST_SIDE:
        raise ImageError("tiny", f"{decoded.width}×{decoded.height} pixels; at least {LEAST_SIDE} a side are wanted")
    facts = facts_of(hashlib.sha256(data).hexdigest(), decoded)
    ending = _ENDINGS.get(decoded.format, f".{decoded.format.lower()}")
    if resize is not None and max(decoded.width, decoded.height) > resize:
        data, ending = _smaller(decoded.image, resize), ".jpg"
    return Prepared(data, ending, facts, hashlib.sha256(data).hexdigest())


def _smaller(image: Image.Image, side: int) -> bytes:
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY, optimize=True)
    return file.getvalue()
