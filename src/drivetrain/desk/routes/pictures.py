"""The pictures of items, large and small."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import InputError
from ...core.records import Role
from ...core.types import Item
from ...serve.http.browser import IMAGE_POLICY
from ...serve.http.problems import Problem, documented
from ...serve.work.turns import Turns
from ..any_desk import AnyDesk
from ..lying import bytes_of
from ..pictures import Shown
from ..telling import content_of

T = TypeVar("T")

# An item's picture may change under its name, never under its hash. Private: it must not stay in a shared cache.
FOREVER = "private, max-age=31536000, immutable"
ASK_AGAIN = "private, no-cache"
# A file that was overwritten since the survey is shown, and is not the item's picture for long.
UNLIKE = {"Cache-Control": "no-store", "Content-Security-Policy": IMAGE_POLICY}

DECODED_AT_ONCE = 2
PATIENCE_S = 30.0

Content = Annotated[str | None, Query(max_length=64, description="The item's `content`")]


def picture_routes(desk: AnyDesk) -> APIRouter:
    """The routes, bound to a desk."""
    router = APIRouter(tags=["desk"], dependencies=[Depends(desk.needs(Role.REVIEW))])
    aside = Turns(DECODED_AT_ONCE, PATIENCE_S, "other pictures are being decoded; ask again")
    refused = documented("unauthorized", "forbidden", "not-found", "conflict", "overloaded")
    shown: dict[int | str, dict[str, object]] = {
        200: {"content": {"image/*": {}}},
        304: {"description": "It is the one you have"},
    }

    @router.get(
        "/v1/desk/items/{item_id}/thumbnail",
        response_class=Response,
        summary="A small picture",
        responses={**shown, **refused},
    )
    async def thumbnail(request: Request, item_id: str, v: Content = None) -> Response:
        """A JPEG of at most 320 pixels a side. With the item's `content` as `v` it may be kept for good."""
        item, headers = _asked(desk, item_id, v, "t")
        if _has(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        hashed = item.sha256 or item_id
        data = desk.thumbnails.kept(hashed)
        if data is None:
            async with aside.turn():
                data, surveyed = await _made(lambda: _small(desk, item, hashed), item.name)
            headers = headers if surveyed else UNLIKE
        return Response(data, media_type="image/jpeg", headers=headers)

    @router.get(
        "/v1/desk/items/{item_id}/image",
        response_class=Response,
        summary="The picture",
        responses={**shown, **refused},
    )
    async def image(request: Request, item_id: str, v: Content = None) -> Response:
        """As it is; as a JPEG of at most 2048 pixels a side where browsers do not show its format, or it is large. With the
        item's `content` as `v` it may be kept for good."""
        item, headers = _asked(desk, item_id, v, "i")
        if _has(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        async with aside.turn():
            found, surveyed = await _made(lambda: _whole(desk, item), item.name)
        return Response(found.data, media_type=found.media_type, headers=headers if surveyed else UNLIKE)

    return router


def _asked(desk: AnyDesk, item_id: str, content: str | None, form: str) -> tuple[Item, dict[str, str]]:
    """The item of a picture, and the headers with which it is sent; raises what `AnyDesk.row` does."""
    row = desk.row(item_id)
    item, board = desk.board().items[row], desk.board()
    tag = f'"{(item.sha256 or item_id)[:32]}-{form}"'
    forever = content is not None and content == content_of(board, row)
    return item, {
        "ETag": tag,
        "Cache-Control": FOREVER if forever else ASK_AGAIN,
        "Content-Security-Policy": IMAGE_POLICY,
    }


def _small(desk: AnyDesk, item: Item, hashed: str) -> tuple[bytes, bool]:
    found = bytes_of(item, desk.sitting)
    data = desk.thumbnails.small(found.data)
    if found.surveyed:
        desk.thumbnails.keep(hashed, data)
    return data, found.surveyed


def _whole(desk: AnyDesk, item: Item) -> tuple[Shown, bool]:
    found = bytes_of(item, desk.sitting)
    return desk.thumbnails.shown(found.data), found.surveyed


def _has(request: Request, tag: str) -> bool:
    given = request.headers.get("if-none-match", "")
    return tag in (part.strip().removeprefix("W/") for part in given.split(","))


async def _made(work: Callable[[], T], name: str) -> T:
    """Do the work beside the event loop.

    Raises:
        Problem: there is no picture to be had (404).
    """
    try:
        return await asyncio.to_thread(work)
    except (OSError, InputError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise Problem("not-found", f"{name[:200]} cannot be shown: {reason}") from None
