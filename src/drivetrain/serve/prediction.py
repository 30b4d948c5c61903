"""``POST /v1/predict``: images in, stored answers out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from ..core.errors import StoreError
from ..core.records import Entry, Role
from .answers import PredictAnswer, milliseconds, stored_json
from .body import Gone
from .fair_queue import QueueFull
from .guard import Caller
from .image_limits import check_pixels
from .job import Job, Ticket, Upload, jobs_of
from .problems import Problem, documented
from .served import ServedModel
from .server import Server, request_id
from .uploads import PredictBody, parse_uploads

# Parsing a body this large would keep the event loop from others for a noticeable time.
PARSE_IN_THREAD = 1 << 20

ModelName = Annotated[str | None, Query(description="Which model; by default the first one served")]
ModelVersion = Annotated[str | None, Query(description="Its bundle id; by default the version served last")]
TimeoutMs = Annotated[
    int | None, Query(ge=1, le=600_000, description="Milliseconds after which the answer is of no use any more")
]

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

GONE = Response(status_code=499)
"""Nobody reads it; the log and the metrics do."""


def prediction_routes(server: Server) -> APIRouter:
    """The route, bound to a server."""
    router = APIRouter(tags=["predictions"])
    needs = server.needs(Role.PREDICT)

    @router.post(
        "/v1/predict",
        response_model=PredictAnswer,
        summary="Predict images",
        openapi_extra=MULTIPART_BODY,
        responses=documented(
            "bad-request",
            "unauthorized",
            "forbidden",
            "not-found",
            "timeout",
            "too-large",
            "unsupported-media",
            "unprocessable",
            "too-many-requests",
            "overloaded",
            "deadline",
            "store-unavailable",
            "draining",
        ),
    )
    async def predict(
        request: Request,
        caller: Caller = Depends(needs),
        model: ModelName = None,
        version: ModelVersion = None,
        timeout_ms: TimeoutMs = None,
    ) -> Response:
        """One image or several, as a form or as base64 in JSON. An image that cannot be read is an answer, not an error:
        its verdict is `unreadable`, and `error` says why. When the answer arrives, it has been stored."""
        served = server.model(model, version)
        start_s = time.monotonic()
        try:
            check_open(server, caller, 1)
            async with server.bodies.read(request) as body:
                uploads = await uploads_of(server, request, body)
                check_pixels(uploads, server.settings.limits.pixels)
                server.guard.count(caller, len(uploads))
                deadline_s = start_s + min(server.settings.deadline_s, (timeout_ms or 1e9) / 1000)
                entries, ready_s = await answered(server, request, caller, served, uploads, deadline_s)
        except Gone:
            return GONE
        return Response(_body(served, request_id(request), entries, start_s, ready_s), media_type="application/json")

    return router


SCHEMAS = (PredictBody,)
"""Named in the document although no parameter has their type."""


def check_open(server: Server, caller: Caller, count: int) -> None:
    """Turn a request away before its body is read, if it could not be answered anyway.

    Raises:
        Problem: overloaded, draining, or the store is not there (503); or the client has its share already (429).
    """
    if server.state.draining:
        raise Problem("draining", "this server is going down; ask again, another will answer", retry_after_s=2)
    failure = server.ledger.failure
    if failure is not None:
        raise Problem("store-unavailable", "answers cannot be stored just now; ask again soon", retry_after_s=2)
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


async def uploads_of(server: Server, request: Request, body: bytes) -> list[Upload]:
    """The images of a request; a large body is parsed outside of the event loop."""
    content_type, limits = request.headers.get("content-type", ""), server.settings.limits
    if len(body) < PARSE_IN_THREAD:
        return parse_uploads(content_type, body, limits)
    return await asyncio.to_thread(parse_uploads, content_type, body, limits)


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
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[tuple[Ticket, StoreError | None]] = loop.create_future()

    def settle(ticket: Ticket, error: StoreError | None) -> None:
        if not outcome.done():
            outcome.set_result((ticket, error))

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

    def finished(ticket: Ticket, error: StoreError | None) -> None:
        with suppress(RuntimeError):  # the loop has ended: there is nobody to tell
            loop.call_soon_threadsafe(settle, ticket, error)

    try:
        ticket = server.engine.submit(jobs, len(uploads), finished)
    except QueueFull as error:
        raise full(server, error) from None
    # The body has been read, so that the next thing to arrive can only be that the client has left.
    gone = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait(
            (outcome, gone), timeout=max(0.0, deadline_s - time.monotonic()), return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        gone.cancel()
        if not outcome.done():
            ticket.cancel()
    if not outcome.done():
        if gone.done() and not gone.cancelled():
            raise Gone
        raise Problem("deadline", "there was no answer within the time asked for; ask again", retry_after_s=1)
    _, error = outcome.result()
    if error is not None:
        raise Problem(
            "store-unavailable", "the answer could not be stored, so it is not given; ask again", retry_after_s=2
        )
    if ticket.failure is not None:
        raise Problem("overloaded", f"no answer: {ticket.failure}", retry_after_s=2)
    return ticket.complete(), ticket.ready_s


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
