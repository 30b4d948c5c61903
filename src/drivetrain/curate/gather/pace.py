"""The pace at which hosts are asked: few requests at one time, a pause between them, and longer ones where a host asks for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .clock import Clock
from .limits import Limits
from .refusal import NotFetchedError

# Share of a wait that chance adds, so that threads that were turned away together do not come back together.
SPREAD = 0.25
# Longest time in seconds for which a thread sleeps until it looks whether a place is free.
LOOK_S = 0.1


class _Host:
    def __init__(self, places: int) -> None:
        self.places = threading.BoundedSemaphore(places)
        self.lock = threading.Lock()
        self.next_s = 0.0


class Pace:
    """The pace of one run, for all of its threads."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, host: str, interval_s: float = 0.0) -> Iterator[None]:
        """Wait for a turn at the host; requests begin at least ``interval_s`` apart.

        Raises:
            NotFetchedError: the host has asked for a longer pause than this run has patience for.
            StoppedError: the run is stopped.
        """
        one = self._host(host)
        while not one.places.acquire(timeout=LOOK_S):
            self._clock.wait(0)
        try:
            self._wait(one, host, interval_s)
            yield
        finally:
            one.places.release()

    def hold(self, host: str, seconds: float) -> None:
        """Ask the host for nothing for so long, as it has said itself."""
        one = self._host(host)
        with one.lock:
            one.next_s = max(one.next_s, self._clock.seconds() + seconds)

    def _wait(self, one: _Host, host: str, interval_s: float) -> None:
        while True:
            with one.lock:
                now = self._clock.seconds()
                left = one.next_s - now
                if left <= 0:
                    one.next_s = now + interval_s
                    return
            if left > self._limits.longest_wait_s:
                raise NotFetchedError("throttled", f"{host} asks for a pause of {left:.0f} s", passing=True)
            self._clock.wait(left)

    def _host(self, name: str) -> _Host:
        with self._lock:
            return self._hosts.setdefault(name, _Host(self._limits.a_host))

    def backoff_s(self, attempt: int) -> float:
        """Seconds before the repetition after attempt number ``attempt``, counted from 0."""
        return float(self._limits.backoff_s * 2**attempt * (1 + SPREAD * self._clock.chance()))
