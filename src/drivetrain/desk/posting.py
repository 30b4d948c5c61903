"""Routes by which people write: a body of a form, and an answer once what it asks for is on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from inspect import cleandoc
from typing import TypeVar

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..core.errors import DataError
from ..core.records import Role
from ..serve.access import Caller
from ..serve.http.body import Gone
from ..serve.http.problems import TAKING_BODIES, Problem, documented
from ..serve.routes.told_body import told_body
from .any_desk import AnyDesk
from .bodies import EditsBody, described

LIMITS: Mapping[type[BaseModel], tuple[int, int]] = {
    EditsBody: (4 << 20, 32_768),  # room for 2,000 changes with long labels
}
"""The most bytes and values that the body of a form may have."""
LIMIT = 4096, 16
"""The same of all other forms, which are of a few words."""

GONE = Response(status_code=499)

REFUSED = documented(*TAKING_BODIES, "conflict")

B = TypeVar("B", bound=BaseModel)


def add_post(
    router: APIRouter,
    desk: AnyDesk,
    name: str,
    summary: str,
    form: type[B],
    answer: type[BaseModel],
    work: Callable[[B], BaseModel],
) -> None:
    """Add the route ``/v1/desk/NAME``. The sentences of ``work`` are those of the document; it runs beside the event loop."""
    needs = desk.needs(Role.REVIEW)
    most_bytes, most_values = LIMITS.get(form, LIMIT)

    async def posted(request: Request, caller: Caller = Depends(needs)) -> Response:
        try:
            told = await told_body(
                desk.bodies, request, caller.client, form, most_bytes=most_bytes, most_values=most_values
            )
        except Gone:
            return GONE
        return JSONResponse((await asyncio.to_thread(_done, work, told)).model_dump(mode="json"))

    handler: Callable[..., Awaitable[Response]] = posted
    router.post(
        f"/v1/desk/{name}",
        response_model=answer,
        summary=summary,
        description=cleandoc(work.__doc__ or ""),
        name=name,
        openapi_extra=described(form),
        responses=REFUSED,
    )(handler)


def _done(work: Callable[[B], BaseModel], told: B) -> BaseModel:
    """Do what is asked for.

    Raises:
        Problem: it cannot be written down (503), or what ``work`` raises.
    """
    try:
        return work(told)
    except DataError as error:
        raise Problem("store-unavailable", f"nothing was changed: {error}", retry_after_s=5) from None
