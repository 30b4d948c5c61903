"""``GET /v1/desk/changes``: what happened since, waited for."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ...core.records import Role
from ...serve.http.problems import documented
from ..answers import Changes
from ..desk import Desk
from ..telling import edit_answers, ranking_answer

MOST_EDITS = 500
MOST_WAIT_S = 30.0


def change_routes(desk: Desk) -> APIRouter:
    """The route, bound to a desk."""
    router = APIRouter(tags=["desk"], dependencies=[Depends(desk.needs(Role.REVIEW))])

    @router.get(
        "/v1/desk/changes",
        response_model=Changes,
        summary="Edits and rankings since",
        responses=documented("unauthorized", "forbidden", "unprocessable"),
    )
    async def changes(
        after: Annotated[
            str | None, Query(max_length=64, description="The last edit known; none: from the start")
        ] = None,
        version: Annotated[int, Query(ge=0, description="Version of the ranking that is known")] = 0,
        state: Annotated[str | None, Query(max_length=20, description="State that is known")] = None,
        wait_s: Annotated[float, Query(ge=0, le=MOST_WAIT_S)] = 0.0,
    ) -> Changes:
        """Answers when there is an edit after `after`, a ranking of another version than `version` or, with `state`, another
        state; else after `wait_s`."""
        until_s = asyncio.get_running_loop().time() + wait_s
        while True:
            found = _since(desk, after)
            news = found.edits or found.restart or found.ranking.version != version
            left_s = until_s - asyncio.get_running_loop().time()
            if news or (state is not None and found.ranking.state != state) or left_s <= 0 or desk.bell.closed:
                return found
            await desk.bell.wait(left_s)

    return router


def _since(desk: Desk, after: str | None) -> Changes:
    session = desk.session
    edits = session.edits.after(after)
    board = session.opened.board if session.opened else None
    # The log gives all it has behind an edit that it does not know.
    unknown = after is not None and len(edits) == len(session.edits.edits)
    return Changes(
        edits=edit_answers(board, () if unknown else edits[:MOST_EDITS]),
        more=len(edits) > MOST_EDITS and not unknown,
        restart=unknown,
        last_edit_id=session.edits.last_edit_id,
        ranking=ranking_answer(session),
    )
