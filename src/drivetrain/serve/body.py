"""The body of a request, read within limits: so many bytes, so long, and so much memory for all together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from .problems import Problem
from .settings import Limits


class Gone(Exception):  # noqa: N818  # a state, not a fault
    """The client has left; there is nobody to answer."""


class BodyReader:
    """Counts what all requests hold together."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held_bytes = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The whole body, counted as held until the end of the block.

        Raises:
            Problem: too large (413), too slow (408), or too much held already (503).
            Gone: the client left before its end.
        """
        held = 0
        try:
            announced = _announced(request)
            if announced is not None:
                self._check(announced, announced)
            pieces: list[bytes] = []
            try:
                async with asyncio.timeout(self.limits.upload_s):
                    async for piece in request.stream():
                        held += len(piece)
                        self.held_bytes += len(piece)
                        self._check(held, 0)
                        pieces.append(piece)
            except TimeoutError:
                raise Problem(
                    "timeout",
                    f"{held} bytes arrived in {self.limits.upload_s:g} s; send less at once or over a better line",
                    headers={"Connection": "close"},
                ) from None
            except ClientDisconnect:
                raise Gone from None
            yield pieces[0] if len(pieces) == 1 else b"".join(pieces)
        finally:
            self.held_bytes -= held

    def _check(self, size: int, more: int) -> None:
        if size > self.limits.body_bytes:
            raise Problem(
                "too-large",
                f"the body has more than {self.limits.body_bytes >> 20} MiB; send fewer or smaller images at once",
                headers={"Connection": "close"},
            )
        if self.held_bytes + more > self.limits.in_flight_bytes:
            raise Problem("overloaded", "the images under way fill the memory set aside for them", retry_after_s=1)


def _announced(request: Request) -> int | None:
    length = request.headers.get("content-length")
    if length is None:
        return None
    if not length.isdecimal() or len(length) > 18:
        raise Problem("bad-request", f"Content-Length is {length[:40]!r}, not a number of bytes")
    return int(length)
