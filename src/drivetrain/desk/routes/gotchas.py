"""``GET /v1/desk/gotchas``: what gives labels away, and what is answered worse, by the labels of the moment."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ...core.ports import Silent
from ...core.records import Role
from ...serve.http.problems import documented
from ...training.gotchas import Gotchas as Found
from ...workbench.gotchas import gotchas_in
from ...workbench.ranking import Ranking
from ..desk import Desk
from ..gotchas import Gotchas, answer_of


def gotcha_routes(desk: Desk) -> APIRouter:
    """The route, bound to a desk."""
    router = APIRouter(tags=["desk"], dependencies=[Depends(desk.needs(Role.REVIEW))])

    @lru_cache(maxsize=2)
    def found(ranking: Ranking, subjects: bool) -> Found | str:
        """What was found for the newest ranking that was asked about, without and with the size of subjects."""
        return gotchas_in(ranking.survey, Silent() if subjects else None)

    @router.get(
        "/v1/desk/gotchas",
        response_model=Gotchas,
        summary="Shortcuts and slices",
        responses=documented("unauthorized", "forbidden", "overloaded"),
    )
    def gotchas(
        subjects: Annotated[
            bool, Query(description="Also measure how large subjects are, by heat maps: seconds")
        ] = False,
    ) -> Gotchas:
        """Worked out for a ranking when it is first asked for; nothing is written."""
        board, ranking = desk.board(), desk.session.ranking
        if ranking is None:
            return answer_of(desk.session.problem or "the set is being surveyed", board, 0)
        return answer_of(found(ranking, subjects), board, ranking.version)

    return router
