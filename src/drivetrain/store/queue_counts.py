"""The reviews of a rollout, counted by kind."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, and_, bindparam, func, select

from .indexed import indexed
from .lane import POSITION, barred
from .moment import to_us
from .tables import REVIEW_LANES, REVIEWS, WAITS

_R, _L = REVIEWS.c, REVIEW_LANES.c
_ROLLOUT: BindParameter[str] = bindparam("rollout")
_OPEN = select(_L.kind, func.sum(_L.waiting)).where(_L.rollout_id == _ROLLOUT).group_by(_L.kind)
_LEASED = select(_R.kind, func.count()).where(
    _R.rollout_id == _ROLLOUT, WAITS, _R.lease_by.is_not(None), _R.lease_until > bindparam("now")
)
_HELD = select(_R.kind, func.count()).where(_R.rollout_id == _ROLLOUT, _R.done_at.is_(None), _R.held_at.is_not(None))
_OVERDUE = select(func.count()).where(
    _R.rollout_id == _ROLLOUT, _R.kind == bindparam("kind"), WAITS, _R.due < bindparam("now")
)
_BY_KIND = {"open": _OPEN, "leased": _LEASED.group_by(_R.kind), "held": _HELD.group_by(_R.kind)}


def _one_may(dialect: str) -> tuple[dict[str, Any], Any]:
    """Write the same queries for what somebody may do; overdue ones are counted lane by lane, along an index."""
    position = POSITION[dialect]
    lane, place = position(_L.lane, bindparam("barred")) == 0, position(_R.lane, bindparam("barred")) == 0
    same = (_R.rollout_id == _L.rollout_id, _R.kind == _L.kind, _R.lane == _L.lane)
    overdue = (
        select(func.count())
        .select_from(REVIEW_LANES.join(REVIEWS, and_(*same)))
        .where(_L.rollout_id == _ROLLOUT, _L.kind == bindparam("kind"), lane, WAITS, _R.due < bindparam("now"))
    )
    found = {
        "open": _OPEN.where(lane),
        "leased": _BY_KIND["leased"].where(place),
        "held": _BY_KIND["held"].where(place),
    }
    return found, overdue


_ONE_MAY = {dialect: _one_may(dialect) for dialect in POSITION}
NAMES = ("open", "leased", "held", "overdue")


def counts(connection: Connection, rollout_id: str, now: datetime, by: str | None) -> dict[str, dict[str, int]]:
    """Count the reviews that are open, leased, held and overdue; kinds without any are left out.

    ``by``: only those that this person may do.
    """
    asked: dict[str, Any] = {"rollout": indexed(rollout_id), "now": to_us(now)}
    by_kind, overdue = _BY_KIND, _OVERDUE
    if by is not None:
        by_kind, overdue = _ONE_MAY[connection.dialect.name]
        asked["barred"] = barred(by)
    found: dict[str, dict[str, int]] = {}
    for name, query in by_kind.items():
        for kind, number in connection.execute(query, asked):
            found.setdefault(kind, dict.fromkeys(NAMES, 0))[name] = int(number)
    for kind, numbers in found.items():
        if numbers["open"]:
            numbers["overdue"] = connection.execute(overdue, {**asked, "kind": kind}).scalar_one()
    return {kind: numbers for kind, numbers in found.items() if any(numbers.values())}
