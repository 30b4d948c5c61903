"""Telling a request that its client has left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.requests import Request

ON_GONE = "drivetrain.on_gone"
"""Key of a request's scope: takes a function to call when the connection is lost. Our own protocol sets it."""


@contextmanager
def told_when_gone(request: Request, hook: Callable[[], None]) -> Iterator[None]:
    """Call ``hook``, perhaps more than once, when the client leaves before the end of the block; its body has been read.

    Under a server without `ON_GONE` a task waits for ASGI's own message, which costs as much as the rest of the waiting.
    """
    register = request.scope.get(ON_GONE)
    if register is not None:
        register(hook)
        yield
        return
    # The body has been read, so that the next thing to arrive can only be that the client has left.
    gone = asyncio.ensure_future(request.receive())
    gone.add_done_callback(lambda task: None if task.cancelled() else hook())
    try:
        yield
    finally:
        gone.cancel()
