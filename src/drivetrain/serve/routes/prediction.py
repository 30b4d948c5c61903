"""``POST /v1/predict``: images in, stored answers out."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ...core.errors import StoreError
from ...core.records import Entry, Role
from ..access import Caller
from ..http.body import Body, Gone
from ..http.handlers import request_id
from ..http.json_body import cost_of
from ..http.leaving import told_when_gone
from ..http.problems import TAKING_IMAGES, Fault, Problem, documented
from ..http.uploads import PredictBody, is_json, parse_uploads
from ..served import ServedModel
from ..server import Server
from ..work.fair_queue import QueueFull
from ..work.job import Job, Ticket, Upload, jobs_of
from .answers import PredictAnswer, milliseconds, stored_json
from .input_limits import sizes_checked

# Parsing bodies above these sizes would keep the event loop from others for a noticeable time: a form is searched for its
# boundary, JSON is read and checked sign by sign.
FORM_IN_THREAD = 1 << 20
JSON_IN_THREAD = 64 << 10

PATH = "/v1/predict"
MAX_TIMEOUT_MS = 600_000

ModelName = Annotated[str | None, Query(description="Which model; by default the first one served")]
ModelVersion = Annotated[str | None, Query(description="Its bundle id; by default the version served last")]

MULTIPART_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["images"],
                    "properties": {
                        "images": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                            "description": "One image file or several",
                        },
                        "metadata": {
                            "type": "string",
                            "description": "JSON: an object for all images, or a list with one each; see Metadata",
                        },
                    },
                }
            },
            "application/json": {"schema": {"$ref": "#/components/schemas/PredictBody"}},
        },
    }
}

log = logging.getLogger(__name__)
# What it finds malformed is said once, by us and with the request's id.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

GONE = Response(status_code=499)
"""Nobody reads it; the log and the metrics do."""


class Predict:
    """The route as a plain ASGI application, which `Express` asks."""

    path = PATH

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        response = await self.answer(Request(scope, receive))
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """One request's answer.

        Raises:
            Problem: every kind the route's entry in the OpenAPI document names.
        """
        server = self._server
        caller = server.guard.admit(request, Role.PREDICT)
        query = request.query_params
        served = server.model(query.get("model"), query.get("version"))
        start_s = time.monotonic()
        until_s = start_s + min(server.settings.deadline_s, _timeout_s(query.get("timeout_ms")))
        try:
            check_open(server, caller, 1)
            async with server.bodies.read(request, caller.client, largest_of(server, request)) as body:
                uploads = await uploads_of(server, request, body)
                await sizes_checked(served.predictor.manifest.input, uploads, server.settings.limits.pixels)
                check_open(server, caller, len(uploads))  # what is refused must not count against the key
                server.guard.count(caller, len(uploads))
                entries, ready_s = await answered(server, request, caller, served, uploads, until_s)
        except Gone:
            return GONE
        return Response(_body(served, request_id(request), entries, start_s, ready_s), media_type="application/json")


def _timeout_s(given: str | None) -> float:
    if given is None:
        return float("inf")
    if not (given.isascii() and given.isdecimal() and len(given) <= 9 and 1 <= int(given) <= MAX_TIMEOUT_MS):
        message = f"timeout_ms is {given[:40]!r}; it must be a whole number from 1 to {MAX_TIMEOUT_MS}"
        raise Problem("unprocessable", message, errors=[Fault(loc=("query", "timeout_ms"), msg=message)])
    return int(given) / 1000


def prediction_routes(endpoint: Predict) -> APIRouter:
    """The route as FastAPI has it; in a server most requests take a shorter way, see `Express`."""
    router = APIRouter(tags=["predictions"])

    @router.post(
        PATH,
        response_model=PredictAnswer,
        summary="Predict images",
        openapi_extra=MULTIPART_BODY,
        responses=documented(*TAKING_IMAGES, "deadline"),
    )
    async def predict(
        request: Request,
        model: ModelName = None,
        version: ModelVersion = None,
        timeout_ms: Annotated[
            int | None,
            Query(ge=1, le=MAX_TIMEOUT_MS, description="Milliseconds after which the answer is of no use any more"),
        ] = None,
    ) -> Response:
        """One image or several, as a form or as base64 in JSON. An image that cannot be read is an answer, not an error:
        its verdict is `unreadable`, and `error` says why. When the answer arrives, it has been stored."""
        del model, version, timeout_ms  # read from the request, as on the other way
        return await endpoint.answer(request)

    return router


SCHEMAS = (PredictBody,)
"""Named in the document although no parameter has their type."""


def check_open(server: Server, caller: Caller, count: int) -> None:
    """Turn a request away before its body is read, if it could not be answered anyway.

    Raises:
        Problem: overloaded, draining, or the store is not there (503); or the client has its share already (429).
    """
    server.check_ready()
    try:
        server.engine.queue.check_room(caller.client, count)
    except QueueFull as error:
        raise full(server, error) from None


def full(server: Server, error: QueueFull) -> Problem:
    """What to tell a client for whose images there is no room."""
    plan = server.engine.plan
    soon_s = max(1, round(error.waiting / plan.images_per_s)) if plan.images_per_s else 1
    if error.own:
        return Problem(
            "too-many-requests", "your images fill your share of the queue while others wait", retry_after_s=soon_s
        )
    return Problem("overloaded", f"{error.waiting} images wait already, of {plan.queue} that may", retry_after_s=soon_s)


def largest_of(server: Server, request: Request) -> int:
    """Bytes that a body with images may have."""
    limits = server.settings.limits
    return limits.largest_json if is_json(request.headers.get("content-type", "")) else limits.largest_body


async def uploads_of(server: Server, request: Request, body: Body, field_name: str = "images") -> list[Upload]:
    """The images of a request; a large body is parsed outside of the event loop.

    Raises:
        Problem: it is none, or holds too much; what is malformed is said in the log.
    """
    content_type, limits = request.headers.get("content-type", ""), server.settings.limits
    as_json = is_json(content_type)
    aside = body.size >= (JSON_IN_THREAD if as_json else FORM_IN_THREAD)
    cost = (await asyncio.to_thread(cost_of, body.pieces)).weight if as_json and aside else body.size
    try:
        return await body.read(
            lambda data: parse_uploads(content_type, data, limits, field_name), cost=cost, aside=aside
        )
    except Problem as problem:
        if problem.slug == "bad-request":
            log.info("a malformed body: %s", problem.detail, extra={"request_id": request_id(request)})
        raise


async def answered(
    server: Server,
    request: Request,
    caller: Caller,
    served: ServedModel,
    uploads: Sequence[Upload],
    deadline_s: float,
) -> tuple[list[Entry], float]:
    """Queue the images and wait until their answers are stored; the entries, and when they were ready to be stored.

    Raises:
        Problem: no room (429, 503), no answer in time (503), or the answers could not be stored (503).
        Gone: the client left.
    """
    outcome = _Outcome()

    def jobs(ticket: Ticket) -> list[Job]:
        return jobs_of(
            served,
            uploads,
            ticket,
            client=caller.client,
            request_id=request_id(request),
            key_id=caller.key.id if caller.key else None,
            now_s=time.monotonic(),
            deadline_s=deadline_s,
        )

    try:
        ticket = server.engine.submit(jobs, len(uploads), outcome.settle_from_thread)
    except QueueFull as error:
        raise full(server, error) from None
    late = Problem("deadline", "there was no answer within the time asked for; ask again", retry_after_s=1)
    timer = outcome.loop.call_later(deadline_s - time.monotonic(), outcome.give_up, late)
    answered_in_time = False
    try:
        with told_when_gone(request, lambda: outcome.give_up(Gone())):
            unstored = await outcome.future
        answered_in_time = True
    finally:
        timer.cancel()
        if not answered_in_time:
            server.engine.drop(ticket)
    _check_stored(ticket, unstored)
    return ticket.complete(), ticket.ready_s


def _check_stored(ticket: Ticket, unstored: StoreError | None) -> None:
    if unstored is not None:
        raise Problem(
            "store-unavailable", "the answer could not be stored, so it is not given; ask again", retry_after_s=2
        )
    if ticket.failure is not None:
        raise Problem("overloaded", f"no answer: {ticket.failure}", retry_after_s=2)


class _Outcome:
    """What becomes of a request's images: None once they are stored, why they were not, or why nobody waits any longer.

    The first to say so decides; ``future`` is awaited on the event loop on which it was made.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[StoreError | None] = self.loop.create_future()

    def settle_from_thread(self, _: Ticket, unstored: StoreError | None) -> None:
        """Say from another thread that the images are stored, or why not."""
        with suppress(RuntimeError):  # the loop has ended: there is nobody to tell
            self.loop.call_soon_threadsafe(self._settle, unstored)

    def give_up(self, reason: Exception) -> None:
        """End the waiting with ``reason``."""
        if not self.future.done():
            self.future.set_exception(reason)

    def _settle(self, unstored: StoreError | None) -> None:
        if not self.future.done():
            self.future.set_result(unstored)


def _body(served: ServedModel, request: str, entries: Sequence[Entry], start_s: float, ready_s: float) -> bytes:
    timings = [entry.record.timings for entry in entries]
    now_s = time.monotonic()
    answer: dict[str, Any] = {
        "predictions": [stored_json(entry.record) for entry in entries],
        "request_id": request,
        "bundle_id": served.version,
        "model": served.name,
        "timings": {
            "queue_ms": milliseconds(max(t.queue_s for t in timings)),
            "decode_ms": milliseconds(sum(t.decode_s for t in timings)),
            "network_ms": milliseconds(sum(t.network_s for t in timings)),
            "store_ms": milliseconds(now_s - ready_s),
            "total_ms": milliseconds(now_s - start_s),
        },
    }
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
