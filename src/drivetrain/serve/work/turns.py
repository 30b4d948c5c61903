"""Turns at work that takes long or much memory: a few requests have one, the others wait for a while and hold no thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..http.problems import Problem

# So many kept images are loaded and made small at the same time.
IMAGES_AT_ONCE = 2


class Turns:
    """Lets ``places`` callers work at a time; each of the others waits up to ``wait_s``, then is told ``busy``."""

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
