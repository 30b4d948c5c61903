"""Answered means stored: answers wait here until the store has them.

One thread writes. While it writes, what comes waits, and is written together next (group commit): the store sees few
large transactions under load, and a lone answer waits for nobody. A store that fails is asked again until it answers;
meanwhile requests are turned away before any work is done for them.
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

# How often a store that failed is asked whether it is back.
RETRY_S = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Write:
    entries: Sequence[Entry]
    written: Written
    since_s: float


class Ledger:
    """Writes entries to a store; ``lag`` is told the seconds each write waited and took."""

    def __init__(self, store: PredictionStore, lag: Callable[[float], None] = lambda _: None) -> None:
        self._store = store
        self._lag = lag
        self._waiting: deque[_Write] = deque()
        self._change = threading.Condition()
        self._closed = False
        self.failure: StoreError | None = None
        """Why the store cannot be used just now; None while it can."""
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def write(self, entries: Sequence[Entry], written: Written) -> None:
        """Have entries written; ``written`` is called from the ledger's thread, with the reason where it failed."""
        with self._change:
            self._waiting.append(_Write(entries, written, time.monotonic()))
            self._change.notify()

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._take():
            try:
                self._store.append([entry for write in group for entry in write.entries])
            except Exception as error:  # whatever it is, the callers must not wait for ever
                self._failed(group, error)
            else:
                self._tell(group, None)
            if self.failure is not None:
                self._wait_for_store()

    def _take(self) -> list[_Write]:
        with self._change:
            while not self._waiting and not self._closed:
                self._change.wait()
            group: list[_Write] = []
            count = 0
            while self._waiting and count < GROUP:
                group.append(self._waiting.popleft())
                count += len(group[-1].entries)
            return group

    def _tell(self, group: Sequence[_Write], error: StoreError | None) -> None:
        now_s = time.monotonic()
        for write in group:
            self._lag(now_s - write.since_s)
            write.written(error)

    def _failed(self, group: Sequence[_Write], error: Exception) -> None:
        if isinstance(error, StoreError):
            reason = error
            log.error("the store failed: %s", error)
        else:
            reason = StoreError(f"the store failed ({type(error).__name__})")
            log.exception("the store failed")
        self.failure = reason
        self._tell(group, reason)

    def _wait_for_store(self) -> None:
        """Ask until it is back; what was waiting meanwhile is told at once."""
        while not self._closed:
            with self._change:
                group = list(self._waiting)
                self._waiting.clear()
            self._tell(group, self.failure)
            try:
                self._store.check()
            except StoreError as error:
                self.failure = error
                with self._change:
                    self._change.wait_for(lambda: self._closed, RETRY_S)
            else:
                log.warning("the store is back")
                self.failure = None
                return
