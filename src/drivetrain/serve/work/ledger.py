"""Answered means stored: answers wait here until the store has them.

One thread writes. While it writes, what comes waits, and is written together next (group commit): the store sees few
large transactions under load, and a lone answer waits for nobody. A store that fails is asked again until it answers;
meanwhile requests are turned away before any work is done for them. A slow store makes the workers wait, so the queue before
them fills and turns requests away: memory stays bounded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...core.errors import StoreError
from ...core.ports import PredictionStore
from ...core.records import Entry

Written = Callable[[StoreError | None], None]

# Entries a transaction; a request has at most a few dozen.
GROUP = 512

# So many bytes may wait to be written; an entry without its input counts as `ENTRY_BYTES`.
MOST_BYTES = 64 << 20
ENTRY_BYTES = 4 << 10

# A transaction costs as much as a dozen rows. While images wait for workers, each answer's client has waited so long that
# this is not noticed, and the workers get the time.
LINGER_S = 0.04
STEP_S = 0.005
FEW = 12

# Seconds between two questions whether a store that failed is back.
RETRY_S = 0.5

# Seconds between two looks at the store while there is nothing to write, so that readiness needs no request to fail.
IDLE_S = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Write:
    entries: Sequence[Entry]
    written: Written
    since_s: float
    bytes: int


class Ledger:
    """Writes entries to a store; ``lag`` is told the seconds each write waited and took."""

    def __init__(
        self, store: PredictionStore, lag: Callable[[float], None] = lambda _: None, *, linger_s: float = LINGER_S
    ) -> None:
        self._store = store
        self._linger_s = linger_s
        self.more: Callable[[], bool] = lambda: False
        """Tells whether more answers are about to come, so that a write may wait a moment for them."""
        self.stored: Callable[[], None] = lambda: None
        """Called from the ledger's thread when something was written; must not take long."""
        self._lag = lag
        self._waiting: deque[_Write] = deque()
        self._bytes = 0
        self._change = threading.Condition()
        self._closed = False
        self._logged = ""
        self.failure: StoreError | None = None
        """The reason why the store cannot be used just now; None while it can."""
        self._writing_since_s: float | None = None
        """Since when what is being written has waited, or a look at the store has taken; None between."""
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def write(self, entries: Sequence[Entry], written: Written) -> None:
        """Have entries written; ``written`` is called from the ledger's thread, with the reason where it failed.

        Waits while too much waits already.
        """
        size = sum(ENTRY_BYTES + (len(entry.input.data) if entry.input else 0) for entry in entries)
        with self._change:
            self._change.wait_for(lambda: not self._waiting or self._bytes + size <= MOST_BYTES)
            self._waiting.append(_Write(entries, written, time.monotonic(), size))
            self._bytes += size
            self._change.notify_all()

    def stuck_s(self) -> float:
        """Return the seconds the oldest write has waited, or the store has not answered; 0 where nothing waits."""
        with self._change:
            # The writes under way came before all that wait.
            since_s = self._writing_since_s
            if since_s is None:
                since_s = self._waiting[0].since_s if self._waiting else None
        return 0.0 if since_s is None else time.monotonic() - since_s

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while (group := self._take()) is not None:
            self._writing_since_s = group[0].since_s if group else time.monotonic()
            if group:
                self._commit(group)
            else:
                self._check_store()
            self._writing_since_s = None
            del group  # or memory would be held for its images until the next ones come, see `worker`
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
            if self._logged:
                # Only now: the store with a full disk can be read, and looks well until it is written to.
                log.warning("the store takes answers again")
                self._logged = ""
            self._tell(group, None)
            self.stored()

    def _check_store(self) -> None:
        try:
            self._store.check()
        except Exception as error:
            self._failed((), error)

    def _take(self) -> list[_Write] | None:
        """Wait for writes and take them: none where none came for a while, None at the end."""
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._closed, IDLE_S)
            if self._closed and not self._waiting:
                return None
        until_s = time.monotonic() + self._linger_s
        while 0 < len(self._waiting) < FEW and not self._closed and self.more() and time.monotonic() < until_s:
            time.sleep(STEP_S)
        with self._change:
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
        self.failure = reason = _reason(error)
        if str(reason) != self._logged:  # once, not twice a second while a disk stays full
            log.error("the store failed: %s", reason, exc_info=None if reason is error else error)
            self._logged = str(reason)
        self._tell(group, reason)

    def _wait_for_store(self) -> None:
        """Ask the store now and then until it is back; writes that come meanwhile fail at once."""
        ask_s = time.monotonic() + RETRY_S
        while not self._closed:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._closed, max(0.0, ask_s - time.monotonic()))
                group = [self._taken() for _ in range(len(self._waiting))]
                self._change.notify_all()
            self._tell(group, self.failure)
            del group
            if time.monotonic() < ask_s:
                continue
            try:
                self._store.check()
            except Exception as error:
                self._failed((), error)
                ask_s = time.monotonic() + RETRY_S
            else:
                self.failure = None
                return


def _reason(error: Exception) -> StoreError:
    return error if isinstance(error, StoreError) else StoreError(f"the store failed ({type(error).__name__})")
