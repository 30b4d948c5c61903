"""A gathering run: addresses are asked for by several threads, and what comes is written by one.

Stopped by Ctrl-C or killed at any moment, it leaves whole files with their lines, and the next run goes on from there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime

from ...core.cores import available_cores
from ...core.errors import ImageError
from ...core.ports import Advance, Progress
from ...data.provenance.line import Provenance
from .clock import Clock
from .fetcher import Fetcher
from .found import Found
from .interruption import stopping_on_ctrl_c
from .licences import is_open
from .prepared import Prepared
from .refusal import NotFetchedError, StoppedError
from .refusals import Refusals
from .take_down import WHY, wishes_of
from .tally import Tally
from .writer import DUPLICATE, Writer

WORKERS = 16
"""Threads that fetch. A single host is asked by fewer, see `limits.Limits.a_host`."""

# Reasons of a decoder that say nothing of the picture.
_PASSING = ImageError.PASSING


@dataclass(frozen=True, slots=True)
class Order:
    """One class to gather. ``found`` is asked only as far as pictures are still wanted."""

    label: str
    query: str | None
    source: str
    found: Iterable[Found]
    wanted: int | None = None
    only_open: bool = False
    """Pictures of closed or unknown licences are dropped, see `licences.is_open`."""
    name_of: Callable[[int], str] | None = None
    """The wished file name, without its ending, of the address at a position; None: files are called by their hash."""


class Gathering:
    """A run over several orders."""

    def __init__(
        self,
        writer: Writer,
        fetcher: Fetcher,
        clock: Clock,
        now: Callable[[], datetime],
        progress: Progress,
        workers: int = WORKERS,
    ) -> None:
        self._writer = writer
        self._fetcher = fetcher
        self._clock = clock
        self._now = now
        self._progress = progress
        self._workers = workers
        self._refusals = Refusals(writer.folder)
        # A picture of many millions of pixels takes hundreds of megabytes while it is looked into.
        self._looking = threading.BoundedSemaphore(available_cores())
        self._names = {line.url: line.name for line in writer.lines if line.url is not None}
        self._seen: set[str] = set()
        self._wishes = wishes_of(writer.folder)
        self.tallies: list[Tally] = []
        self.interrupted = False

    def fill(self, orders: Iterable[Order]) -> list[Tally]:
        """Gather one class after the other; an interruption ends the run, and what it has brought stays.

        Raises:
            OSError: the disk is full, or may not be written.
        """
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="drivetrain-gather")
        try:
            with stopping_on_ctrl_c(self._clock):
                for order in orders:
                    self._fill(order, pool)
        except (KeyboardInterrupt, StoppedError):
            self.interrupted = True
        finally:
            self._clock.stop()
            pool.shutdown(wait=True, cancel_futures=True)
        return self.tallies

    def _fill(self, order: Order, pool: ThreadPoolExecutor) -> None:
        tally = Tally(order.label, order.query, order.wanted, self._had(order))
        self.tallies.append(tally)
        addresses = self._new(order, tally)
        pending: dict[Future[Prepared], tuple[Found, int]] = {}
        with self._progress.stage(f"gather {order.label or 'pictures'}", _total(order, tally)) as advance:
            try:
                while self._ask(addresses, tally, pool, pending) or pending:
                    done, _ = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._take(future, *pending.pop(future), order, tally, advance)
            except BaseException:
                self._clock.stop()
                # Fetched already: to throw them away would be to fetch them twice.
                for future, (one, position) in pending.items():
                    if future.cancel():
                        tally.asked -= 1
                    else:
                        self._take(future, one, position, order, tally, advance)
                raise

    def _ask(
        self,
        addresses: Iterator[tuple[int, Found]],
        tally: Tally,
        pool: ThreadPoolExecutor,
        pending: dict[Future[Prepared], tuple[Found, int]],
    ) -> bool:
        """Have as many addresses asked for as may still be wanted; False where no further one was."""
        asked = False
        room = 2 * self._workers
        if tally.wanted is not None:
            room = min(room, tally.wanted - tally.had - tally.got)
        self._clock.wait(0)
        while len(pending) < room and (one := self._next(addresses, tally)) is not None:
            position, found = one
            pending[pool.submit(self._fetch, found.url)] = (found, position)
            tally.asked += 1
            asked = True
        return asked

    def _next(self, addresses: Iterator[tuple[int, Found]], tally: Tally) -> tuple[int, Found] | None:
        try:
            return next(addresses, None)
        except NotFetchedError as error:
            tally.problem = error.detail
            return None

    def _new(self, order: Order, tally: Tally) -> Iterator[tuple[int, Found]]:
        """Yield the addresses that nobody has asked for yet, with their positions."""
        for position, found in enumerate(order.found):
            there = self._names.get(found.url)
            if there is not None and there.startswith(_folder(order)) and found.url not in self._seen:
                self._seen.add(found.url)
                continue  # an earlier run has brought it
            reason = DUPLICATE if there is not None or found.url in self._seen else self._refusals.reason(found.url)
            if reason is None and self._wishes.forbid(found):
                reason = WHY
            if reason is None and order.only_open and not is_open(found.licence):
                reason = "licence"
            self._seen.add(found.url)
            if reason is None:
                yield position, found
            else:
                tally.dropped[reason] += 1

    def _fetch(self, url: str) -> Prepared:
        answer = self._fetcher.picture(url)
        try:
            with self._looking:
                self._clock.wait(0)
                return self._writer.prepare(answer.body)
        except ImageError as error:
            raise NotFetchedError(error.reason, error.detail, passing=error.reason in _PASSING) from None

    def _take(
        self, future: Future[Prepared], found: Found, position: int, order: Order, tally: Tally, advance: Advance
    ) -> None:
        """Write what a thread has brought, or count why it has not."""
        try:
            prepared = future.result()
            self._writer.keep(prepared, self._origin(found, position, order))
        except NotFetchedError as error:
            tally.dropped[error.reason] += 1
            self._refusals.add(found.url, error)
            advance(0, _note(tally))
        except StoppedError:
            pass
        else:
            tally.got += 1
            advance(1, _note(tally))

    def _origin(self, found: Found, position: int, order: Order) -> Provenance:
        return Provenance(
            name=_folder(order) + ("" if order.name_of is None else order.name_of(position)),
            sha256="",
            source=order.source,
            at=self._now(),
            url=found.url,
            page=found.page,
            licence=found.licence,
            licence_url=found.licence_url,
            author=found.author,
            title=found.title,
            query=order.query,
            group=found.group,
            label_how="query" if order.query is not None else None,
        )

    def _had(self, order: Order) -> int:
        folder = _folder(order)
        return sum(
            line.name.startswith(folder)
            and line.query == order.query
            and line.url is not None
            and (self._writer.folder / line.name).exists()
            for line in self._writer.lines
        )


def _folder(order: Order) -> str:
    return f"{order.label}/" if order.label else ""


def _total(order: Order, tally: Tally) -> int:
    """The pictures that may come at most, as far as is known."""
    found = len(order.found) if isinstance(order.found, Sized) else None
    wanted = None if order.wanted is None else max(order.wanted - tally.had, 0)
    return min((number for number in (found, wanted) if number is not None), default=0)


def _note(tally: Tally) -> str:
    dropped = tally.dropped.total()
    return f"{dropped} dropped" if dropped else ""
