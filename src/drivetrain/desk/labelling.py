"""The routes of a desk for labelling: what to label next, what people say, and how far they have come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from ..core.errors import UsageError
from ..core.records import Role
from ..data.edits.edit import Change, Fate, Standing
from ..data.edits.log import Recorded
from ..data.edits.undoing import Refused
from ..serve.http.problems import Problem, documented
from .bodies import ChangeBody, EditsBody, Relabel, StepBody
from .label_answers import ClassAdded, ClassBody, LabelRecorded, LabelState, NextItems, SkipBody, Skipped
from .label_desk import LabelDesk
from .label_telling import asked_item, label_state
from .posting import add_post
from .telling import edit_answers, overtaken

MOST_NEXT = 50
MOST_WAIT_S = 30.0

B = TypeVar("B", bound=BaseModel)

By = Annotated[str | None, Query(max_length=100, description="The person's name")]


def label_routes(desk: LabelDesk) -> APIRouter:
    """The routes, bound to a desk."""
    router = APIRouter(tags=["desk"])
    _add_state(router, desk)
    _add_next(router, desk)
    _add_post(router, desk, "edits", "Label items, or say that they are of no class", EditsBody, LabelRecorded, _edits)
    _add_post(router, desk, "undo", "Take back one's last step", StepBody, LabelRecorded, _undo)
    _add_post(router, desk, "redo", "Make again what was taken back last", StepBody, LabelRecorded, _redo)
    _add_post(router, desk, "classes", "Add a class", ClassBody, ClassAdded, _add_class)
    _add_post(router, desk, "skips", "Show an item later", SkipBody, Skipped, _skip)
    return router


def _add_state(router: APIRouter, desk: LabelDesk) -> None:
    @router.get(
        "/v1/desk",
        response_model=LabelState,
        summary="How far the work has come",
        dependencies=[Depends(desk.needs(Role.REVIEW))],
        responses=documented("unauthorized", "forbidden", "unprocessable"),
    )
    async def state(
        by: By = None,
        known: Annotated[str | None, Query(max_length=64, description="`mark` of the state that is known")] = None,
        wait_s: Annotated[float, Query(ge=0, le=MOST_WAIT_S)] = 0.0,
    ) -> LabelState:
        """With `known` it answers when anything has changed, or after `wait_s`."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + wait_s
        while True:
            rung = desk.bell.rung
            found = await asyncio.to_thread(label_state, desk, by or desk.by)
            left_s = until_s - loop.time()
            if found.mark != known or left_s <= 0 or desk.bell.closed:
                return found
            await desk.bell.wait(left_s, rung)


def _add_next(router: APIRouter, desk: LabelDesk) -> None:
    @router.get(
        "/v1/desk/next",
        response_model=NextItems,
        summary="What to label next",
        dependencies=[Depends(desk.needs(Role.REVIEW))],
        responses=documented("unauthorized", "forbidden", "not-found", "conflict", "unprocessable", "overloaded"),
    )
    def following(
        n: Annotated[int, Query(ge=1, le=MOST_NEXT)] = 10,
        by: By = None,
        on_screen: Annotated[
            str, Query(max_length=2000, description="Ids of items on the screen already, with commas between them")
        ] = "",
    ) -> NextItems:
        """Items behind those on the screen, in the order in which they are to be shown. One on another person's screen is not
        among them."""
        rows = [desk.row(key) for key in on_screen.split(",") if key]
        version = desk.session.version if desk.opened() else 0
        shown = desk.session.following(n, by or desk.by, rows)
        return NextItems(version=version, items=[asked_item(desk, one) for one in shown])


def _add_post(
    router: APIRouter,
    desk: LabelDesk,
    name: str,
    summary: str,
    form: type[B],
    answer: type[BaseModel],
    work: Callable[[LabelDesk, B], BaseModel],
) -> None:
    def done(told: B) -> BaseModel:
        desk.opened()
        return work(desk, told)

    add_post(router, desk, name, summary, form, answer, done)


def _edits(desk: LabelDesk, told: EditsBody) -> LabelRecorded:
    if len({change.id for change in told.changes}) < len(told.changes):
        raise Problem("unprocessable", "an item is named twice; name each once")
    changes = [_change(desk, change) for change in told.changes]
    return _recorded(desk, desk.session.mark(changes, told.by))


def _change(desk: LabelDesk, told: ChangeBody) -> Change:
    item = desk.item(told.id)
    if isinstance(told.to, Relabel):
        name = told.to.label
        if name is None or name not in desk.session.classes.names:
            known = ", ".join(desk.session.classes.names) or "none yet"
            raise Problem("unprocessable", f"there is no class {(name or '')[:80]!r} ({known}); add it first")
        return Change(item.id, Standing(name, Fate.KEPT), told.why, told.how, told.seen)
    if told.to == "remove":
        return Change(item.id, Standing(None, Fate.REMOVED), told.why or "none of these", told.how, told.seen)
    if told.to == "open":
        return Change(item.id, Standing(None), told.why, told.how, told.seen)
    raise Problem("unprocessable", "an item without a label cannot be kept as it is; give a label, remove or open")


def _undo(desk: LabelDesk, told: StepBody) -> LabelRecorded:
    return _stepped(desk, desk.session.undo(told.by))


def _redo(desk: LabelDesk, told: StepBody) -> LabelRecorded:
    return _stepped(desk, desk.session.redo(told.by))


def _stepped(desk: LabelDesk, done: Recorded | Refused) -> LabelRecorded:
    if isinstance(done, Refused):
        raise Problem("conflict", done.sentence)
    return _recorded(desk, done)


def _recorded(desk: LabelDesk, done: Recorded) -> LabelRecorded:
    board = desk.opened().board
    return LabelRecorded(edits=edit_answers(board, done.edits), overtaken=overtaken(board, done.overtaken))


def _add_class(desk: LabelDesk, told: ClassBody) -> ClassAdded:
    try:
        return ClassAdded(name=desk.session.add_class(told.name, told.by))
    except UsageError as error:
        raise Problem("unprocessable", str(error)) from None


def _skip(desk: LabelDesk, told: SkipBody) -> Skipped:
    desk.session.skip(desk.row(told.id), back=told.back)
    return Skipped(skipped=desk.session.progress().skipped)
