"""Work that takes long or much, done for a few at a time; the others wait, but not for ever, and hold no thread meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..http.problems import Problem

# Kept images that are loaded and made small at the same time.
IMAGES_AT_ONCE = 2


class Turns:
    """``places`` at a time, each of the others waiting up to ``wait_s``."""

    def __init__(self, places: int, wait_s: float, busy: str) -> None:
        self._places = asyncio.Semaphore(places)
        self._wait_s, self._busy = wait_s, busy

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place, and have it for the length of the block.

        Raises:
            Problem: it did not come in time (503).
        """
        try:
            async with asyncio.timeout(self._wait_s):
                await self._places.acquire()
        except TimeoutError:
            raise Problem("overloaded", self._busy, retry_after_s=5) from None
        try:
            yield
        finally:
            self._places.release()
