"""The items: their list, each of them, and their pictures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import InputError
from ...core.records import Role
from ...data.edits.edit import Fate
from ...serve.http.browser import IMAGE_POLICY
from ...serve.http.problems import Problem, documented
from ...serve.work.turns import Turns
from ..answers import ItemDetail, ItemPage
from ..desk import Desk
from ..listing import Wanted
from ..pictures import Shown
from ..telling import edit_answers, item_answer, item_fields

T = TypeVar("T")

MOST_ITEMS = 500

# An item's picture may change under its name, never under its hash. Private: it must not stay in a shared cache.
FOREVER = "private, max-age=31536000, immutable"
ASK_AGAIN = "private, no-cache"

DECODED_AT_ONCE = 2
PATIENCE_S = 30.0

Text = Annotated[str | None, Query(max_length=500)]


def item_routes(desk: Desk) -> APIRouter:
    """The routes, bound to a desk."""
    router = APIRouter(tags=["desk"], dependencies=[Depends(desk.needs(Role.REVIEW))])
    _add_list(router, desk)
    _add_one(router, desk)
    _add_pictures(router, desk)
    return router


def _add_list(router: APIRouter, desk: Desk) -> None:
    @router.get(
        "/v1/desk/items",
        response_model=ItemPage,
        summary="Items, the most suspicious first",
        responses=documented("unauthorized", "forbidden", "unprocessable", "overloaded"),
    )
    def items(
        label: Annotated[str | None, Query(max_length=500, description="Only those that have this label")] = None,
        fate: Annotated[Fate | None, Query(description="Only those of this fate")] = None,
        reason: Annotated[
            str | None, Query(max_length=100, description="Only those with a reason of this code")
        ] = None,
        order: Literal["suspicion", "name"] = "suspicion",
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 100,
    ) -> ItemPage:
        """Filters look at what stands now, suspicion at the newest ranking."""
        situation, ranking = desk.situation(), desk.session.ranking
        wanted = Wanted(label, fate, reason, order)
        rows = wanted.rows(situation, ranking)
        shown = [item_answer(situation, ranking, row) for row in rows[offset : offset + limit]]
        return ItemPage(version=ranking.version if ranking else 0, total=len(rows), items=shown)


def _add_one(router: APIRouter, desk: Desk) -> None:
    @router.get(
        "/v1/desk/items/{item_id}",
        response_model=ItemDetail,
        summary="One item",
        responses=documented("unauthorized", "forbidden", "not-found", "overloaded"),
    )
    def item(item_id: str) -> ItemDetail:
        """With its neighbours, its edits and what a model that has not seen it answers."""
        row, situation, ranking = desk.row(item_id), desk.situation(), desk.session.ranking
        board, near = situation.board, ranking.neighbours(row) if ranking else []
        history = desk.session.edits.standings.history(board.items[row].id)
        return ItemDetail.model_validate(
            {
                **item_fields(situation, ranking, row),
                "neighbours": [item_answer(situation, ranking, other) for other in near],
                "history": edit_answers(board, history),
                "probs": ranking.answer_to(row) if ranking else {},
            }
        )


def _add_pictures(router: APIRouter, desk: Desk) -> None:
    aside = Turns(DECODED_AT_ONCE, PATIENCE_S, "other pictures are being decoded; ask again")
    refused = documented("unauthorized", "forbidden", "not-found", "overloaded")
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
    async def thumbnail(
        request: Request,
        item_id: str,
        sha256: Annotated[
            str | None, Query(alias="v", max_length=64, description="Anything that names the bytes")
        ] = None,
    ) -> Response:
        """A JPEG of at most 320 pixels a side. With `v` it may be kept for good."""
        item = desk.board().items[desk.row(item_id)]
        hashed = item.sha256 or item_id
        tag = f'"{hashed[:32]}-t"'
        headers = _headers(tag, FOREVER if sha256 else ASK_AGAIN)
        if _has(request, tag):
            return Response(status_code=304, headers=headers)
        data = desk.thumbnails.kept(hashed)
        if data is None:
            async with aside.turn():
                data = await _made(lambda: desk.thumbnails.of(item.reference, hashed), item.name)
        return Response(data, media_type="image/jpeg", headers=headers)

    @router.get(
        "/v1/desk/items/{item_id}/image",
        response_class=Response,
        summary="The picture",
        responses={**shown, **refused},
    )
    async def image(request: Request, item_id: str) -> Response:
        """As it is; as a JPEG of at most 2048 pixels a side where browsers do not show its format, or it is large."""
        item = desk.board().items[desk.row(item_id)]
        tag = f'"{(item.sha256 or item_id)[:32]}-i"'
        headers = _headers(tag, ASK_AGAIN)
        if _has(request, tag):
            return Response(status_code=304, headers=headers)
        async with aside.turn():
            found: Shown = await _made(lambda: desk.thumbnails.whole(item.reference), item.name)
        return Response(found.data, media_type=found.media_type, headers=headers)


def _headers(tag: str, caching: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": caching, "Content-Security-Policy": IMAGE_POLICY}


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
