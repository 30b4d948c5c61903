"""From a labelling session's objects to the answers of the API."""

from __future__ import annotations

import hashlib
from collections import Counter

from ..core.types import Interval
from ..workbench.label_queue import Chosen
from ..workbench.labelling import Shown
from .answers import LeftOut, Share
from .label_answers import AskedItem, ClassAnswer, LabelState, Suggestion
from .label_desk import LabelDesk

MOST_LEFT_OUT = 100

WORDS = {
    Chosen.RESERVE: "drawn at random, to estimate the accuracy; no suggestion is shown",
    Chosen.TYPICAL: "typical of many pictures of which none has a label yet",
    Chosen.UNSURE: "the model wavers here",
}


def label_state(desk: LabelDesk, by: str) -> LabelState:
    """Tell how far the work has come."""
    session = desk.session
    progress, counts = session.progress(), Counter(session.labels().values())
    surveying, opened = session.surveying, session.opened
    left_out = opened.pool.skipped if opened else ()
    found = LabelState(
        mark="",
        source=desk.source,
        state=session.state,
        problem=session.problem,
        unsettled=session.unsettled,
        stage=surveying.stage_name if session.state == "surveying" else None,
        items_done=min(surveying.done, surveying.total),
        items_total=surveying.total,
        version=session.version,
        seconds=None if session.seconds is None else round(session.seconds, 3),
        suggests=session.model is not None,
        blind=desk.blind,
        classes=[ClassAnswer(name=name, labels=counts[name]) for name in session.classes.names],
        size=progress.size,
        labelled=progress.labelled,
        none_of_these=progress.none_of_these,
        skipped=progress.skipped,
        accuracy=_share(progress.accuracy),
        accuracy_note=progress.accuracy_note,
        changed=None if progress.changed is None else round(progress.changed, 6),
        advice=progress.advice,
        words=progress.words,
        can_undo=session.edits.can_undo(by),
        can_redo=session.edits.can_redo(by),
        by=desk.by,
        log=desk.log_path,
        into=desk.into,
        left_out=[LeftOut(name=one.name, reason=one.reason, detail=one.detail) for one in left_out[:MOST_LEFT_OUT]],
        left_out_total=len(left_out),
        notes=list(opened.pool.notes) if opened else [],
    )
    mark = hashlib.blake2b(found.model_dump_json().encode(), digest_size=9).hexdigest()
    return found.model_copy(update={"mark": mark})


def _share(found: Interval | None) -> Share | None:
    return None if found is None else Share(value=found.value, low=found.low, high=found.high)


def asked_item(desk: LabelDesk, shown: Shown) -> AskedItem:
    """An item to be labelled."""
    row, board = shown.asked.row, desk.opened().board
    width, height = board.size(row)
    last = desk.session.situation.last_edit(row)
    known = shown.suggestion
    return AskedItem(
        id=board.keys[row],
        name=board.items[row].name,
        width=width,
        height=height,
        chosen=shown.asked.chosen,
        words=WORDS[shown.asked.chosen],
        suggestion=Suggestion(label=known[0], confidence=round(known[1], 4)) if known else None,
        last_edit=last.id if last else None,
    )
