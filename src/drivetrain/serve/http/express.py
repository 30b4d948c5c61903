"""The short way to an answer: predictions pass FastAPI by.

Its way through middleware, routing, dependencies and parameters costs as much as all else that the event loop does for a
prediction, and every microsecond in Python is one that a worker may wait for.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from ..routes.prediction import PATH


class Express:
    """ASGI: ``POST /v1/predict`` to ``predict``, everything else to ``app``."""

    def __init__(self, app: ASGIApp, predict: ASGIApp) -> None:
        self._app, self._predict = app, predict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        short = scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST"
        await (self._predict if short else self._app)(scope, receive, send)
