"""The envelope of every request: its id, what a browser is asked and told, a line in the log, a count in the metrics."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...core.identifiers import new_id
from .browser import check_browser, check_direct, check_once, with_security_headers
from .problems import Problem

REQUEST_ID = b"x-request-id"
# The status that is logged where no answer began, as the client left. HTTP has none; other servers log this one.
LEFT = 499

_GOOD_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

log = logging.getLogger("drivetrain.requests")


@dataclass(frozen=True, slots=True)
class FinishedRequest:
    """A request that has its answer, as the metrics count it."""

    method: str
    route: str
    """The route's pattern, never the path: names would grow without bound."""
    status: int
    seconds: float


class _Answer:
    """ASGI's ``send`` of one request: adds the headers that every answer has, and remembers the status."""

    def __init__(self, send: Send, method: str, request_id: str) -> None:
        self.status = 0
        """0 until an answer has begun."""
        self._send, self._method, self._request_id = send, method, request_id

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = with_security_headers(
                [*message.get("headers", ()), (REQUEST_ID, self._request_id.encode())]
            )
        elif self._method == "HEAD" and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)


class Envelope:
    """ASGI middleware, the outermost."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        open_to_all: Callable[[], bool],
        finished: Callable[[FinishedRequest], None],
        check: Callable[[Scope], None] = lambda _: None,
    ) -> None:
        """``check`` is asked before the application, and may raise a `Problem`."""
        self._app = app
        self._open_to_all = open_to_all
        self._finished = finished
        self._check_sight = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start_s = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(REQUEST_ID, b"")
        request_id = given.decode() if _GOOD_ID.fullmatch(given) else new_id()
        method = scope["method"]
        if method == "HEAD":
            # HEAD answers wherever GET does, without the body.
            scope = {**scope, "method": "GET"}
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, method, request_id)
        try:
            self._check(scope["headers"], headers, method)
            self._check_sight(scope)
            await self._app(scope, receive, answer)
        except Problem as problem:
            if answer.status:
                raise
            await problem.response(request_id)(scope, receive, answer)
        except Exception:
            log.exception("a fault in this program", extra={"request_id": request_id})
            if answer.status:
                raise
            fault = Problem("fault", "this is a fault in drivetrain; its log says more under the request's id")
            await fault.response(request_id)(scope, receive, answer)
        finally:
            self._note(scope, method, request_id, answer.status or LEFT, time.perf_counter() - start_s)

    def _check(self, sent: Iterable[tuple[bytes, bytes]], headers: Mapping[bytes, bytes], method: str) -> None:
        """Refuse what no head may say, and what a page of another site made a browser send; see `browser`."""
        check_once(sent)
        open_to_all = self._open_to_all()
        if open_to_all:
            check_direct(headers)
        check_browser(method, headers, open_to_all=open_to_all)

    def _note(self, scope: Scope, method: str, request_id: str, status: int, seconds: float) -> None:
        route: Any = scope.get("route")
        pattern = getattr(route, "path", "other")
        self._finished(FinishedRequest(method, pattern, status, seconds))
        if log.isEnabledFor(logging.INFO):
            client = scope.get("client")
            # The log names neither query nor body: what people sent does not belong there.
            log.info(
                "%s %s %d",
                method,
                pattern,
                status,
                extra={
                    "request_id": request_id,
                    "method": method,
                    "route": pattern,
                    "status": status,
                    "seconds": round(seconds, 6),
                    "client": client[0] if client else None,
                },
            )
