"""A run's knowledge of what hosts allow, each asked once for its robots.txt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from .addresses import PRIVATE
from .answer import Answer, Head
from .refusal import NotFetchedError
from .robots import ALL, NOTHING, RobotsText, forbids_training, parse

ROBOT = "drivetrain"
"""The name to which hosts may address rules."""


class Manners:
    """The rules of every host that was asked. ``fetch`` gets an address's answer, whatever its status."""

    def __init__(self, fetch: Callable[[str], Answer]) -> None:
        self._fetch = fetch
        self._texts: dict[str, RobotsText] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def check(self, url: str) -> float:
        """Return the seconds that the host wants between requests.

        Raises:
            NotFetchedError: its robots.txt forbids the address, or cannot be had.
        """
        text = self._of(url)
        if not text.allows(url):
            if text is NOTHING:
                raise NotFetchedError(
                    "robots", "the host's robots.txt cannot be had, so nothing is asked", passing=True
                )
            raise NotFetchedError("robots", "the host's robots.txt forbids it")
        return text.delay_s or 0.0

    def screen(self, head: Head) -> None:
        """Refuse what its host keeps from training.

        Raises:
            NotFetchedError: it does.
        """
        if forbids_training(head.headers.get("x-robots-tag", ""), ROBOT):
            raise NotFetchedError("noai", "its host keeps it from training (X-Robots-Tag)")

    def _of(self, url: str) -> RobotsText:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            lock = self._locks.setdefault(origin, threading.Lock())
        with lock:
            if origin not in self._texts:
                self._texts[origin] = self._read(f"{origin}/robots.txt")
            return self._texts[origin]

    def _read(self, url: str) -> RobotsText:
        """Read the rules. A host without any allows all; one whose rules cannot be had is asked for nothing (RFC 9309, 2.3.1)."""
        try:
            answer = self._fetch(url)
        except NotFetchedError as error:
            # An address that is refused here is refused again for the picture, with its own reason.
            return NOTHING if error.passing and error.reason not in ("no host", PRIVATE) else ALL
        status = answer.head.status
        if 200 <= status < 300:
            return parse(answer.body, ROBOT)
        return NOTHING if status >= 500 or status == 429 else ALL
