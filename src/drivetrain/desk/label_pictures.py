"""The pictures of a desk for labelling, large and small."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from ..core.errors import InputError
from ..core.records import Role
from ..core.types import Item
from ..serve.http.browser import IMAGE_POLICY
from ..serve.http.problems import Problem, documented
from ..serve.work.turns import Turns
from .label_desk import LabelDesk
from .pictures import Shown

DECODED_AT_ONCE = 2
PATIENCE_S = 30.0


def label_picture_routes(desk: LabelDesk) -> APIRouter:
    """The routes, bound to a desk."""
    router = APIRouter(tags=["desk"], dependencies=[Depends(desk.needs(Role.REVIEW))])
    aside = Turns(DECODED_AT_ONCE, PATIENCE_S, "other pictures are being decoded; ask again")
    _add(router, desk, aside, "image", "The picture", lambda item: desk.thumbnails.whole(item.reference))
    _add(router, desk, aside, "thumbnail", "A small picture", lambda item: _small(desk, item))
    return router


def _small(desk: LabelDesk, item: Item) -> Shown:
    return Shown(desk.thumbnails.of(item.reference, item.sha256 or item.name), "image/jpeg")


def _add(
    router: APIRouter, desk: LabelDesk, aside: Turns, what: str, summary: str, make: Callable[[Item], Shown]
) -> None:
    @router.get(
        f"/v1/desk/items/{{item_id}}/{what}",
        response_class=Response,
        name=what,
        summary=summary,
        responses={
            200: {"content": {"image/*": {}}},
            304: {"description": "It is the one you have"},
            **documented("unauthorized", "forbidden", "not-found", "conflict", "overloaded"),
        },
    )
    async def picture(request: Request, item_id: str) -> Response:
        item = desk.item(item_id)
        tag = f'"{(item.sha256 or item_id)[:32]}-{what[0]}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Content-Security-Policy": IMAGE_POLICY}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        async with aside.turn():
            found = await _made(lambda: make(item), item.name)
        return Response(found.data, media_type=found.media_type, headers=headers)


async def _made(work: Callable[[], Shown], name: str) -> Shown:
    """Do the work beside the event loop.

    Raises:
        Problem: there is no picture to be had (404).
    """
    try:
        return await asyncio.to_thread(work)
    except (OSError, InputError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise Problem("not-found", f"{name[:200]} cannot be shown: {reason}") from None
