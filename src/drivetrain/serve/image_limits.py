"""What an image's header says of its size, looked at before anything is decoded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..data.metadata import JPEG_SIGNATURE, head_size
from .job import Upload
from .problems import Problem

# The header of a JPEG no larger than this is read in microseconds, whoever made it; 64 KiB of PNG can hold 64 MiB of text.
QUICK = 128 << 10


async def pixels_checked(uploads: Sequence[Upload], most: int) -> None:
    """As `check_pixels`, and never for long on the event loop.

    Raises:
        Problem: too many pixels (422).
    """
    quick = all(upload.data.startswith(JPEG_SIGNATURE) for upload in uploads if upload.data)
    if quick and sum(len(upload.data) for upload in uploads) <= QUICK:
        check_pixels(uploads, most)
    else:
        await asyncio.to_thread(check_pixels, uploads, most)


def check_pixels(uploads: Sequence[Upload], most: int) -> None:
    """Refuse a request with an image that announces more than ``most`` pixels.

    What has no readable header passes: it will be answered as unreadable.

    Raises:
        Problem: too many pixels (422).
    """
    for place, upload in enumerate(uploads):
        size = head_size(upload.data)
        if size is not None and size[0] * size[1] > most:
            raise Problem(
                "unprocessable",
                f"image {place + 1} ({upload.name or 'without a name'}) has {size[0]}×{size[1]} pixels; at most "
                f"{most / 1e6:.0f} million: send it smaller",
                errors=[{"loc": f"images.{place}", "msg": "too many pixels"}],
            )
