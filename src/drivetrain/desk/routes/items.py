"""The items: their list, each of them, and their pictures."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, Query

from ...core.errors import DataError
from ...core.records import Role
from ...data.edits.edit import Fate
from ...serve.http.browser import IMAGE_POLICY
from ...serve.http.problems import Problem, documented
from ..answers import ItemDetail, ItemPage
from ..desk import Desk
from ..listing import Wanted
from ..telling import edit_answers, item_answer, item_fields

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
