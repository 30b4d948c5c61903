"""Puts the parts of a desk together. It only assembles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import APIRouter, FastAPI

from .._version import __version__
from ..serve.http.console import console_routes, read_static
from ..serve.http.envelope import Envelope
from ..serve.http.handlers import document, handle_problems
from ..serve.routes.whoami import DeskInfo, whoami_routes
from .bodies import SCHEMAS
from .desk import Desk
from .routes.audit import audit_routes
from .routes.changes import change_routes
from .routes.duplicates import duplicate_routes
from .routes.edits import edit_routes
from .routes.gain import gain_routes
from .routes.gotchas import gotcha_routes
from .routes.items import item_routes
from .routes.state import state_routes

# Seconds between two looks at what other processes wrote into the log.
LOG_S = 0.5

DESCRIPTION = """A set of labelled items on which people work: what is suspicious, what they change, and what it does.

Every edit is on disk before it is answered. Every answer that is not a success is a problem detail (RFC 9457)."""

ROUTES: tuple[Callable[[Desk], APIRouter], ...] = (
    state_routes,
    item_routes,
    edit_routes,
    change_routes,
    duplicate_routes,
    gain_routes,
    gotcha_routes,
    audit_routes,
)
"""All that answers, a module of ``routes`` each."""


def create_app(desk: Desk) -> FastAPI:
    """The application of one desk; closing it ends the session."""
    app = FastAPI(
        title="Drivetrain desk",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's own page would load its script from elsewhere
        redoc_url=None,
        lifespan=_lifespan(desk),
        redirect_slashes=False,
    )
    app.add_middleware(Envelope, open_to_all=lambda: desk.guard.open_to_all, finished=lambda _request: None)
    handle_problems(app)
    for routes in ROUTES:
        app.include_router(routes(desk))
    info = DeskInfo(mode=desk.mode, source=desk.source, pages=list(desk.pages), name=desk.name_for_all)
    app.include_router(whoami_routes(desk.guard, info))
    app.include_router(console_routes(read_static()))
    app.openapi = lambda: document(app, SCHEMAS, keyless=("/v1/whoami",))  # type: ignore[method-assign]  # as FastAPI documents
    return app


def _lifespan(desk: Desk) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        desk.bell.hang()
        desk.session.listen(desk.auditing.begin_if_wanted)
        desk.session.listen(desk.bell.ring)
        desk.session.start()
        reading = asyncio.create_task(desk.keep_reading(LOG_S))
        try:
            yield
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            desk.session.close()

    return lifespan
