"""The reviews of a rollout, counted by kind."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BindParameter, Connection, bindparam, func, literal, select, union_all

from .indexed import indexed
from .moment import to_us
from .tables import REVIEW_LANES, REVIEWS, WAITS

_R, _L = REVIEWS.c, REVIEW_LANES.c
_ROLLOUT: BindParameter[str] = bindparam("rollout")
_NOW: BindParameter[int] = bindparam("now")
NAMES = ("open", "leased", "held", "overdue")

_OPEN = (
    select(literal("open").label("name"), _L.kind, func.sum(_L.waiting).label("number"))
    .where(_L.rollout_id == _ROLLOUT)
    .group_by(_L.kind)
)
_LEASED = (
    select(literal("leased"), _R.kind, func.count())
    .where(_R.rollout_id == _ROLLOUT, WAITS, _R.lease_by.is_not(None), _R.lease_until > _NOW)
    .group_by(_R.kind)
)
_HELD = (
    select(literal("held"), _R.kind, func.count())
    .where(_R.rollout_id == _ROLLOUT, _R.done_at.is_(None), _R.held_at.is_not(None))
    .group_by(_R.kind)
)
_KINDS = select(_L.kind).where(_L.rollout_id == _ROLLOUT, _L.waiting > 0).distinct().subquery()
# Counted kind by kind, since the index of due times begins with the kind.
_LATE = (
    select(func.count())
    .where(_R.rollout_id == _ROLLOUT, _R.kind == _KINDS.c.kind, WAITS, _R.due < _NOW)
    .correlate(_KINDS)
    .scalar_subquery()
)
_COUNTS = union_all(_OPEN, _LEASED, _HELD, select(literal("overdue"), _KINDS.c.kind, _LATE))


def counts(connection: Connection, rollout_id: str, now: datetime) -> dict[str, dict[str, int]]:
    """Count the reviews that are open, leased, held and overdue; kinds without any are left out."""
    found: dict[str, dict[str, int]] = {}
    for name, kind, number in connection.execute(_COUNTS, {"rollout": indexed(rollout_id), "now": to_us(now)}):
        found.setdefault(kind, dict.fromkeys(NAMES, 0))[name] = int(number)
    return {kind: numbers for kind, numbers in found.items() if any(numbers.values())}
