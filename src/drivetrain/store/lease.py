"""The next review for a person, leased to that person."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, bindparam, func, select

from ..core.errors import UsageError
from ..core.rollout_records import Review
from .indexed import indexed
from .lane import barred
from .moment import to_us
from .review_table import body_of, to_review
from .tables import REVIEW_LANES, REVIEWS, WAITS

MOST_SKIPPED = 10_000
# The reviews of a kind that are walked past before each lane is looked at by itself.
_WALKED = 50

_R, _L = REVIEWS.c, REVIEW_LANES.c
_ORDER = (_R.due, _R.place, _R.id)
_POSITION = {"sqlite": func.instr, "postgresql": func.strpos}
_NOT_SKIPPED = _R.id.not_in(bindparam("skip", type_=Text(), expanding=True))
_FREE = _R.lease_until <= bindparam("now")

_OWN = (
    select(_R.id, _R.lane)
    .where(
        _R.rollout_id == bindparam("rollout"),
        WAITS,
        _R.lease_by == bindparam("by"),
        _R.lease_until > bindparam("now"),
        _R.kind.in_(bindparam("kinds", type_=Text(), expanding=True)),
        _NOT_SKIPPED,
    )
    .order_by(*_ORDER)
    .with_for_update()
)
_WALK = (
    select(*_ORDER, _R.lane, _R.lease_until)
    .where(_R.rollout_id == bindparam("rollout"), _R.kind == bindparam("kind"), WAITS, _NOT_SKIPPED)
    .order_by(*_ORDER)
    .limit(_WALKED)
)
_STILL = select(_R.id).where(_R.id == bindparam("review"), WAITS, _FREE).with_for_update(skip_locked=True)
_LEASED = select(REVIEWS).where(_R.id == bindparam("review"))


def _firsts(dialect: str) -> Any:
    """Write the query for the first free review of each lane of a kind in which somebody may work."""
    first = (
        select(_R.id)
        .where(_R.rollout_id == _L.rollout_id, _R.kind == _L.kind, _R.lane == _L.lane, WAITS, _FREE, _NOT_SKIPPED)
        .order_by(*_ORDER)
        .limit(1)
        .correlate(REVIEW_LANES)
        .scalar_subquery()
    )
    lanes = (
        select(first.label("id"))
        .where(
            _L.rollout_id == bindparam("rollout"),
            _L.kind == bindparam("kind"),
            _L.waiting > 0,
            _POSITION[dialect](_L.lane, bindparam("barred")) == 0,
        )
        .subquery()
    )
    return select(*_ORDER).join_from(lanes, REVIEWS, _R.id == lanes.c.id).order_by(*_ORDER).limit(1)


_FIRSTS = {dialect: _firsts(dialect) for dialect in _POSITION}


def lease(
    connection: Connection,
    rollout_id: str,
    by: str,
    kinds: Collection[str],
    now: datetime,
    until: datetime,
    skip: Collection[str],
) -> Review | None:
    """Lease a person the next review; see `RolloutStore.lease_review`.

    Raises:
        UsageError: ``skip`` is too long.
    """
    if len(skip) > MOST_SKIPPED:
        raise UsageError(f"{len(skip)} reviews to be skipped are too many; name {MOST_SKIPPED} at most")
    asked = {
        "rollout": indexed(rollout_id),
        "by": indexed(by),
        "barred": barred(by),
        "kinds": sorted({indexed(kind) for kind in kinds}),
        "now": to_us(now),
        "skip": sorted({indexed(name) for name in skip}),
    }
    values: dict[str, Any] = {"lease_by": asked["by"], "lease_until": to_us(until)}
    found = _own(connection, asked)
    if found is None:
        found = _free(connection, asked)
        values["leased_at"] = asked["now"]
    if found is None:
        return None
    review = to_review(connection.execute(_LEASED, {"review": found}).one())
    if by not in review.seen_by:
        values["body"] = body_of(replace(review, seen_by=(*review.seen_by, by)))
    connection.execute(REVIEWS.update().where(_R.id == found).values(values))
    return to_review(connection.execute(_LEASED, {"review": found}).one())


def _own(connection: Connection, asked: dict[str, Any]) -> str | None:
    """Find the first review that the person has already, and lock it."""
    rows = connection.execute(_OWN, asked).all()
    return next((row.id for row in rows if asked["barred"] not in row.lane), None)


def _free(connection: Connection, asked: dict[str, Any]) -> str | None:
    """Find the first free review, and lock it. One that another process takes at this moment is passed by."""
    while True:
        found = min((place for kind in asked["kinds"] for place in _first(connection, asked, kind)), default=None)
        if found is None:
            return None
        review_id = found[-1]
        if connection.execute(_STILL, {"review": review_id, "now": asked["now"]}).first() is not None:
            return review_id
        asked = {**asked, "skip": [*asked["skip"], review_id]}


def _first(connection: Connection, asked: dict[str, Any], kind: str) -> Iterator[tuple[int, str, str]]:
    """Find the place of the first free review of a kind that the person may do: due time, order and id."""
    walked = connection.execute(_WALK, {"rollout": asked["rollout"], "kind": kind, "skip": asked["skip"]}).all()
    for row in walked:
        if row.lease_until <= asked["now"] and asked["barred"] not in row.lane:
            yield row.due, row.place, row.id
            return
    if len(walked) == _WALKED:
        for first in connection.execute(_FIRSTS[connection.dialect.name], {**asked, "kind": kind}):
            yield first.due, first.place, first.id
