"""Puts the parts of a desk for labelling together. It only assembles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI

from .._version import __version__
from ..serve.http.console import console_routes, read_static
from ..serve.http.envelope import Envelope
from ..serve.http.handlers import document, handle_problems
from ..serve.routes.whoami import DeskInfo, whoami_routes
from .application import LOG_S
from .label_answers import SCHEMAS
from .label_desk import LabelDesk
from .label_pictures import label_picture_routes
from .labelling import label_routes

PAGES = ("label",)

DESCRIPTION = """Items without labels, a person who labels them, and a model that learns meanwhile what to ask next.

Every label is on disk before it is answered. Every answer that is not a success is a problem detail (RFC 9457)."""


def create_label_app(desk: LabelDesk) -> FastAPI:
    """The application of one desk for labelling; closing it ends the session."""
    app = FastAPI(
        title="Drivetrain desk for labelling",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's own page would load its script from elsewhere
        redoc_url=None,
        lifespan=_lifespan(desk),
        redirect_slashes=False,
    )
    app.add_middleware(Envelope, open_to_all=lambda: desk.guard.open_to_all, finished=lambda _request: None)
    handle_problems(app)
    app.include_router(label_routes(desk))
    app.include_router(label_picture_routes(desk))
    info = DeskInfo(mode="label", source=desk.source, pages=list(PAGES), name=desk.name_for_all)
    app.include_router(whoami_routes(desk.guard, info))
    app.include_router(console_routes(read_static()))
    app.openapi = lambda: document(app, SCHEMAS, keyless=("/v1/whoami",))  # type: ignore[method-assign]  # as FastAPI documents
    return app


def _lifespan(desk: LabelDesk) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        desk.bell.hang()
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
            desk.close()

    return lifespan
