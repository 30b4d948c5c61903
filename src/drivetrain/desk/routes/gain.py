"""``GET /v1/desk/gain``: what this session's edits did to the model, and what going on may do."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from ...core.records import Role
from ...serve.http.problems import documented
from ..answers import Gain, Outlook
from ..desk import Desk


def gain_routes(desk: Desk) -> APIRouter:
    """The route, bound to a desk."""
    router = APIRouter(tags=["desk"], dependencies=[Depends(desk.needs(Role.REVIEW))])

    @router.get(
        "/v1/desk/gain",
        response_model=Gain,
        summary="What the edits did",
        responses=documented("unauthorized", "forbidden", "overloaded"),
    )
    def gain() -> Gain:
        """Before and after, paired: on the same folds, on items that nobody edited in this session."""
        desk.board()
        return Gain(
            figure="accuracy",
            higher_is_better=True,
            before=None,
            after=None,
            difference=None,
            edited=0,
            note="nothing has been compared yet",
            curve=[],
            curve_note=None,
            outlook=Outlook(text="", if_50_more=None, if_cleaned=None),
            version=desk.session.version,
        )

    return router
