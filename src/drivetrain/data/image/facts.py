"""What one decode teaches about a file, and small pictures of it."""

from __future__ import annotations

import hashlib
import io
from math import ceil

from PIL import Image

from ...core.types import ImageFacts
from .decode import Decoded, DecodeSize, decode
from .phash import low_frequencies

THUMBNAIL_SIDE = 160


def facts_of(sha256: str, decoded: Decoded) -> ImageFacts:
    """Facts of a decoded file; ``sha256`` is of its bytes."""
    size = repr(decoded.image.size).encode()
    return ImageFacts(
        sha256=sha256,
        width=decoded.width,
        height=decoded.height,
        format=decoded.format,
        mode=decoded.mode,
        reduced=decoded.reduced,
        pixels_sha256=hashlib.sha256(size + decoded.image.tobytes()).hexdigest(),
        dct=low_frequencies(decoded.image),
    )


def thumbnail(data: bytes, side: int = THUMBNAIL_SIDE) -> bytes:
    """JPEG of at most ``side`` pixels a side, without metadata.

    Raises:
        ImageError: the bytes are not a usable image.
    """
    return thumbnail_of(decode(data, thumbnail_size(side)).image, side)


def thumbnail_size(side: int) -> DecodeSize:
    """The size that is enough to decode for a thumbnail: twice its own."""

    def enough(width: int, height: int) -> tuple[int, int] | None:
        scale = 2 * side / max(width, height)
        return (ceil(width * scale), ceil(height * scale)) if scale < 1 else None

    return enough


def thumbnail_of(image: Image.Image, side: int = THUMBNAIL_SIDE) -> bytes:
    """As `thumbnail`, of a picture that is decoded; ``image`` is made small."""
    image.thumbnail((side, side), Image.Resampling.BICUBIC)
    image.info = {}  # Pillow would write a comment along
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80, optimize=True)
    return buffer.getvalue()
