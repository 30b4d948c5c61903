"""HTTP on a connection, with patience that ends: a client that sends its head a byte a minute is hung up on.

Bodies have their own limit, see `body`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Seconds a request's head may take to arrive, and bytes it may have: what common proxies allow.
HEAD_S = 10.0
HEAD_BYTES = 64 << 10


class PatientProtocol(HttpToolsProtocol):
    """As uvicorn's, but closes a connection whose request line and headers do not arrive in time or do not end."""

    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        # A body may have come with the head; only a head that has not ended counts.
        if self._timer is not None and self._head_bytes > HEAD_BYTES:
            self._hang_up()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def _wait_for_head(self) -> None:
        if self._timer is None:
            self._head_bytes = 0
            self._timer = self.loop.call_later(HEAD_S, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        self._stop_waiting()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
