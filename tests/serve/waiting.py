"""Conditions and threads that can be watched, so that a test need not sleep to know that somebody waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

# Nothing here takes this long; a test that waits so long has failed.
LONG_S = 20.0


class WatchedCondition(threading.Condition):
    """Releases ``waits`` whenever somebody is about to wait; who then takes the lock finds it waiting."""

    def __init__(self) -> None:
        super().__init__(threading.Lock())
        self.waits = threading.Semaphore(0)

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.release()
        return super().wait(timeout)

    def await_waiters(self, count: int = 1) -> None:
        """Until so many more have begun to wait."""
        for _ in range(count):
            assert self.waits.acquire(timeout=LONG_S), "nobody waits"


class Beside:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._result: Any = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._result = self._call()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return not self._thread.is_alive()

    def result(self) -> Any:
        """What it returned; waits for it."""
        self._thread.join(LONG_S)
        assert self.done, "the call does not end"
        return self._result
