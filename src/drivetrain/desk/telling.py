"""From the session's objects to the answers of the API."""

from __future__ import annotations

from collections.abc import Iterable

from ..data.edits.edit import Edit, Standing
from ..workbench.board import Board
from ..workbench.ranking import Ranking
from ..workbench.session import CleaningSession
from ..workbench.situation import Situation
from . import answers
from .answers import EditAnswer, ItemAnswer, Overtaken, Place

CONTENT = 24
"""Hexadecimal digits of a hash that name bytes: 96 bits."""


def place(standing: Standing) -> Place:
    """The place of an item at one moment."""
    labels = None if standing.labels is None else list(standing.labels)
    return Place(label=standing.label, labels=labels, fate=standing.fate)


def edit_answers(board: Board | None, edits: Iterable[Edit]) -> list[EditAnswer]:
    """Lines of the log."""
    return [_edit_answer(board, edit) for edit in edits]


def overtaken(board: Board, edits: Iterable[Edit]) -> list[Overtaken]:
    """Edits of others that have been overruled unseen."""
    return [
        Overtaken(item=_key(board, edit.item.name), name=edit.item.name, edit=_edit_answer(board, edit))
        for edit in edits
    ]


def item_fields(situation: Situation, ranking: Ranking | None, row: int, *, suggest: bool = True) -> dict[str, object]:
    """The fields of an item; ``suggest`` False leaves out all that would tell what the others suggest."""
    board = situation.board
    last, standing = situation.last_edit(row), situation.standing(row)
    suspect = ranking.by_row.get(row) if ranking is not None and suggest else None
    width, height = board.size(row)
    return {
        "id": board.keys[row],
        "name": board.items[row].name,
        "label": standing.label,
        "labels": None if standing.labels is None else list(standing.labels),
        "fate": standing.fate,
        "suggested": suspect.suggested if suspect else None,
        "score": round(suspect.score, 6) if suspect else 0.0,
        "reasons": [answers.Reason(code=one.code, text=one.words) for one in suspect.grounds] if suspect else [],
        "content": content_of(board, row),
        "last_edit": last.id if last else None,
        "by": last.by if last else None,
        "width": width,
        "height": height,
    }


def content_of(board: Board, row: int) -> str | None:
    """A short name of an item's bytes, safe in an address; None where their hash is not known."""
    sha256 = board.items[row].sha256
    return sha256[:CONTENT] if sha256 else None


def item_answer(situation: Situation, ranking: Ranking | None, row: int, *, suggest: bool = True) -> ItemAnswer:
    """An item as it stands."""
    return ItemAnswer.model_validate(item_fields(situation, ranking, row, suggest=suggest))


def ranking_answer(session: CleaningSession) -> answers.Ranking:
    """The ranking of the moment, and what is being done about the next."""
    surveying, ranking, state = session.surveying, session.ranking, session.state
    return answers.Ranking(
        version=ranking.version if ranking else 0,
        state=state,
        problem=session.problem,
        stage=surveying.stage_name if state == "surveying" else None,
        items_done=min(surveying.done, surveying.total),
        items_total=surveying.total,
        seconds=None if ranking is None or ranking.seconds is None else round(ranking.seconds, 3),
    )


def _edit_answer(board: Board | None, edit: Edit) -> EditAnswer:
    return EditAnswer(
        id=edit.id,
        at=edit.at,
        by=edit.by,
        item=_key(board, edit.item.name),
        name=edit.item.name,
        before=place(edit.before),
        after=place(edit.after),
        why=edit.why,
        how=edit.how,
        step=edit.step,
        undoes=edit.undoes,
        redoes=edit.redoes,
    )


def _key(board: Board | None, name: str) -> str | None:
    row = board.rows_by_name.get(name) if board else None
    return board.keys[row] if board and row is not None else None
