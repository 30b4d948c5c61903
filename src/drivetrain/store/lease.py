"""The next review for a person, leased to that person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, CompoundSelect, Connection, Text, bindparam, literal, select, union_all

from ..core.errors import UsageError
from ..core.rollout_records import Review
from .indexed import indexed
from .lane import POSITION, barred
from .moment import to_us
from .review_table import body_of, to_review
from .tables import REVIEW_LANES, REVIEWS, WAITS

MOST_SKIPPED = 10_000
# The reviews of a kind that are walked past before each lane is looked at by itself.
_WALKED = 50

_Place = tuple[int, str, str]
_R, _L = REVIEWS.c, REVIEW_LANES.c
_ORDER = (_R.due, _R.place, _R.id)
_NOT_SKIPPED = _R.id.not_in(bindparam("skip", type_=Text(), expanding=True))
_FREE = _R.lease_until <= bindparam("now")

_STILL = select(_R.id).where(_R.id == bindparam("review"), WAITS, _FREE).with_for_update(skip_locked=True)
_LEASE = REVIEWS.update().values(lease_by=bindparam("by"), lease_until=bindparam("until")).returning(REVIEWS)
_MINE = (WAITS, _R.lease_by == bindparam("by"), _R.lease_until > bindparam("now"))
_AGAIN = _LEASE.where(_R.id == bindparam("review"), *_MINE)
_TAKE = _LEASE.values(leased_at=bindparam("now")).where(_R.id == _STILL.scalar_subquery())


@lru_cache(maxsize=16)
def _looks(kinds: int, walked: int) -> CompoundSelect[Any]:
    """Write the query for what a person has already, and for the first reviews of each of so many kinds: one trip for all."""
    names: list[BindParameter[str]] = [bindparam(f"kind_{number}") for number in range(kinds)]
    shown = (_R.kind, *_ORDER, _R.lane, _R.lease_until)
    here = (_R.rollout_id == bindparam("rollout"), _NOT_SKIPPED)
    own = select(literal(True).label("own"), *shown).where(*here, *_MINE, _R.kind.in_(names))
    walks = [
        select(literal(False).label("own"), *shown)
        .where(*here, _R.kind == name, WAITS)
        .order_by(*_ORDER)
        .limit(walked)
        .subquery()
        for name in names
    ]
    return union_all(own, *[select(walk) for walk in walks])


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
            POSITION[dialect](_L.lane, bindparam("barred")) == 0,
        )
        .subquery()
    )
    return select(*_ORDER).join_from(lanes, REVIEWS, _R.id == lanes.c.id).order_by(*_ORDER).limit(1)


_FIRSTS = {dialect: _firsts(dialect) for dialect in POSITION}


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
    asked: dict[str, Any] = {
        "rollout": indexed(rollout_id),
        "by": indexed(by),
        "barred": barred(by),
        "kinds": sorted({indexed(kind) for kind in kinds}),
        "now": to_us(now),
        "until": to_us(until),
        "skip": sorted({indexed(name) for name in skip}),
    }
    while asked["kinds"]:
        found = _next(connection, asked)
        if found is None:
            return None
        own, review_id = found
        row = connection.execute(_AGAIN if own else _TAKE, {**asked, "review": review_id}).first()
        if row is not None:
            return _noted(connection, to_review(row), by)
        # Another process takes it at this moment, so it is passed by.
        asked = {**asked, "skip": [*asked["skip"], review_id]}
    return None


def _noted(connection: Connection, review: Review, by: str) -> Review:
    """Note that a person has been shown a review, where that is new."""
    if by in review.seen_by:
        return review
    seen = replace(review, seen_by=(*review.seen_by, by))
    connection.execute(REVIEWS.update().where(_R.id == indexed(review.id)).values(body=body_of(seen)))
    return seen


def _next(connection: Connection, asked: dict[str, Any]) -> tuple[bool, str] | None:
    """Find the first review that the person has already, or else the first free one that the person may do."""
    kinds = asked["kinds"]
    named = {f"kind_{number}": kind for number, kind in enumerate(kinds)}
    walked = Counter[str]()
    own: list[_Place] = []
    free: dict[str, _Place] = {}
    for row in connection.execute(_looks(len(kinds), _WALKED), {**asked, **named}):
        place = (row.due, row.place, row.id)
        walked[row.kind] += not row.own
        if asked["barred"] in row.lane:
            continue
        if row.own:
            own.append(place)
        elif row.lease_until <= asked["now"]:
            free[row.kind] = min(free.get(row.kind, place), place)
    if not own:
        for kind in kinds:
            if kind not in free and walked[kind] == _WALKED:
                for first in connection.execute(_FIRSTS[connection.dialect.name], {**asked, "kind": kind}):
                    free[kind] = (first.due, first.place, first.id)
    places = own or free.values()
    return (bool(own), min(places)[-1]) if places else None
