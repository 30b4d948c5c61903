"""What an image's headers say of its size, looked at before it is queued."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from ...core.errors import ImageError
from ...data.image.true_size import JPEG_SIGNATURE, TrueSize, true_size
from ..http.problems import Fault, Place, Problem
from ..work.job import Upload

# The header of a JPEG no larger than this is read in microseconds, whoever made it; 64 KiB of PNG can hold 64 MiB of text.
QUICK = 128 << 10


async def pixels_checked(uploads: Sequence[Upload], most: int, place: Place = ("images",)) -> None:
    """As `check_pixels`, and never for long on the event loop.

    Raises:
        Problem: too many pixels (422).
    """
    quick = all(upload.data.startswith(JPEG_SIGNATURE) for upload in uploads if upload.data)
    if quick and sum(len(upload.data) for upload in uploads) <= QUICK:
        check_pixels(uploads, most, place)
    else:
        await asyncio.to_thread(check_pixels, uploads, most, place)


def check_pixels(uploads: Sequence[Upload], most: int, place: Place = ("images",)) -> None:
    """Refuse a request with images that would be decoded to more than ``most`` pixels; ``place`` is where it holds them.

    Each such image is named, so that a client can send the others. What has no readable header passes: it will be answered
    as unreadable. Decoding has the same bound.

    Raises:
        Problem: too many pixels (422).
    """
    named = []
    faults = []
    for number, upload in enumerate(uploads):
        size = _size(upload.data)
        if size is None or size.width * size.height <= most:
            continue
        # The size is rounded up and the bound down, so that no refused size reads as one that may pass.
        millions = math.ceil(size.width * size.height / 1e4) / 100
        fault = (
            f"{millions:g} million pixels ({size.width}×{size.height}); at most {math.floor(most / 1e4) / 100:g} million: "
            "send it smaller"
        )
        named.append(f"image {number + 1} ({upload.name or 'without a name'}) has {fault}")
        faults.append(Fault(loc=(*place, number), msg=fault))
    if faults:
        more = f" ({len(faults) - 1} more are too large)" if len(faults) > 1 else ""
        raise Problem("unprocessable", named[0] + more, errors=faults)


def _size(data: bytes) -> TrueSize | None:
    try:
        return true_size(data)
    except ImageError:
        return None
