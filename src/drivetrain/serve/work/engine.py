"""The way from accepted images to stored answers: a fair queue, worker threads, and the ledger.

Each worker takes up to a batch from the queue, decodes and runs it, and hands the answers on; while one decodes, another is
inside the network, and neither holds Python's lock there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...core.errors import StoreError
from ...core.records import Entry
from .fair_queue import FairQueue
from .job import Job, Ticket
from .keeping import Keeping
from .ledger import Ledger
from .pictures import Pictures
from .worker import Judged, answer, as_it_is, prepare

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """The plan by which images are put through: measured at start, or given."""

    workers: int
    max_batch: int
    max_wait_s: float
    queue: int
    images_per_s: float | None = None
    """The rate as measured; None where it was not."""
    wide: bool = False
    """Tells whether a lone image is run on all cores."""


class Gauge(Protocol):
    """Counts what the engine does; called from worker threads."""

    def batch(self, model: str, size: int, network_s: float) -> None: ...

    def answered(self, entry: Entry) -> None: ...


class Engine:
    """Owns the queue and the threads."""

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        keeping: Keeping,
        pictures: Pictures,
        gauge: Gauge,
        judged: Judged = as_it_is,
    ) -> None:
        self.plan = plan
        self.queue = FairQueue(plan.queue)
        self.ledger = ledger
        self._keeping, self._pictures = keeping, pictures
        self._begun_s: dict[int, float] = {}
        """The moment each thread that is at work began, on the monotonic clock."""
        self._gauge = gauge
        self._judged = judged
        ledger.more = lambda: len(self.queue) > 0
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True) for number in range(plan.workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self, make_jobs: Callable[[Ticket], list[Job]], count: int, outcome: Callable[[Ticket, StoreError | None], None]
    ) -> Ticket:
        """Queue a request's images; ``outcome`` gets the ticket, and the reason where its answers could not be stored.

        Raises:
            QueueFull: there is no room.
        """

        def answered(ticket: Ticket) -> None:
            if ticket.failure is not None:
                outcome(ticket, None)
            else:
                self.ledger.write(ticket.complete(), lambda error: outcome(ticket, error))

        ticket = Ticket(count, answered)
        self.queue.put(make_jobs(ticket))
        return ticket

    def drop(self, ticket: Ticket) -> None:
        """Cancel a request that nobody waits for: its images leave the queue, and their bytes are given up."""
        ticket.cancel()
        self.queue.sweep()

    def close(self) -> None:
        """Answer and store what was accepted, then stop."""
        self.queue.close()
        for thread in self._threads:
            thread.join()
        self.ledger.close()

    def stuck_s(self) -> float:
        """Return the seconds that every worker has been at the same work; 0 while one of them is free, or was a moment ago."""
        if len(self._begun_s) < len(self._threads):
            return 0.0
        begun = list(self._begun_s.values())  # a worker may come free meanwhile
        return time.monotonic() - max(begun) if len(begun) == len(self._threads) else 0.0

    def _work(self) -> None:
        plan, thread = self.plan, threading.get_ident()
        while jobs := self.queue.take(plan.max_batch, plan.max_wait_s):
            self._begun_s[thread] = time.monotonic()
            self._answer(jobs)
            del self._begun_s[thread], jobs

    def _answer(self, jobs: Sequence[Job]) -> None:
        start_s = time.monotonic()
        try:
            prepared = prepare(jobs, self._keeping, self._pictures)
            jobs, others = jobs[: len(prepared)], jobs[len(prepared) :]
            if others:
                self.queue.put_back(others)
            entries = answer(prepared, wide=self.plan.wide and self.queue.is_alone, judged=self._judged)
        except Exception as error:  # a worker must outlive whatever one image does to it
            if len(jobs) > 1:
                # One image's fault must not be the others'; each is tried by itself.
                for job in jobs:
                    self._answer([job])
                return
            log.exception("no answer for an image")
            jobs[0].ticket.fail("not enough memory" if isinstance(error, MemoryError) else "the network failed")
            return
        for job, entry in zip(jobs, entries, strict=True):
            job.ticket.answer(job.place, entry)
        try:
            self._gauge.batch(jobs[0].model.name, len(jobs), time.monotonic() - start_s)
            for entry in entries:
                self._gauge.answered(entry)
        except Exception:  # a count that cannot be written (to a full disk, say) must not end a worker
            log.exception("the metrics failed")
