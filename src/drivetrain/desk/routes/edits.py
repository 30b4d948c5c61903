"""What people change: ``POST /v1/desk/edits``, and taking it back. Answered when it is on disk, not before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...core.errors import DataError
from ...core.records import Role
from ...data.edits.edit import Change
from ...data.edits.log import Recorded as Done
from ...data.edits.undoing import Refused
from ...serve.access import Caller
from ...serve.http.body import Gone
from ...serve.http.problems import Problem, documented
from ...serve.routes.told_body import told_body
from ...workbench.wish import relabelled, with_fate
from ..answers import Recorded, Stepped
from ..bodies import ChangeBody, EditsBody, Relabel, StepBody, described
from ..desk import Desk
from ..telling import edit_answers, overtaken

T = TypeVar("T")

# Room for 2,000 changes with long labels.
MOST_BYTES = 4 << 20
MOST_VALUES = 32_768

GONE = Response(status_code=499)

REFUSED = documented(
    "bad-request",
    "unauthorized",
    "forbidden",
    "not-found",
    "conflict",
    "timeout",
    "too-large",
    "unsupported-media",
    "unprocessable",
    "too-many-requests",
    "overloaded",
    "store-unavailable",
)


def edit_routes(desk: Desk) -> APIRouter:
    """The routes, bound to a desk."""
    router = APIRouter(tags=["desk"])
    _add_edits(router, desk)
    _add_step(router, desk, "undo", "Take back one's last step", desk.session.undo)
    _add_step(router, desk, "redo", "Make again what was taken back last", desk.session.redo)
    return router


def _add_edits(router: APIRouter, desk: Desk) -> None:
    needs = desk.needs(Role.REVIEW)

    @router.post(
        "/v1/desk/edits",
        response_model=Recorded,
        summary="Keep, relabel or remove items",
        openapi_extra=described(EditsBody),
        responses=REFUSED,
    )
    async def edits(request: Request, caller: Caller = Depends(needs)) -> Response:
        """All changes of one body are one step to undo. The last writer of an item wins; `overtaken` names the edits of others
        that `seen` did not."""
        try:
            told = await told_body(
                desk.bodies, request, caller.client, EditsBody, most_bytes=MOST_BYTES, most_values=MOST_VALUES
            )
        except Gone:
            return GONE
        return JSONResponse((await asyncio.to_thread(_recorded, desk, told)).model_dump(mode="json"))


def _recorded(desk: Desk, told: EditsBody) -> Recorded:
    session = desk.session
    twice = len(told.changes) - len({change.id for change in told.changes})
    if twice:
        raise Problem("unprocessable", f"{twice} items are named twice; name each once")
    changes = [_change(desk, change) for change in told.changes]
    done = written(lambda: session.mark(changes, told.by))
    return Recorded(
        edits=edit_answers(desk.board(), done.edits),
        overtaken=overtaken(desk.board(), done.overtaken),
        last_edit_id=session.edits.last_edit_id,
    )


def written(work: Callable[[], T]) -> T:
    """Write into the log.

    Raises:
        Problem: it cannot be written to (503).
    """
    try:
        return work()
    except DataError as error:
        raise Problem("store-unavailable", f"nothing was changed: {error}", retry_after_s=5) from None


def _change(desk: Desk, told: ChangeBody) -> Change:
    row, session, board = desk.row(told.id), desk.session, desk.board()
    assert session.opened is not None, "a board comes with a survey"
    try:
        if isinstance(told.to, Relabel):
            item, lying = board.items[row], session.opened.lying
            to = relabelled(lying, session.outputs, item, told.to.label, told.to.labels)
        else:
            to = with_fate(desk.situation().standing(row), told.to)
    except DataError as error:
        raise Problem("unprocessable", str(error)) from None
    return Change(board.items[row].id, to, told.why, told.how, told.seen)


def _add_step(router: APIRouter, desk: Desk, name: str, summary: str, step: Callable[[str], Done | Refused]) -> None:
    needs = desk.needs(Role.REVIEW)

    async def stepped(request: Request, caller: Caller = Depends(needs)) -> Response:
        """One step of this person's; refused where somebody else has changed an item since."""
        try:
            told = await told_body(desk.bodies, request, caller.client, StepBody, most_bytes=4096, most_values=16)
        except Gone:
            return GONE
        desk.board()
        done = await asyncio.to_thread(lambda: written(lambda: step(told.by)))
        if isinstance(done, Refused):
            raise Problem("conflict", done.sentence)
        edits = edit_answers(desk.board(), done.edits)
        answer = Stepped(edits=edits, last_edit_id=desk.session.edits.last_edit_id)
        return JSONResponse(answer.model_dump(mode="json"))

    handler: Callable[..., Awaitable[Response]] = stepped
    router.post(
        f"/v1/desk/{name}",
        response_model=Stepped,
        summary=summary,
        name=name,
        openapi_extra=described(StepBody),
        responses=REFUSED,
    )(handler)
