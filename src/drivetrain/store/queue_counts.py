"""The reviews of a rollout, counted by kind."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from .indexed import indexed
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
NAMES = ("open", "leased", "held", "overdue")


def counts(connection: Connection, rollout_id: str, now: datetime) -> dict[str, dict[str, int]]:
    """Count the reviews that are open, leased, held and overdue; kinds without any are left out."""
    asked = {"rollout": indexed(rollout_id), "now": to_us(now)}
    found: dict[str, dict[str, int]] = {}
    for name, query in _BY_KIND.items():
        for kind, number in connection.execute(query, asked):
            found.setdefault(kind, dict.fromkeys(NAMES, 0))[name] = int(number)
    for kind, numbers in found.items():
        if numbers["open"]:
            numbers["overdue"] = connection.execute(_OVERDUE, {**asked, "kind": kind}).scalar_one()
    return {kind: numbers for kind, numbers in found.items() if any(numbers.values())}
