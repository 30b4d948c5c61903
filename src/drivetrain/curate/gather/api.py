"""The way to a service for programs: JSON documents, one after the other, as slowly as its terms ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from .clock import Clock
from .fetcher import Fetcher
from .refusal import NotFetchedError

MAX_BYTES = 16 << 20
"""The most bytes of one document."""

# Times that a document which says that its service is busy is asked for again, and seconds between where it names none.
BUSY_ATTEMPTS, BUSY_S = 5, 5.0

Document = Mapping[str, Any]


class Api:
    """Asks services for documents."""

    def __init__(self, fetcher: Fetcher, clock: Clock, now: Callable[[], datetime]) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._now = now

    def wait(self, seconds: float) -> None:
        """Wait between requests that somebody else's client makes.

        Raises:
            StoppedError: the run is stopped.
        """
        self._clock.wait(seconds)

    def get(
        self,
        url: str,
        parameters: Mapping[str, str | int],
        *,
        interval_s: float,
        busy: Callable[[Document], bool] = lambda _: False,
    ) -> Document:
        """Ask for a document. ``busy`` tells whether it says that the service wants to be asked later.

        Raises:
            NotFetchedError: it cannot be had, or is none.
            StoppedError: the run is stopped.
        """
        address = f"{url}?{urlencode(parameters)}"
        for _ in range(BUSY_ATTEMPTS):
            answer = self._fetcher.document(address, MAX_BYTES, interval_s)
            document = _parsed(answer.body)
            if not busy(document):
                return document
            self._fetcher.hold(address, answer.head.retry_after_s(self._now) or BUSY_S)
        raise NotFetchedError("throttled", "the service keeps saying that it is busy", passing=True)


def _parsed(body: bytes) -> Document:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise NotFetchedError("no document", "the service's answer is no JSON", passing=True) from None
    if not isinstance(document, dict):
        raise NotFetchedError("no document", "the service's answer is no JSON object", passing=True)
    return document
