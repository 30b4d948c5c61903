"""``GET /v1/desk/duplicates``: pictures that are one picture, and which of them to keep."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ...core.records import Role
from ...serve.http.problems import documented
from ...workbench.copies import CopyGroup, copy_groups
from ..answers import DuplicateGroup, Duplicates
from ..desk import Desk
from ..telling import item_answer


def duplicate_routes(desk: Desk) -> APIRouter:
    """The route, bound to a desk."""
    router = APIRouter(tags=["desk"], dependencies=[Depends(desk.needs(Role.REVIEW))])

    @cache
    def copies() -> tuple[CopyGroup, ...]:
        """The groups as the source lies; they do not change."""
        opened = desk.session.opened
        assert opened is not None, "asked for once there is a board"
        return copy_groups(opened.lying, opened.board)

    @router.get(
        "/v1/desk/duplicates",
        response_model=Duplicates,
        summary="Groups of copies",
        responses=documented("unauthorized", "forbidden", "unprocessable", "overloaded"),
    )
    def duplicates(
        offset: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=200)] = 100
    ) -> Duplicates:
        """The largest first; removed items stay in their group, so that a person sees what was done."""
        board, situation, ranking = desk.board(), desk.situation(), desk.session.ranking
        groups = copies()
        shown = [
            DuplicateGroup(
                kind=group.kind,
                items=[item_answer(situation, ranking, row) for row in group.rows],
                proposed=board.keys[group.proposed],
                why=group.why,
            )
            for group in groups[offset : offset + limit]
        ]
        return Duplicates(version=desk.session.version, total=len(groups), groups=shown)

    return router
