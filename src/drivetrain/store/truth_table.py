"""The store's table of right answers, as people told them: added to, and never changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, literal, select, tuple_

from ..core.errors import UsageError
from ..core.records import ToldHow, Truth, TruthFilter, TruthPage
from .cursor import Position, parse_cursor, to_cursor
from .feed_entry import enter_truth
from .indexed import indexed
from .moment import from_us, to_us
from .new_row import add_new
from .rows import joined, needle
from .tables import PREDICTIONS, TRUTHS

MAX_LIMIT = 1000
_AT_ONCE = 500
_T = TRUTHS.c
_encode = json.JSONEncoder(separators=(",", ":")).encode


def add(connection: Connection, truth: Truth) -> Truth:
    """Keep a truth; one of its id that is there already stays, and is returned.

    Raises:
        UsageError: there is no such prediction, or the answer is the model's own.
    """
    if truth.how is ToldHow.MODEL:
        raise UsageError("the model's own answer is not kept as the right one; tell what a person or the outcome said")
    known = by_id(connection, [truth.id])
    if known:
        return known[truth.id]
    # A lock on the prediction keeps it from being pruned before its truth is there to be pruned with it.
    query = select(PREDICTIONS.c.model, PREDICTIONS.c.bundle_id).where(PREDICTIONS.c.id == indexed(truth.prediction_id))
    prediction = connection.execute(query.with_for_update(read=True, key_share=True)).first()
    if prediction is None:
        raise UsageError(f"there is no prediction {truth.prediction_id[:80]!r}")
    if not add_new(
        connection, TRUTHS, _row(truth, prediction.model, prediction.bundle_id)
    ):  # another process was quicker
        return by_id(connection, [truth.id])[truth.id]
    enter_truth(connection, indexed(truth.id))
    return truth


def find(connection: Connection, wanted: TruthFilter, limit: int, cursor: str | None) -> TruthPage:
    """Find a page of truths from the newest back.

    Raises:
        UsageError: a limit or a cursor that is none.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise UsageError(f"{limit} truths a page are not to be had; ask for 1 to {MAX_LIMIT}")
    conditions = _conditions(connection, wanted)
    if cursor is not None:
        conditions.append(tuple_(_T.at, _T.id) < tuple_(*map(literal, parse_cursor(cursor))))
    query = select(TRUTHS).where(*conditions).order_by(_T.at.desc(), _T.id.desc()).limit(limit + 1)
    rows = connection.execute(query).all()
    more = to_cursor(Position(rows[limit - 1].at, rows[limit - 1].id)) if len(rows) > limit else None
    return TruthPage(tuple(map(_truth, rows[:limit])), more)


def of_predictions(connection: Connection, prediction_ids: Collection[str]) -> dict[str, tuple[Truth, ...]]:
    """Return the truths of each prediction that has some, oldest first."""
    found: dict[str, tuple[Truth, ...]] = {}
    asked = sorted({indexed(name) for name in prediction_ids})
    for start in range(0, len(asked), _AT_ONCE):
        query = select(TRUTHS).where(_T.prediction_id.in_(asked[start : start + _AT_ONCE]))
        for row in connection.execute(query.order_by(_T.prediction_id, _T.at, _T.id)):
            found[row.prediction_id] = (*found.get(row.prediction_id, ()), _truth(row))
    return found


def by_id(connection: Connection, ids: Sequence[str]) -> dict[str, Truth]:
    """Return the truths of those ids that are there."""
    found: dict[str, Truth] = {}
    asked = [indexed(name) for name in ids]
    for start in range(0, len(asked), _AT_ONCE):
        rows = connection.execute(select(TRUTHS).where(_T.id.in_(asked[start : start + _AT_ONCE])))
        found.update((row.id, _truth(row)) for row in rows)
    return found


def forget(connection: Connection, prediction_ids: Sequence[str]) -> int:
    """Delete the truths of predictions that have been deleted; returns their number."""
    return connection.execute(delete(TRUTHS).where(_T.prediction_id.in_(prediction_ids))).rowcount


def _conditions(connection: Connection, wanted: TruthFilter) -> list[ColumnElement[bool]]:
    equal = (
        (_T.prediction_id, wanted.prediction_id),
        (_T.model, wanted.model),
        (_T.bundle_id, wanted.bundle_id),
        (_T.how, wanted.how),
        (_T.told_by, wanted.by),
    )
    found: list[ColumnElement[bool]] = [column == indexed(value) for column, value in equal if value is not None]
    if wanted.label is not None:
        position = func.strpos if connection.dialect.name == "postgresql" else func.instr
        found.append(position(func.coalesce(_T.named, ""), needle(wanted.label)) > 0)
    if wanted.since is not None:
        found.append(_T.at >= to_us(wanted.since))
    if wanted.until is not None:
        found.append(_T.at < to_us(wanted.until))
    return found


def _row(truth: Truth, model: str, bundle_id: str) -> dict[str, Any]:
    names = [] if truth.label is None else [truth.label]
    names += truth.labels or ()
    told = {
        "by": truth.by,
        "label": truth.label,
        "labels": truth.labels,
        "values": {name: float(value) for name, value in truth.values.items()},
        "note": truth.note,
        "key_id": truth.key_id,
    }
    return {
        "id": indexed(truth.id),
        "prediction_id": indexed(truth.prediction_id),
        "at": to_us(truth.at),
        "model": model,
        "bundle_id": bundle_id,
        "how": truth.how.value,
        "told_by": indexed(truth.by),
        "named": joined(names) if names else None,
        "told": _encode({name: value for name, value in told.items() if value not in (None, {})}),
    }


def _truth(row: Row[Any]) -> Truth:
    told = json.loads(row.told)
    labels = told.get("labels")
    return Truth(
        id=row.id,
        prediction_id=row.prediction_id,
        at=from_us(row.at),
        by=told["by"],
        how=ToldHow(row.how),
        label=told.get("label"),
        labels=None if labels is None else tuple(labels),
        values=told.get("values", {}),
        note=told.get("note"),
        key_id=told.get("key_id"),
    )
