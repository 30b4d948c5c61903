"""From the session's objects to the answers of the API."""

from __future__ import annotations

from collections.abc import Iterable

from ..data.edits.edit import Edit, Standing
from ..workbench.session import CleaningSession
from . import answers
from .answers import EditAnswer, ItemAnswer, Overtaken, Place


def place(standing: Standing) -> Place:
    """Where an item stands."""
    labels = None if standing.labels is None else list(standing.labels)
    return Place(label=standing.label, labels=labels, fate=standing.fate)


def edit_answer(session: CleaningSession, edit: Edit) -> EditAnswer:
    """One line of the log."""
    return EditAnswer(
        id=edit.id,
        at=edit.at,
        by=edit.by,
        item=session.key(edit.item.name),
        name=edit.item.name,
        before=place(edit.before),
        after=place(edit.after),
        why=edit.why,
        how=edit.how,
        undoes=edit.undoes,
        redoes=edit.redoes,
    )


def edit_answers(session: CleaningSession, edits: Iterable[Edit]) -> list[EditAnswer]:
    """Several of them."""
    return [edit_answer(session, edit) for edit in edits]


def overtaken(session: CleaningSession, edits: Iterable[Edit]) -> list[Overtaken]:
    """Edits of others that have been overruled unseen."""
    return [
        Overtaken(item=session.key(edit.item.name), name=edit.item.name, edit=edit_answer(session, edit))
        for edit in edits
    ]


def item_fields(session: CleaningSession, row: int, *, suggest: bool = True) -> dict[str, object]:
    """The fields of an item; ``suggest`` False leaves out all that would tell what the others suggest."""
    board, ranking = session.there, session.ranking
    item, last, standing = board.items[row], session.last_edit(row), session.standing(row)
    suspect = ranking.by_name.get(item.name) if ranking is not None and suggest else None
    width, height = board.size(row)
    return {
        "id": board.keys[row],
        "name": item.name,
        **place(standing).model_dump(),
        "suggested": suspect.suggested if suspect else None,
        "score": round(suspect.score, 6) if suspect else 0.0,
        "reasons": [answers.Reason(code=ground.code, text=ground.words) for ground in suspect.grounds]
        if suspect
        else [],
        "last_edit": last.id if last else None,
        "by": last.by if last else None,
        "width": width,
        "height": height,
    }


def item_answer(session: CleaningSession, row: int, *, suggest: bool = True) -> ItemAnswer:
    """An item as it stands."""
    return ItemAnswer.model_validate(item_fields(session, row, suggest=suggest))


def ranking_answer(session: CleaningSession) -> answers.Ranking:
    """The ranking of the moment, and what is being done about the next."""
    surveying, ranking = session.surveying, session.ranking
    return answers.Ranking(
        version=ranking.version if ranking else 0,
        state=session.state,
        problem=session.problem,
        stage=surveying.stage_name if session.state == "surveying" else None,
        items_done=min(surveying.done, surveying.total),
        items_total=surveying.total,
        seconds=None if ranking is None or ranking.seconds is None else round(ranking.seconds, 3),
    )
