"""A bell that threads ring, and that any number of requests wait for on the event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Bell:
    """Rings once for everybody who waits at that moment.

    Whoever looks at something in a thread and then waits for news of it asks `rung` before looking: what rang meanwhile counts.
    """

    def __init__(self) -> None:
        self.rung = 0
        """Tells how often it has rung; read on the loop."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self.closed = False
        """Tells that the server is about to stop: nobody is to wait any more."""

    def hang(self) -> None:
        """Say on which loop people wait: the running one."""
        self._loop = asyncio.get_running_loop()

    def ring(self) -> None:
        """Wake everybody; from any thread."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        """Send everybody who waits away, for good; from any thread, or a handler of signals."""
        self.closed = True
        self.ring()

    def _wake(self) -> None:
        self.rung += 1
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self, seconds: float, since: int | None = None) -> None:
        """Wait for the bell, or as long; not at all where it has rung since it had rung so often, or is closed."""
        if self.closed or (since is not None and since != self.rung):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(future)
