"""The pictures of a desk: thumbnails, made once and kept within a bound, and whole pictures as browsers show them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from ..core.memory_budget import MemoryBudget
from ..core.reference import Reference, read_reference
from ..data.image.true_size import JPEG_SIGNATURE
from ..serve.work.pictures import Pictures

SIDE = 320
"""Longest side of a thumbnail, in pixels."""
LARGEST_SIDE = 2048
"""Longest side of a picture that is made anew, as browsers do not show its format, or it is too large to be sent."""
MOST_BYTES = 64 << 20
"""Bytes of thumbnails that are kept in memory: some thousands."""
MOST_SENT = 8 << 20
"""The most bytes of a file that is sent as it is."""
DECODING_BYTES = 512 << 20

# Formats that every browser shows, by the bytes a file begins with.
_SHOWN = ((JPEG_SIGNATURE, "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF8", "image/gif"))


@dataclass(frozen=True)
class Shown:
    """A picture as it is sent."""

    data: bytes
    media_type: str


class Thumbnails:
    """Makes small pictures and keeps those asked for last. Safe to use from several threads; never call it on the loop."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._pictures = Pictures(MemoryBudget(DECODING_BYTES))
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._most, self._held = most_bytes, 0
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes of the thumbnails that are kept."""
        return self._held

    def kept(self, sha256: str) -> bytes | None:
        """The thumbnail of a file whose bytes have that hash, where it is kept."""
        with self._lock:
            data = self._kept.get(sha256)
            if data is not None:
                self._kept.move_to_end(sha256)
            return data

    def of(self, reference: Reference, sha256: str) -> bytes:
        """The thumbnail, a JPEG.

        Raises:
            OSError: the file cannot be read.
            InputError: it is no picture that can be shown.
        """
        known = self.kept(sha256)
        if known is not None:
            return known
        data = self.small(read_reference(reference))
        self.keep(sha256, data)
        return data

    def small(self, data: bytes) -> bytes:
        """The thumbnail of a file's bytes, a JPEG.

        Raises:
            InputError: they are no picture that can be shown.
        """
        return self._pictures.thumbnail(data, SIDE)

    def keep(self, sha256: str, thumbnail: bytes) -> None:
        """Keep the thumbnail of a file whose bytes have that hash; those asked for longest ago make room."""
        with self._lock:
            if sha256 not in self._kept:
                self._kept[sha256] = thumbnail
                self._held += len(thumbnail)
            while self._held > self._most and len(self._kept) > 1:
                _, gone = self._kept.popitem(last=False)
                self._held -= len(gone)

    def whole(self, reference: Reference) -> Shown:
        """The picture as it is, or as a JPEG where browsers would not show it or it is large.

        Raises:
            OSError: the file cannot be read.
            InputError: it is no picture that can be shown.
        """
        return self.shown(read_reference(reference))

    def shown(self, data: bytes) -> Shown:
        """The picture of a file's bytes, as `whole` gives it.

        Raises:
            InputError: they are no picture that can be shown.
        """
        kind = next((kind for begin, kind in _SHOWN if data.startswith(begin)), None)
        if kind is not None and len(data) <= MOST_SENT:
            return Shown(data, kind)
        return Shown(self._pictures.thumbnail(data, LARGEST_SIDE), "image/jpeg")
