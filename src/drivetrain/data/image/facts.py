"""The facts that one decode teaches about a file, and small pictures of it."""

from __future__ import annotations

import hashlib
import io
from math import ceil

from PIL import Image

from ...core.types import ItemFacts
from .decode import Decoded, DecodeSize, decode
from .phash import low_frequencies
from .render import SRGB, Render

THUMBNAIL_SIDE = 160

DETAILS: dict[str, type] = {
    "width": int,
    "height": int,
    "format": str,
    "mode": str,
    "reduced": int,
    "profile": str,
    "range": str,
}
"""Facts of a decoded file: width and height upright in pixels, before any decoding at a reduced scale; format and mode as
stored (``JPEG`` and ``RGB``, ``PNG`` and ``P``, …); decoded at 1/reduced of the stored size; profile and range as `Rendered`."""


def facts_of(sha256: str, decoded: Decoded) -> ItemFacts:
    """Return the facts of a decoded file; ``sha256`` is of its bytes."""
    size = repr(decoded.image.size).encode()
    return ItemFacts(
        sha256=sha256,
        content_sha256=hashlib.sha256(size + decoded.image.tobytes()).hexdigest(),
        details={
            **{name: getattr(decoded, name) for name in ("width", "height", "format", "mode", "reduced")},
            "profile": decoded.rendered.profile,
            "range": decoded.rendered.range,
        },
        fingerprint=low_frequencies(decoded.image),
    )


def pixel_size(facts: ItemFacts) -> tuple[int, int]:
    """(width, height) of an image, upright and as stored."""
    return int(facts.details["width"]), int(facts.details["height"])


def thumbnail(data: bytes, side: int = THUMBNAIL_SIDE, render: Render = SRGB) -> bytes:
    """Make a JPEG of at most ``side`` pixels a side, without metadata; ``render`` as `decode` has it.

    Raises:
        ImageError: the bytes are not a usable image.
    """
    return thumbnail_of(decode(data, thumbnail_size(side), render=render).image, side)


def thumbnail_size(side: int) -> DecodeSize:
    """The size that is enough to decode for a thumbnail: twice its own."""

    def enough(width: int, height: int) -> tuple[int, int] | None:
        scale = 2 * side / max(width, height)
        return (ceil(width * scale), ceil(height * scale)) if scale < 1 else None

    return enough


def thumbnail_of(image: Image.Image, side: int = THUMBNAIL_SIDE) -> bytes:
    """Make a thumbnail, as `thumbnail` does, of a decoded picture; ``image`` itself is made small."""
    image.thumbnail((side, side), Image.Resampling.BICUBIC)
    image.info = {}  # Pillow would write the metadata's comment as well
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80, optimize=True)
    return buffer.getvalue()
