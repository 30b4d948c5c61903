"""The store's table of cases, with the decisions that took effect."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.exc import IntegrityError

from ..core.case import Case
from ..core.errors import UsageError
from .case_text import of_text, to_text
from .indexed import indexed
from .moment import from_us, to_us
from .tables import CASES

_AT_ONCE = 500
_C = CASES.c
_BY_KEY = select(_C.body).where(_C.rollout_id == bindparam("rollout"), _C.case_key == bindparam("key"))
_SETTLE = (
    CASES.update()
    .where(_C.rollout_id == bindparam("rollout"), _C.id == bindparam("case"))
    .values(settled_at=bindparam("to_settled_at"), settled=bindparam("to_settled"))
)
_encode = json.JSONEncoder(separators=(",", ":")).encode

Settled = tuple[str | None, str, datetime]
"""A decision that took effect: label, how, when."""


def add(connection: Connection, rollout_id: str, case: Case) -> None:
    """Keep a case.

    Raises:
        UsageError: there is one of its key or id already.
    """
    try:
        connection.execute(CASES.insert(), to_row(rollout_id, case))
    except IntegrityError:
        raise UsageError(f"the rollout has a case of key {case.key[:80]!r} already") from None


def to_row(rollout_id: str, case: Case, decision: Settled | None = None) -> dict[str, Any]:
    """Turn a case, with the decision that took effect, into the values of a row."""
    row: dict[str, Any] = {
        "rollout_id": rollout_id,
        "id": indexed(case.id),
        "case_key": indexed(case.key),
        "at": to_us(case.at),
        "body": to_text(case),
    }
    if decision is None:
        return row
    label, how, at = decision
    return {**row, "settled_at": to_us(at), "settled": _encode({"label": label, "how": how})}


def by_id(connection: Connection, rollout_id: str, case_id: str) -> Case | None:
    """Return the case of that id."""
    query = select(_C.body).where(_C.rollout_id == indexed(rollout_id), _C.id == indexed(case_id))
    body = connection.execute(query).scalar()
    return None if body is None else of_text(body)


def by_key(connection: Connection, rollout_id: str, key: str) -> Case | None:
    """Return the case that a sender gave that key."""
    body = connection.execute(_BY_KEY, {"rollout": indexed(rollout_id), "key": indexed(key)}).scalar()
    return None if body is None else of_text(body)


def settle(connection: Connection, rollout_id: str, case_id: str, label: str | None, how: str, at: datetime) -> None:
    """Write the decision that takes effect.

    Raises:
        UsageError: there is no such case.
    """
    here = {"rollout": rollout_id, "case": indexed(case_id)}
    values = {"to_settled_at": to_us(at), "to_settled": _encode({"label": label, "how": how})}
    if connection.execute(_SETTLE, {**here, **values}).rowcount == 0:
        raise UsageError(f"the rollout has no case {case_id[:40]!r}")


def settled(connection: Connection, rollout_id: str, case_ids: Collection[str]) -> dict[str, Settled]:
    """Return the decisions that took effect, by case."""
    found: dict[str, Settled] = {}
    names = {indexed(case_id): case_id for case_id in case_ids}
    asked = sorted(names)
    for start in range(0, len(asked), _AT_ONCE):
        query = select(_C.id, _C.settled_at, _C.settled).where(
            _C.rollout_id == indexed(rollout_id),
            _C.id.in_(asked[start : start + _AT_ONCE]),
            _C.settled_at.is_not(None),
        )
        for row in connection.execute(query):
            parts = json.loads(row.settled)
            found[names[row.id]] = (parts["label"], parts["how"], from_us(row.settled_at))
    return found
