"""Every picture a server process decodes goes through here: within one bound of pixels, and one budget of memory.

Predictions, thumbnails, explanations and samples share the budget. Who wants more than is free just now waits; nobody holds
any while waiting for more, so what was decoded is turned into something small before the block ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...core.memory import return_free_memory
from ...core.memory_budget import MemoryBudget
from ...data.image.decode import Decoded, DecodeSize, decode, decoding_bytes
from ...data.image.facts import THUMBNAIL_SIDE, thumbnail_of, thumbnail_size
from ...data.image.metadata import as_png, without_metadata
from ...data.image.true_size import MAX_PIXELS

# Of an image that must be written anew to be kept without metadata (all but JPEG, PNG and WebP, and some odd ones of those):
# more pixels take seconds to pack, and as PNG it may be many times as large as it was. Beyond this its hash alone is kept.
KEPT_PIXELS = 24_000_000
KEPT_TIMES, KEPT_LEAST, KEPT_MOST = 32, 1 << 20, 32 << 20
# After a picture that took as much, the allocator is asked to keep nothing of it.
MUCH = 64 << 20
# Bytes of all images written anew that wait to be stored.
WAITING_BYTES = 64 << 20


class Pictures:
    """Safe to use from several threads; never call it on the event loop."""

    def __init__(self, budget: MemoryBudget, max_pixels: int = MAX_PIXELS) -> None:
        self.budget = budget
        self.max_pixels = max_pixels
        self.waiting = MemoryBudget(WAITING_BYTES)
        """Of what has become larger than it came, until it is stored."""

    @contextmanager
    def decoded(self, data: bytes, decode_size: DecodeSize | None = None) -> Iterator[Decoded]:
        """The picture, for the length of the block; see `decode`.

        Raises:
            ImageError: as `decode`; or it would take more memory than there is for all pictures.
        """
        needed = decoding_bytes(data, decode_size, max_pixels=self.max_pixels)
        with self.budget.hold(needed):
            try:
                yield decode(data, decode_size, max_pixels=self.max_pixels)
            finally:
                if needed >= MUCH:
                    return_free_memory()  # before others are told that it is free

    def thumbnail(self, data: bytes, side: int = THUMBNAIL_SIDE) -> bytes:
        """A JPEG of at most ``side`` pixels a side.

        Raises:
            ImageError: as `decoded`.
        """
        with self.decoded(data, thumbnail_size(side)) as decoded:
            return thumbnail_of(decoded.image, side)

    def stripped(self, data: bytes, decoded: Decoded | None = None) -> tuple[bytes, str] | None:
        """The file without metadata, and its media type; None where it is too large to be written anew.

        ``decoded``: the whole picture, where the caller holds it already. One who holds a reduced or another picture must give
        it back first: this waits for memory, and would wait for what the caller holds.

        Raises:
            ImageError: as `decoded`.
        """
        in_place = without_metadata(data)
        if in_place is not None:
            return in_place
        if decoded is not None:
            return self._written(data, decoded)
        with self.decoded(data) as whole:
            return self._written(data, whole)

    def _written(self, data: bytes, decoded: Decoded) -> tuple[bytes, str] | None:
        if decoded.width * decoded.height > KEPT_PIXELS:
            return None
        most = min(max(KEPT_TIMES * len(data), KEPT_LEAST), KEPT_MOST)
        png = as_png(decoded.image, most)
        return None if png is None else (png, "image/png")
