"""Connections that go to addresses that were looked at, and that end in time. Needs httpcore2.

Every read and write is bounded by the deadline of the request that it serves, so that neither headers nor a body that drips
byte by byte can hold a thread; and by the run itself, whose stop ends each within `POLL_S`.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

import httpcore2

from .addresses import Addresses
from .clock import Clock
from .refusal import StoppedError

# Longest time in seconds until a read finds out that the run has been stopped.
POLL_S = 0.25

DEADLINE: ContextVar[float | None] = ContextVar("deadline", default=None)
"""The moment on the run's clock at which the request of this thread must be over."""


class CheckedBackend(httpcore2.NetworkBackend):
    """A network that leads to checked addresses only."""

    def __init__(self, addresses: Addresses, clock: Clock) -> None:
        self._addresses = addresses
        self._clock = clock
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to one of the host's addresses, the first that answers."""
        failure: Exception | None = None
        for address in self._addresses.of(host, port):
            left = self._left(timeout)
            try:
                stream = self._sockets.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
                continue
            return TimedStream(stream, self._clock, self._left)
        raise failure or httpcore2.ConnectError(f"{host} has no address")

    def _left(self, timeout: float | None) -> float:
        """Seconds that a step may take.

        Raises:
            ReadTimeout: there are none left.
            StoppedError: the run is stopped.
        """
        if self._clock.stopping.is_set():
            raise StoppedError
        deadline = DEADLINE.get()
        left = float("inf") if deadline is None else deadline - self._clock.seconds()
        if left <= 0:
            raise httpcore2.ReadTimeout("the request took too long")
        return min(left, 3600.0 if timeout is None else timeout)


class TimedStream(httpcore2.NetworkStream):
    """A connection whose every step is bounded."""

    def __init__(self, stream: httpcore2.NetworkStream, clock: Clock, left: Callable[[float | None], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._left = left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there."""
        begun = self._clock.seconds()
        while True:
            idle = None if timeout is None else timeout - (self._clock.seconds() - begun)
            if idle is not None and idle <= 0:
                raise httpcore2.ReadTimeout("no byte came for too long")
            try:
                return self._stream.read(max_bytes, min(POLL_S, self._left(idle)))
            except httpcore2.ReadTimeout:
                self._left(idle)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all."""
        self._stream.write(buffer, self._left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """Go on encrypted, with a host that has proved its name."""
        return TimedStream(
            self._stream.start_tls(ssl_context, server_hostname, self._left(timeout)), self._clock, self._left
        )

    def get_extra_info(self, info: str) -> Any:
        """Ask the connection itself."""
        return self._stream.get_extra_info(info)
