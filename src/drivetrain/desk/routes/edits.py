"""What people change: ``POST /v1/desk/edits``, and taking it back. Answered when it is on disk, not before."""

from __future__ import annotations

from fastapi import APIRouter

from ...core.errors import DataError
from ...data.edits.edit import Change
from ...data.edits.log import Recorded as Done
from ...data.edits.undoing import Refused
from ...serve.http.problems import Problem
from ...workbench.wish import relabelled, with_fate
from ..answers import Recorded, Stepped
from ..bodies import ChangeBody, EditsBody, Relabel, StepBody
from ..desk import Desk
from ..posting import add_post
from ..telling import edit_answers, overtaken


def edit_routes(desk: Desk) -> APIRouter:
    """The routes, bound to a desk."""
    router = APIRouter(tags=["desk"])

    def edits(told: EditsBody) -> Recorded:
        """All changes of one body are one step to undo. The last writer of an item wins; `overtaken` names the edits of others
        that `seen` did not."""
        return _recorded(desk, told)

    def undo(told: StepBody) -> Stepped:
        """One step of this person's; refused where somebody else has changed an item since."""
        desk.board()
        return _stepped(desk, desk.session.undo(told.by))

    def redo(told: StepBody) -> Stepped:
        """One step of this person's; refused where somebody else has changed an item since."""
        desk.board()
        return _stepped(desk, desk.session.redo(told.by))

    add_post(router, desk, "edits", "Keep, relabel or remove items", EditsBody, Recorded, edits)
    add_post(router, desk, "undo", "Take back one's last step", StepBody, Stepped, undo)
    add_post(router, desk, "redo", "Make again what was taken back last", StepBody, Stepped, redo)
    return router


def _recorded(desk: Desk, told: EditsBody) -> Recorded:
    session = desk.session
    twice = len(told.changes) - len({change.id for change in told.changes})
    if twice:
        raise Problem("unprocessable", f"{twice} items are named twice; name each once")
    done = session.mark([_change(desk, change) for change in told.changes], told.by)
    return Recorded(
        edits=edit_answers(desk.board(), done.edits),
        overtaken=overtaken(desk.board(), done.overtaken),
        last_edit_id=session.edits.last_edit_id,
    )


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


def _stepped(desk: Desk, done: Done | Refused) -> Stepped:
    if isinstance(done, Refused):
        raise Problem("conflict", done.sentence)
    return Stepped(edits=edit_answers(desk.board(), done.edits), last_edit_id=desk.session.edits.last_edit_id)
