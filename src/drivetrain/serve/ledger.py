"""Answered means stored: answers wait here until the store has them.

One thread writes. While it writes, what comes waits, and is written together next (group commit): the store sees few
large transactions under load, and a lone answer waits for nobody. A store that fails is asked again until it answers;
meanwhile requests are turned away before any work is done for them. A store that is slow makes those wait who write, and
so the queue before them fills and turns requests away: memory stays bounded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.errors import StoreError
from ..core.ports import PredictionStore
from ..core.records import Entry

Written = Callable[[StoreError | None], None]

# Entries a transaction; a request has at most a few dozen.
GROUP = 512

# What may wait to be written, in bytes; an entry without an image counts as `ENTRY_BYTES`.
MOST_BYTES = 64 << 20
ENTRY_BYTES = 4 << 10

# How often a store that failed is asked whether it is back.
RETRY_S = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Write:
    entries: Sequence[Entry]
    written: Written
    since_s: float
    bytes: int


class Ledger:
    """Writes entries to a store; ``lag`` is told the seconds each write waited and took."""

    def __init__(self, store: PredictionStore, lag: Callable[[float], None] = lambda _: None) -> None:
        self._store = store
        self._lag = lag
        self._waiting: deque[_Write] = deque()
        self._bytes = 0
        self._change = threading.Condition()
        self._closed = False
        self.failure: StoreError | None = None
        """Why the store cannot be used just now; None while it can."""
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def write(self, entries: Sequence[Entry], written: Written) -> None:
        """Have entries written; ``written`` is called from the ledger's thread, with the reason where it failed.

        Waits while too much waits already.
        """
        size = sum(ENTRY_BYTES + (len(entry.image.data) if entry.image else 0) for entry in entries)
        with self._change:
            self._change.wait_for(lambda: not self._waiting or self._bytes + size <= MOST_BYTES)
            self._waiting.append(_Write(entries, written, time.monotonic(), size))
            self._bytes += size
            self._change.notify_all()

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while group := self._take():
            self._commit(group)
            if self.failure is not None:
                self._wait_for_store()

    def _commit(self, group: Sequence[_Write]) -> None:
        try:
            self._store.append([entry for write in group for entry in write.entries])
        except Exception as error:  # whatever it is, the callers must not wait for ever
            if len(group) > 1 and not isinstance(error, StoreError):
                # Something in one of them cannot be written; that must not be the others' fault.
                for write in group:
                    self._commit([write])
            else:
                self._failed(group, error)
        else:
            self._tell(group, None)

    def _take(self) -> list[_Write]:
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._closed)
            group: list[_Write] = []
            count = 0
            while self._waiting and count < GROUP:
                group.append(self._taken())
                count += len(group[-1].entries)
            self._change.notify_all()
            return group

    def _taken(self) -> _Write:
        write = self._waiting.popleft()
        self._bytes -= write.bytes
        return write

    def _tell(self, group: Sequence[_Write], error: StoreError | None) -> None:
        now_s = time.monotonic()
        for write in group:
            try:
                self._lag(now_s - write.since_s)
                write.written(error)
            except Exception:  # the others must be told, and this thread must live
                log.exception("nobody could be told that answers were written")

    def _failed(self, group: Sequence[_Write], error: Exception) -> None:
        if isinstance(error, StoreError):
            log.error("the store failed: %s", error)
        else:
            log.exception("the store failed")
        self.failure = _reason(error)
        self._tell(group, self.failure)

    def _wait_for_store(self) -> None:
        """Ask until it is back; what was waiting meanwhile is told at once."""
        while not self._closed:
            with self._change:
                group = [self._taken() for _ in range(len(self._waiting))]
                self._change.notify_all()
            self._tell(group, self.failure)
            try:
                self._store.check()
            except Exception as error:
                self.failure = _reason(error)
                with self._change:
                    self._change.wait_for(lambda: self._closed, RETRY_S)
            else:
                log.warning("the store is back")
                self.failure = None
                return


def _reason(error: Exception) -> StoreError:
    return error if isinstance(error, StoreError) else StoreError(f"the store failed ({type(error).__name__})")
