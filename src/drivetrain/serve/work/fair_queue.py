"""A bounded queue between many clients and a few workers, fair between clients.

Each client's images wait in their own line, and the lines take turns (round robin, Nagle 1987): who sends a thousand
images at once waits for them, and the others do not.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from .job import Job

# This part of the queue stays free for clients that have nothing in it; a client that keeps the queue full would otherwise
# keep them out.
KEPT_FREE = 1 / 8


class QueueFull(Exception):  # noqa: N818  # a state, not a fault
    """The queue has no room. ``own``: the client itself has filled its share while others wait."""

    def __init__(self, own: bool, waiting: int) -> None:
        super().__init__(own, waiting)
        self.own, self.waiting = own, waiting


class FairQueue:
    """Safe to use from several threads. ``size`` is counted in images."""

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.size = size
        self._clock = clock
        self._lines: OrderedDict[str, deque[Job]] = OrderedDict()
        self._count = 0
        self._closed = False
        self._at_work: set[int] = set()
        """Threads that have taken jobs and not come back."""
        self._ready = threading.Condition(threading.Lock())

    def __len__(self) -> int:
        return self._count

    @property
    def is_alone(self) -> bool:
        """Tells whether the thread that asks is the only one at work, and nothing waits; a moment later it may be otherwise."""
        return not self._count and len(self._at_work) <= 1

    def put(self, jobs: Sequence[Job]) -> None:
        """Take in all jobs of a request (which has one client) or none.

        Raises:
            QueueFull: there is no room for all of them.
        """
        client = jobs[0].client
        with self._ready:
            self._check_room(client, len(jobs))
            self._lines.setdefault(client, deque()).extend(jobs)
            self._count += len(jobs)
            self._ready.notify(len(jobs))

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Return jobs that were taken and not begun: their clients have the next turns, in the order in which they were taken."""
        with self._ready:
            for job in reversed(jobs):
                self._lines.setdefault(job.client, deque()).appendleft(job)
                self._lines.move_to_end(job.client, last=False)
            self._count += len(jobs)
            self._ready.notify(len(jobs))

    def check_room(self, client: str, count: int) -> None:
        """Raise what `put` would raise now for so many jobs of the client.

        Raises:
            QueueFull: there is no room.
        """
        with self._ready:
            self._check_room(client, count)

    def _check_room(self, client: str, count: int) -> None:
        refused = self._refused(client, count)
        if refused is not None:
            # Jobs of clients that have left keep their places until somebody clears them.
            self._sweep()
            refused = self._refused(client, count)
        if refused is not None:
            raise refused

    def _refused(self, client: str, count: int) -> QueueFull | None:
        own = len(self._lines.get(client, ()))
        others = len(self._lines) - (client in self._lines)
        # A client may hold no more than an equal share while others wait.
        if own and others and own + count > self.size // (others + 1):
            return QueueFull(own=True, waiting=self._count)
        room = self.size - (round(self.size * KEPT_FREE) if own else 0)
        # The queue takes a request larger than itself when nothing waits: it would never have room for it otherwise.
        if self._closed or (self._count and self._count + count > room):
            return QueueFull(own=False, waiting=self._count)
        return None

    def sweep(self) -> None:
        """Drop the jobs that nobody waits for any more."""
        with self._ready:
            self._sweep()

    def _sweep(self) -> None:
        now_s = self._clock()
        for client, line in list(self._lines.items()):
            kept = deque(job for job in line if job.wanted(now_s))
            self._count -= len(line) - len(kept)
            if kept:
                self._lines[client] = kept
            else:
                del self._lines[client]

    def take(self, most: int, wait_s: float) -> list[Job]:
        """Take up to ``most`` jobs of one model: wait for the first as long as it takes, and for more at most ``wait_s``.

        A worker that calls this has finished the jobs of its call before. It waits for more only while other workers are
        busy: a lone client sends nothing else until it has its answer. Jobs that nobody waits for any more are dropped. An
        empty list means that the queue was closed and is empty.
        """
        with self._ready:
            taker = threading.get_ident()
            self._at_work.discard(taker)
            taken: list[Job] = []
            until_s = 0.0
            while len(taken) < most:
                job = self._next(taken[0] if taken else None)
                if job is not None:
                    if not taken:
                        until_s = self._clock() + (wait_s if self._at_work else 0.0)
                    taken.append(job)
                elif taken:
                    left_s = until_s - self._clock()
                    # Jobs that wait now are for another model, and must not wait for more of this one.
                    if self._closed or self._count or left_s <= 0 or not self._ready.wait(left_s):
                        break
                elif self._closed:
                    break
                else:
                    self._ready.wait()
            if self._count:
                # This thread may have been woken for a job that it does not take; another one must wake for that.
                self._ready.notify()
            if taken:
                self._at_work.add(taker)
            return taken

    def close(self) -> None:
        """Take in nothing more; jobs that wait are still handed out."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def _next(self, like: Job | None) -> Job | None:
        """The next wanted job in turn, of the same model as ``like``."""
        now_s = self._clock()
        for client in list(self._lines):
            line = self._lines[client]
            while line and not line[0].wanted(now_s):
                line.popleft()
                self._count -= 1
            if not line:
                del self._lines[client]
            elif like is None or line[0].model is like.model:
                self._count -= 1
                job = line.popleft()
                # The client goes to the end of the round; one with an empty line must not count as waiting.
                if line:
                    self._lines.move_to_end(client)
                else:
                    del self._lines[client]
                return job
        return None
