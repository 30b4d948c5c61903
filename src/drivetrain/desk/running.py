"""A desk on a port of this machine, until somebody stops it."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ..core.errors import UsageError
from ..serve.listening import address_of, bind, leave_alone, run_on

if TYPE_CHECKING:
    from fastapi import FastAPI

    from .any_desk import AnyDesk

    D = TypeVar("D", bound=AnyDesk)
else:
    D = TypeVar("D")

PORT = 8010
PORTS_TRIED = 20
DRAIN_S = 3.0


@dataclass(frozen=True)
class Where:
    """The place at which a desk answers."""

    host: str
    port: int | None
    """None: the first that is free from `PORT` on."""
    opens: bool
    """Tells whether a browser is opened."""
    page: str = ""
    """The page it is opened at, behind the address."""


def serve(
    where: Where, build: Callable[[], D], create: Callable[[D], FastAPI], started: Callable[[D, str], None]
) -> None:
    """Serve until told to stop; ``started`` is called once, with the address. Raises what ``build`` does, and

    Raises:
        UsageError: the address is taken or not this machine's.
    """
    from ..serve.http.connections import raise_descriptors
    from ..serve.http.logs import set_up

    raise_descriptors()
    desk = build()
    listening = bind_desk(where.host, where.port)
    address = address_of(where.host, listening)
    set_up("text", requests=False)
    app = create(desk)
    leave_alone()
    started(desk, address)
    if where.opens:
        webbrowser.open(f"{address}{where.page}")
    run_on(app, listening, DRAIN_S, desk.bell.close)


def bind_desk(host: str, port: int | None) -> socket.socket:
    """Listen on the port named, or on the first that is free.

    Raises:
        UsageError: it is taken, or the address is not this machine's.
    """
    if port is not None:
        return bind(host, port)
    for tried in range(PORT, PORT + PORTS_TRIED):
        try:
            return bind(host, tried)
        except UsageError:
            if tried == PORT + PORTS_TRIED - 1:
                raise
    raise AssertionError("the last try raises")
