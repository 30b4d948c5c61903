"""The items: their list, each of them, and their pictures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import DataError, InputError
from ...core.records import Role
from ...core.types import Item
from ...data.edits.edit import Fate
from ...serve.http.browser import IMAGE_POLICY
from ...serve.http.problems import Problem, documented
from ...serve.work.turns import Turns
from ..answers import ItemDetail, ItemPage
from ..desk import Desk
from ..listing import Wanted
from ..lying import bytes_of
from ..pictures import Shown
from ..telling import content_of, edit_answers, item_answer, item_fields

T = TypeVar("T")

MOST_ITEMS = 500

# An item's picture may change under its name, never under its hash. Private: it must not stay in a shared cache.
FOREVER = "private, max-age=31536000, immutable"
ASK_AGAIN = "private, no-cache"
# A file that was overwritten since the survey is shown, and is not the item's picture for long.
UNLIKE = {"Cache-Control": "no-store", "Content-Security-Policy": IMAGE_POLICY}

DECODED_AT_ONCE = 2
PATIENCE_S = 30.0

Content = Annotated[str | None, Query(max_length=64, description="The item's `content`")]


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
        responses=documented("unauthorized", "forbidden", "conflict", "unprocessable", "overloaded"),
    )
    def items(
        label: Annotated[str | None, Query(max_length=500, description="Only those that have this label")] = None,
        fate: Annotated[Fate | None, Query(description="Only those of this fate")] = None,
        reason: Annotated[
            str | None, Query(max_length=100, description="Only those with a reason of this code")
        ] = None,
        order: Literal["suspicion", "name"] = "suspicion",
        audit: Annotated[bool, Query(description="The items of the audit, with nothing suggested")] = False,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 100,
    ) -> ItemPage:
        """Filters look at what stands now, suspicion at the newest ranking. An audit has its own order, and no filter holds: that
        one of its items has a reason must not show."""
        situation, ranking = desk.situation(), desk.session.ranking
        if audit:
            drawn = _drawn(desk)
            blind = [item_answer(situation, None, row) for row in drawn[offset : offset + limit]]
            return ItemPage(version=0, total=len(drawn), items=blind)
        wanted = Wanted(label, fate, reason, order)
        rows = wanted.rows(situation, ranking)
        shown = [item_answer(situation, ranking, row) for row in rows[offset : offset + limit]]
        return ItemPage(version=ranking.version if ranking else 0, total=len(rows), items=shown)


def _drawn(desk: Desk) -> list[int]:
    """The rows of the audit drawn last.

    Raises:
        Problem: its line in the log cannot be read.
    """
    try:
        return desk.auditing.rows()
    except DataError as error:
        raise Problem("conflict", str(error)) from None


def _add_one(router: APIRouter, desk: Desk) -> None:
    @router.get(
        "/v1/desk/items/{item_id}",
        response_model=ItemDetail,
        summary="One item",
        responses=documented("unauthorized", "forbidden", "not-found", "overloaded"),
    )
    def item(
        item_id: str,
        audit: Annotated[bool, Query(description="With its edits alone, as one is to see it in an audit")] = False,
    ) -> ItemDetail:
        """With its neighbours, its edits and what a model that has not seen it answers."""
        row, situation = desk.row(item_id), desk.situation()
        ranking = None if audit else desk.session.ranking
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


def _asked(desk: Desk, item_id: str, content: str | None, form: str) -> tuple[Item, dict[str, str]]:
    """The item of a picture, and the headers with which it is sent; raises what `Desk.row` does."""
    row = desk.row(item_id)
    item, board = desk.board().items[row], desk.board()
    tag = f'"{(item.sha256 or item_id)[:32]}-{form}"'
    forever = content is not None and content == content_of(board, row)
    return item, {
        "ETag": tag,
        "Cache-Control": FOREVER if forever else ASK_AGAIN,
        "Content-Security-Policy": IMAGE_POLICY,
    }


def _small(desk: Desk, item: Item, hashed: str) -> tuple[bytes, bool]:
    found = bytes_of(item, desk.session)
    data = desk.thumbnails.small(found.data)
    if found.surveyed:
        desk.thumbnails.keep(hashed, data)
    return data, found.surveyed


def _whole(desk: Desk, item: Item) -> tuple[Shown, bool]:
    found = bytes_of(item, desk.session)
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
