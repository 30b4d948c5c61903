"""One amount of memory for many threads: a thread that wants more than is free waits for the others."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .errors import ImageError
from .memory import shown_size


@dataclass(eq=False, slots=True)
class _Waiter:
    wanted: int
    turn: threading.Event = field(default_factory=threading.Event)


class MemoryBudget:
    """The bytes that decoded pictures may take at once. Safe to use from several threads.

    First come, first served: a large amount is not passed by small ones for ever. A thread holds one amount at a time, and
    gives it back before it waits for anything else; so nobody waits in a circle.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.held = 0
        self.most_held = 0
        """The most bytes that were held at once."""
        self._waiters: deque[_Waiter] = deque()
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """The number of threads that wait."""
        return len(self._waiters)

    @contextmanager
    def hold(self, wanted: int) -> Iterator[None]:
        """Hold ``wanted`` bytes until the end of the block; waits while they are not free.

        Raises:
            ImageError: ``too large``: more than the whole budget.
        """
        self._take(wanted)
        try:
            yield
        finally:
            self._give(wanted)

    def try_hold(self, wanted: int) -> bool:
        """Hold ``wanted`` bytes until `release`, if they are free now and nobody waits; returns whether they were."""
        with self._lock:
            free = not self._waiters and self.held + wanted <= self.total
            if free:
                self._grant(wanted)
            return free

    def release(self, held: int) -> None:
        """Give back the bytes that `try_hold` gave."""
        self._give(held)

    def _take(self, wanted: int) -> None:
        if wanted > self.total:
            raise ImageError(
                "too large",
                f"decoding it takes {shown_size(wanted)} of memory; at most {shown_size(self.total)} may be taken",
            )
        with self._lock:
            if not self._waiters and self.held + wanted <= self.total:
                self._grant(wanted)
                return
            waiter = _Waiter(wanted)
            self._waiters.append(waiter)
        waiter.turn.wait()

    def _give(self, wanted: int) -> None:
        with self._lock:
            self.held -= wanted
            while self._waiters and self.held + self._waiters[0].wanted <= self.total:
                waiter = self._waiters.popleft()
                self._grant(waiter.wanted)
                waiter.turn.set()

    def _grant(self, wanted: int) -> None:
        self.held += wanted
        self.most_held = max(self.most_held, self.held)
