"""The thread of a session that learns behind the scenes, and those who are told when something has changed."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable


class Backstage(ABC):
    """A session with work of its own. A subclass waits for what is to be done with ``_work``, until ``_closed``."""

    def _set_stage(self, name: str) -> None:
        """Make the thread, which `start` starts."""
        self._work = threading.Condition()
        self._dirty_s: float | None = None
        """The moment of the newest edit that was not learned from; None where there is none."""
        self._closed = False
        self._listeners: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work, beside whoever calls."""
        self._thread.start()

    def close(self) -> None:
        """Stop working; a refit under way is not waited for."""
        with self._work:
            self._closed = True
            self._work.notify_all()

    def listen(self, told: Callable[[], None]) -> None:
        """Have ``told`` called after each change, from any thread."""
        self._listeners.append(told)

    def _tell(self) -> None:
        for told in self._listeners:
            told()

    @abstractmethod
    def _run(self) -> None:
        """Work until the session is closed."""
