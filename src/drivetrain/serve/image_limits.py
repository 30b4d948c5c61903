"""What an image's header says of its size, looked at before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence

from ..data.metadata import head_size
from .job import Upload
from .problems import Problem


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
