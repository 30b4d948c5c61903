"""Reading of every input in a server process, pictures above all: within one bound of pixels, and one budget of memory.

Predictions, thumbnails, explanations and samples share the budget. A thread that wants more than is free just now waits; none
holds memory while it waits for more, so a caller turns what it read into something small before the block ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...core.memory import return_free_memory
from ...core.memory_budget import MemoryBudget
from ...data.image.decode import Decoded, DecodeSize, decode, decoding_bytes
from ...data.image.facts import THUMBNAIL_SIDE, thumbnail_of, thumbnail_size
from ...data.image.preprocess import render_of
from ...data.image.render import SRGB, Render
from ...data.image.true_size import MAX_PIXELS
from ...model.inputs.input import Input

# After an input that took this much memory, the allocator is asked to keep none of it.
MUCH = 64 << 20
# The most bytes of inputs written anew that wait to be stored.
WAITING_BYTES = 64 << 20


class Pictures:
    """Reads inputs within the bounds. Safe to use from several threads; never call it on the event loop."""

    def __init__(self, budget: MemoryBudget, max_pixels: int = MAX_PIXELS) -> None:
        self.budget = budget
        self.max_pixels = max_pixels
        self.waiting = MemoryBudget(WAITING_BYTES)
        """The budget of inputs that have grown by being written anew, until they are stored."""

    @contextmanager
    def read(self, form: Input, data: bytes, *, whole: bool = False) -> Iterator[Any]:
        """Read a model's input, held for the length of the block; see `Input.read_bytes`.

        Raises:
            InputError: as that; or it would take more memory than there is for all of them.
        """
        with self._held(form.memory(data, self.max_pixels, whole=whole)):
            yield form.read_bytes(data, self.max_pixels, whole=whole)

    @contextmanager
    def decoded(self, data: bytes, decode_size: DecodeSize | None = None, render: Render = SRGB) -> Iterator[Decoded]:
        """Decode a picture, held for the length of the block; see `decode`.

        Raises:
            ImageError: as `decode`; or it would take more memory than there is for all pictures.
        """
        with self._held(decoding_bytes(data, decode_size, max_pixels=self.max_pixels)):
            yield decode(data, decode_size, render=render, max_pixels=self.max_pixels)

    @contextmanager
    def _held(self, needed: int) -> Iterator[None]:
        with self.budget.hold(needed):
            try:
                yield
            finally:
                if needed >= MUCH:
                    return_free_memory()  # given back before others are told that the memory is free

    def thumbnail(self, data: bytes, side: int = THUMBNAIL_SIDE, form: Input | None = None) -> bytes:
        """Make a JPEG of at most ``side`` pixels a side; ``form``: the input of the model as which it is shown.

        Raises:
            ImageError: as `decoded`.
        """
        render = SRGB if form is None else render_of(form.preprocess)
        with self.decoded(data, thumbnail_size(side), render) as decoded:
            return thumbnail_of(decoded.image, side)

    def stripped(self, form: Input, data: bytes, content: Any = None) -> tuple[bytes, str] | None:
        """Return the file without metadata, and its media type; None where it is too large to be written anew.

        ``content``: what is in it, whole, where the caller holds it already. One who holds content that is not whole must give
        it back first: this waits for memory, and would wait for what the caller holds.

        Raises:
            InputError: as `read`.
        """
        in_place = form.without_metadata(data)
        if in_place is not None:
            return in_place
        if content is not None:
            return form.rewritten(data, content)
        with self.read(form, data, whole=True) as whole:
            return form.rewritten(data, whole)
