"""``/v1/desk/audit``: random items judged with nothing suggested, and the share of wrong labels that follows."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from ...core.errors import DataError
from ...core.records import Role
from ...core.types import Interval
from ...serve.http.problems import Problem, documented
from ...workbench.audit import NothingLeftError
from ..answers import AuditAnswer, Share
from ..bodies import AuditBody
from ..desk import Desk
from ..posting import add_post

NONE_YET = "no audit has been drawn yet"
SURVEYING = "the set is being surveyed; what the answers so far are worth shows then"


def audit_routes(desk: Desk) -> APIRouter:
    """The routes, bound to a desk."""
    router = APIRouter(tags=["desk"])

    @router.get(
        "/v1/desk/audit",
        response_model=AuditAnswer,
        summary="The audit drawn last",
        dependencies=[Depends(desk.needs(Role.REVIEW))],
        responses=documented("unauthorized", "forbidden", "conflict"),
    )
    def audit() -> AuditAnswer:
        """Answered at any time; what the answers are worth is known once the set has been surveyed."""
        return audit_answer(desk)

    def begin(told: AuditBody) -> AuditAnswer:
        """Draws so many items that nobody suspects, and some suspects among them. One that is under way goes on instead, no
        matter which program drew it. Its items are those of `/v1/desk/items?audit=true`."""
        desk.board()
        if desk.session.ranking is None:
            raise Problem("overloaded", "the set is still being surveyed; ask again soon", retry_after_s=1)
        try:
            desk.auditing.begin(told.size)
        except NothingLeftError as error:
            raise Problem("conflict", str(error)) from None
        return audit_answer(desk)

    add_post(router, desk, "audit", "Begin an audit", AuditBody, AuditAnswer, begin)
    return router


def audit_answer(desk: Desk) -> AuditAnswer:
    """The audit drawn last, and what its answers are worth.

    Raises:
        Problem: its line in the log cannot be read.
    """
    auditing = desk.auditing
    try:
        told, known = auditing.told(), auditing.estimate()
    except DataError as error:
        raise Problem("conflict", str(error)) from None
    if told is None:
        return AuditAnswer(drawn=0, answered=0, error_rate=None, go_on=None, text=[auditing.problem or NONE_YET])
    return AuditAnswer(
        drawn=len(told.audit.items),
        answered=len(told.wrong),
        error_rate=_share(known.rate) if known else None,
        go_on=known.go_on if known else None,
        text=known.sentences() if known else [SURVEYING],
    )


def _share(interval: Interval | None) -> Share | None:
    return None if interval is None else Share(value=interval.value, low=interval.low, high=interval.high)
