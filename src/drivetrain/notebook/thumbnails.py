"""Small pictures for widgets: upright, as JPEG, made when they are first shown and kept within a bound."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Sequence
from math import ceil

from PIL import Image

from ..core.cores import available_cores
from ..core.errors import InputError
from ..core.ordered_map import ordered_map
from ..core.reference import Reference, read_bounded
from ..data.image.decode import decode
from ..data.image.render import Render

MOST_KEPT = 2000
"""Thumbnails kept: some megabytes."""


class Thumbnails:
    """Makes thumbnails that fit into a box, of items known by a number."""

    def __init__(self, width: int, height: int, render: Render) -> None:
        self._box, self._render = (width, height), render
        self._kept: OrderedDict[int, bytes | str] = OrderedDict()

    def of(self, places: Sequence[tuple[int, Reference]]) -> list[bytes | str]:
        """The thumbnail of each item; where there can be none, the reason in words."""
        missing = [(row, place) for row, place in places if row not in self._kept]
        made = ordered_map(lambda one: self._make(one[1]), missing, workers=available_cores() + 1, ahead=64)
        for (row, _), data in zip(missing, made, strict=True):
            self._kept[row] = data
        found = [self._kept[row] for row, _ in places]
        for row, _ in places:
            self._kept.move_to_end(row)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return found

    def _make(self, place: Reference) -> bytes | str:
        try:
            image = decode(read_bounded(place), self._enough, render=self._render).image.copy()
        except InputError as error:
            return f"{error.reason}: {error.detail}"
        image.thumbnail(self._box, Image.Resampling.BICUBIC)
        image.info = {}  # Pillow would write the metadata's comment as well
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    def _enough(self, width: int, height: int) -> tuple[int, int] | None:
        # The size is that before EXIF turns the picture, so that it has to be enough either way round.
        scale = 2 * max(self._box) / max(min(width, height), 1)
        return (ceil(width * scale), ceil(height * scale)) if scale < 1 else None
