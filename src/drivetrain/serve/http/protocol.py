"""HTTP on a connection, with patience that ends.

uvicorn's protocol trusts its clients: it waits for ever for a head that does not end, for the rest of a body that has been
answered already, and for a client that does not read. Here each of them is hung up on after a while, and what is no HTTP is
refused in the same words as everything else. How long a body may take that is read is said in `body`, and who goes when there
are too many connections in `connections`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, Literal, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ...core.identifiers import new_id
from .browser import with_security_headers
from .connections import KEEP_ALIVE_S, Connections
from .envelope import REQUEST_ID
from .leaving import ON_GONE
from .problems import Problem

# Seconds a request's head may take to arrive, and bytes it may have: what common proxies allow. A body nobody reads any more
# gets as long.
HEAD_S = 10.0
HEAD_BYTES = 64 << 10

# A request may have so many headers; each line of a few bytes becomes some hundred in memory.
HEADERS = 128

# So many requests may wait for their turn on one connection; after them it reads no more and is closed.
PIPELINED = 8

# Bytes of framing a byte of a chunked body may have; sent one by one, each has five.
FRAMING = 8

# Seconds a client may take nothing of an answer that waits for it.
STALL_S = 20.0

# Seconds in which a client that is still sending may notice that it has its answer.
LINGER_S = 3.0


log = logging.getLogger("drivetrain.connections")
# Bytes from strangers that are no HTTP are not worth a line in the log.
log.setLevel(logging.ERROR)


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, guarded against clients that are slow, broken or hostile."""

    transport: LingeringTransport  # type: ignore[assignment]  # all that is used of one
    everybody: ClassVar[Connections] = Connections()
    """All of this process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = log
        self.reading = False
        """Tells whether a request has begun and not ended."""
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._framing_bytes = 0
        self._body_bytes = 0
        self._deaf = False
        """Tells whether further input is ignored: the connection ends after the answers that are under way."""
        self._patience_s = self.timeout_keep_alive
        self._when_gone: list[Callable[[], None]] = []

    def connection_made(self, transport: Any) -> None:
        super().connection_made(LingeringTransport(transport, self))  # type: ignore[arg-type]  # all that is used of one
        self._wait()
        if not self.everybody.enter(self, self._host, transport.get_extra_info("socket").fileno()):
            self._refuse("overloaded", "there are as many connections as can be; ask again soon", retry_after_s=1)

    def connection_lost(self, exc: Exception | None) -> None:
        self.everybody.leave(self, self._host)
        self._stop_waiting()
        self._unset_keepalive_if_required()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)
        for hook in self._when_gone:
            hook()

    def data_received(self, data: bytes) -> None:
        if self._deaf or self.transport.is_closing():
            return  # it has its answer; see LingeringTransport
        self._framing_bytes += len(data)
        super().data_received(data)
        if self._deaf or self.transport.is_closing():
            return
        # Heads, trailers, sizes of chunks, empty lines: the parser keeps or skips them without end.
        if self._framing_bytes > HEAD_BYTES + FRAMING * self._body_bytes:
            self._refuse("bad-request", f"the head of the request has more than {HEAD_BYTES >> 10} KiB")
        elif not self.reading and self._is_idle() and self.timeout_keep_alive_task is None and self._timer is None:
            # A stray line, or the rest of a body that was answered already, has stopped the clock.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.reading = True
        self._framing_bytes = self._body_bytes = 0
        if not self._deaf:
            self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) <= HEADERS:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        if self._deaf:
            return
        if len(self.headers) > HEADERS:
            self._deaf = True
            self._refuse("bad-request", f"the request has more than {HEADERS} headers")
        elif len(self.pipeline) >= PIPELINED:
            self._deaf = True
            self.cycle.keep_alive = False
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._deaf:
            return
        self._framing_bytes -= len(body)
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._deaf:
            return
        self._stop_waiting()
        self.reading = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.everybody.answered(self, self._host)
        self.timeout_keep_alive = KEEP_ALIVE_S if self.everybody.are_many else self._patience_s
        super().on_response_complete()
        if self.reading and self._is_idle():
            self._wait()  # for the rest of a body that nobody reads

    def send_400_response(self, msg: str) -> None:
        """Refuse input that the parser cannot read."""
        del msg
        self._refuse("bad-request", "what was sent is no HTTP/1.1, or its length is not what it says")

    @property
    def is_idle(self) -> bool:
        """Tells whether a request is waited for, or its head."""
        return self._is_idle() and not self.pipeline

    @property
    def is_sending(self) -> bool:
        """Tells whether the client holds up a request or its answer."""
        return self.reading or self._stalled is not None

    def hang_up(self) -> None:
        """End it at once: others need its place."""
        self.transport.abort()

    def shutdown(self) -> None:
        """End at the server's shutdown, without waiting for clients that have their answer."""
        if self.transport.lingers:
            self.transport.abort()
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(STALL_S, self._check_reader, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:  # type: ignore[override]  # uvicorn names the types of ASGI anew
        self._when_gone.clear()
        cast(dict[str, Any], cycle.scope)[ON_GONE] = self._call_when_gone

        async def until_drained(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:  # the time to drain is over
                if cycle.response_started:
                    self.transport.abort()
                    return
                problem = Problem("draining", "this server went down before it had an answer", retry_after_s=2)
                await problem.response(scope["state"].get("request_id"))(scope, receive, send)

        super()._start_asgi_task(cycle, until_drained)  # type: ignore[arg-type]  # uvicorn names the types of ASGI anew

    def _call_when_gone(self, hook: Callable[[], None]) -> None:
        self._when_gone.append(hook)
        if self.transport.is_closing():
            hook()

    def _unsupported_upgrade_warning(self) -> None:
        """Do nothing: a client that asks to upgrade gets a plain answer, as HTTP has it."""

    @property
    def _host(self) -> str:
        return self.client[0] if self.client else ""

    def _is_idle(self) -> bool:
        """Tells whether no answer is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_reader(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left >= before:
            self.transport.abort()
        else:
            self._stalled = self.loop.call_later(STALL_S, self._check_reader, left)

    def _refuse(
        self, slug: Literal["bad-request", "overloaded"], detail: str, retry_after_s: int | None = None
    ) -> None:
        """Answer what is no request, if that can be told apart from other answers, and hang up."""
        self._stop_waiting()
        self.reading = True  # nobody knows where the next one would begin
        under_way = None if self._is_idle() else self.cycle
        if self.pipeline or (under_way is not None and under_way.response_started):
            self.transport.abort()
            return
        if under_way is not None:
            under_way.disconnected = True
            under_way.message_event.set()
        request_id = new_id()
        problem = Problem(slug, detail, retry_after_s, headers={"Connection": "close"}).response(request_id)
        headers = with_security_headers([*problem.raw_headers, (REQUEST_ID, request_id.encode())])
        lines = (b"%s: %s\r\n" % pair for pair in (*self.server_state.default_headers, *headers))
        status = HTTPStatus(problem.status_code)
        first = f"HTTP/1.1 {status} {status.phrase}\r\n".encode()
        self.transport.write(b"".join((first, *lines, b"\r\n", bytes(problem.body))))
        self.transport.close()


class LingeringTransport:
    """A connection that ends in two steps while its client is still sending.

    Were it closed at once, what the client sends then would be answered with a reset, and that throws away the answer before
    it was read. So the server's side ends, what still comes is dropped, and a little later all is closed.
    """

    def __init__(self, transport: asyncio.Transport, protocol: PatientProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self.lingers = False
        self.abort = transport.abort

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Tells whether nothing is read or written any more."""
        return self.lingers or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send, if anybody is there: of several requests at once uvicorn tells only the last that the client has left."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """End it, in two steps if a request has not arrived in full."""
        if self.is_closing() or not self._protocol.reading or not self._transport.can_write_eof():
            self._transport.close()
            return
        self.lingers = True
        self._transport.write_eof()
        self._transport.resume_reading()
        self._protocol.loop.call_later(LINGER_S, self._transport.abort)
