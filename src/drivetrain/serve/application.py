"""Puts the parts together: routes, envelope, errors, and what runs from start to stop. It only assembles."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp

from .._version import __version__
from ..core.records import Role
from .http import tracing
from .http.console import console_routes
from .http.envelope import Envelope
from .http.express import Express
from .http.handlers import document, handle_problems
from .http.metrics import CONTENT_TYPE, monitor_metrics
from .http.problems import documented
from .routes import cases, explanation, open_inference, prediction, reviews, rollouts, truths
from .routes.catalogue import catalogue_routes
from .routes.history import history_routes
from .routes.monitor import monitor_routes
from .routes.monitor_answers import ClearBody
from .routes.samples import sample_routes
from .routes.whoami import whoami_routes
from .server import Server
from .work.alarms import ALARMS_S
from .work.background import apart
from .work.forgetting import FORGET_S, Forgetting
from .work.rollout_metrics import rollout_metrics

# Seconds between two readings of the keys.
KEYS_S = 2.0

DESCRIPTION = """Predictions of trained bundles, stored as they are given.

Every answer that is not a success is a problem detail (RFC 9457). Where the server needs keys, send one as
`Authorization: Bearer dt_…`; `429` and `503` say in `Retry-After` when to ask again."""

log = logging.getLogger(__name__)


def create_app(server: Server) -> FastAPI:
    """The application of one server process; closing it answers what was accepted and closes the store."""
    app = FastAPI(
        title="Drivetrain",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's own page would load its script from elsewhere
        redoc_url=None,
        lifespan=_lifespan(server),
        # FastAPI would redirect an address that ends with a slash too many; here it is not found.
        redirect_slashes=False,
    )
    predict = prediction.Predict(server)
    app.add_middleware(
        Envelope,
        open_to_all=lambda: server.guard.open_to_all,
        finished=server.metrics.request,
        check=server.sight.check,
    )
    handle_problems(app)
    for router in (
        prediction.prediction_routes(predict),
        explanation.explanation_routes(server),
        catalogue_routes(server),
        history_routes(server),
        monitor_routes(server),
        truths.truth_routes(server),
        sample_routes(server),
        cases.case_routes(server),
        reviews.review_routes(server),
        rollouts.rollout_routes(server),
        open_inference.health_routes(server),
        open_inference.inference_routes(server),
    ):
        app.include_router(router)
    app.include_router(whoami_routes(server.guard, blind=server.sight.is_blind))
    _own_routes(app, server)
    app.include_router(console_routes(server.files))
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]  # the way FastAPI documents
    tracing.instrument(app)
    return app


def front(app: FastAPI, server: Server) -> ASGIApp:
    """The application with the short way to predictions before it; not where requests are traced, as spans are made inside."""
    if tracing.is_traced(app):
        return app
    envelope = Envelope(
        prediction.Predict(server),
        open_to_all=lambda: server.guard.open_to_all,
        finished=server.metrics.request,
        check=server.sight.check,
    )
    return Express(app, envelope)


def _own_routes(app: FastAPI, server: Server) -> None:
    @app.get(
        "/metrics",
        response_class=Response,
        tags=["operations"],
        summary="Prometheus metrics",
        dependencies=[Depends(server.needs(Role.ADMIN))],
        responses={200: {"content": {"text/plain": {}}}, **documented("unauthorized", "forbidden")},
    )
    async def metrics() -> Response:
        """Requests, latency, queue, batches, verdicts, store, alarms, rollouts."""
        live = await asyncio.to_thread(rollout_metrics, server.rollouts, server.store)
        refused = sum(model.problem is not None for model in server.shelf.models)
        page = server.metrics.page(
            len(server.engine.queue),
            server.ledger.failure is None,
            refused,
            stuck_s=server.stuck_s(),
            pictures_bytes=server.pictures.budget.held,
            now=[*monitor_metrics(server.alarms.standing.alarms, server.monitoring.lags()), *live],
        )
        return Response(page, media_type=CONTENT_TYPE)


def _lifespan(server: Server) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(_every(KEYS_S, lambda: asyncio.to_thread(server.guard.refresh))),
            asyncio.create_task(_every(ALARMS_S, lambda: asyncio.to_thread(server.alarms.refresh))),
        ]
        server.monitoring.start()
        server.rollouts.start()
        if server.webhook is not None:
            server.webhook.start()
        if server.settings.retention.days is not None or not server.settings.retention.keeps_input:
            forgetting = Forgetting(server.store, server.settings.retention)
            tasks.append(
                asyncio.create_task(_every(FORGET_S, lambda: asyncio.to_thread(forgetting.forget), at_once=True))
            )
        if server.settings.watch_s is not None:
            # Each model has a task of its own, so that a new version that takes long to load holds up no other's.
            for name in server.shelf.names:
                load = partial(_load_new_versions, server, name)
                tasks.append(asyncio.create_task(_every(server.settings.watch_s, load)))
        try:
            yield
        finally:
            server.state.draining = True
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await asyncio.to_thread(server.rollouts.close)
            await asyncio.to_thread(server.engine.close)
            await asyncio.to_thread(server.monitoring.close)
            if server.webhook is not None:
                await asyncio.to_thread(server.webhook.close)
            await asyncio.to_thread(server.store.close)

    return lifespan


async def _load_new_versions(server: Server, name: str) -> None:
    for line in await apart(partial(server.shelf.refresh, name)):
        log.warning("%s", line)


async def _every(seconds: float, work: Callable[[], Awaitable[None]], *, at_once: bool = False) -> None:
    if not at_once:
        await asyncio.sleep(seconds)
    while True:
        try:
            await work()
        except Exception:  # the next time may go well
            log.exception("a task in the background failed")
        await asyncio.sleep(seconds)


def openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the server."""
    told = (prediction, explanation, open_inference, truths, cases, reviews, rollouts)
    own = (*(form for routes in told for form in routes.SCHEMAS), ClearBody)
    return document(app, own, keyless=("/v2/health", "/v1/whoami"))
