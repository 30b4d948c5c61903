"""Puts the parts of a desk together, whatever people do at it. It only assembles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from .._version import __version__
from ..serve.http.console import console_routes, read_static
from ..serve.http.envelope import Envelope
from ..serve.http.handlers import document, handle_problems
from ..serve.routes.whoami import DeskInfo, whoami_routes
from .any_desk import AnyDesk

# Seconds between two looks at what other processes wrote into the log.
LOG_S = 0.5


def assembled(
    desk: AnyDesk, title: str, description: str, routers: Iterable[APIRouter], schemas: Sequence[type[BaseModel]]
) -> FastAPI:
    """The application of one desk; closing it ends the session."""
    app = FastAPI(
        title=title,
        version=__version__,
        description=description,
        docs_url=None,  # FastAPI's own page would load its script from elsewhere
        redoc_url=None,
        lifespan=_lifespan(desk),
        redirect_slashes=False,
    )
    app.add_middleware(Envelope, open_to_all=lambda: desk.guard.open_to_all, finished=lambda _request: None)
    handle_problems(app)
    for router in routers:
        app.include_router(router)
    info = DeskInfo(mode=desk.mode, source=desk.source, pages=list(desk.pages), name=desk.name_for_all)
    app.include_router(whoami_routes(desk.guard, info))
    app.include_router(console_routes(read_static()))
    app.openapi = lambda: document(app, schemas, keyless=("/v1/whoami",))  # type: ignore[method-assign]  # as FastAPI documents
    return app


def _lifespan(desk: AnyDesk) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        desk.bell.hang()
        desk.sitting.listen(desk.bell.ring)
        desk.sitting.start()
        reading = asyncio.create_task(desk.keep_reading(LOG_S))
        try:
            yield
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            desk.sitting.close()
            desk.close()

    return lifespan
