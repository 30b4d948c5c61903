"""The store's table of reviews: what people are asked, and what they said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, select

from ..core.rollout_records import Decision, Review
from .indexed import indexed
from .lane import Lane, lane_of
from .moment import from_us, to_us
from .tables import REVIEWS

LAST_US = (1 << 63) - 1
"""The due time of a review without one: behind all others."""
FREE_US = -(1 << 63)
"""The end of the lease of a review that nobody has: before all others."""
_R = REVIEWS.c
_encode = json.JSONEncoder(separators=(",", ":")).encode

# Statements are made once: to make one takes SQLAlchemy longer than to carry it out takes a database.
_HERE = (_R.rollout_id == bindparam("rollout"), _R.id == bindparam("review"))
_BY_ID = select(REVIEWS).where(*_HERE)
_LOCKED = _BY_ID.with_for_update()
_LANE = select(_R.kind, _R.lane, _R.done_at, _R.held_at).where(*_HERE)
_OF_CASE = (_R.rollout_id == bindparam("rollout"), _R.case_id == bindparam("case"), _R.done_at.is_(None))
_NOT_DONE = select(REVIEWS).where(*_OF_CASE).order_by(_R.id).with_for_update()
_DROP = delete(REVIEWS).where(*_OF_CASE).returning(_R.kind, _R.lane, _R.done_at, _R.held_at)
_HELD = select(REVIEWS).where(_R.rollout_id == bindparam("rollout"), _R.done_at.is_(None), _R.held_at.is_not(None))
_CHANGED = [column.name for column in REVIEWS.columns if column.name not in ("id", "rollout_id")]
_UPDATE = REVIEWS.update().where(*_HERE).values({name: bindparam(f"to_{name}") for name in _CHANGED})
_DECIDED = select(func.count()).where(
    _R.rollout_id == bindparam("rollout"), _R.held_by == bindparam("by"), _R.held_at >= bindparam("since")
)


def add(connection: Connection, reviews: Sequence[Review]) -> Counter[Lane]:
    """Write new reviews; returns how many more wait in each lane."""
    if reviews:
        connection.execute(REVIEWS.insert(), [to_row(review) for review in reviews])
    return waiting(reviews)


def waiting(reviews: Iterable[Review]) -> Counter[Lane]:
    """Count those of reviews that wait, by lane."""
    return Counter(lane_of(review) for review in reviews if review.done_at is None and review.held is None)


def by_id(connection: Connection, rollout_id: str, review_id: str, lock: bool = False) -> Review | None:
    """Return a review; with a lock nobody else can write it until this transaction ends."""
    asked = {"rollout": indexed(rollout_id), "review": indexed(review_id)}
    row = connection.execute(_LOCKED if lock else _BY_ID, asked).first()
    return None if row is None else to_review(row)


def of_case(connection: Connection, rollout_id: str, case_id: str) -> tuple[Review, ...]:
    """Return the reviews of a case that are not done, in the order of their ids, and lock them."""
    return tuple(map(to_review, connection.execute(_NOT_DONE, {"rollout": rollout_id, "case": indexed(case_id)})))


def update(connection: Connection, review: Review, before: Review | None) -> Counter[Lane] | None:
    """Write a review anew; returns how many more or fewer wait in each lane, None where it is not there any more.

    ``before``: the review as it was, where that is known.
    """
    values = to_row(review)
    asked = {"rollout": review.rollout_id, "review": values["id"]}
    fewer = _waiting(connection.execute(_LANE, asked)) if before is None else waiting([before])
    if connection.execute(_UPDATE, {**asked, **{f"to_{name}": values[name] for name in _CHANGED}}).rowcount == 0:
        return None
    more = waiting([review])
    more.subtract(fewer)
    return more


def drop(connection: Connection, rollout_id: str, case_id: str) -> Counter[Lane]:
    """Delete the reviews of a case that are not done; returns how many more, less than none, wait in each lane."""
    asked = {"rollout": rollout_id, "case": indexed(case_id)}
    fewer = _waiting(connection.execute(_DROP, asked).all())
    more: Counter[Lane] = Counter()
    more.subtract(fewer)
    return more


def held(connection: Connection, rollout_id: str, until: datetime | None, by: str | None) -> tuple[Review, ...]:
    """Return reviews with a held decision, oldest first, which nobody else can write until this transaction ends."""
    query = _HELD
    if until is not None:
        query = query.where(_R.held_at <= to_us(until))
    if by is not None:
        query = query.where(_R.held_by == indexed(by))
    ordered = query.order_by(_R.held_at, _R.id).with_for_update()
    return tuple(map(to_review, connection.execute(ordered, {"rollout": rollout_id})))


def done_since(connection: Connection, rollout_id: str, by: str, since: datetime) -> int:
    """Count the reviews that a person has decided at or after a moment."""
    asked = {"rollout": indexed(rollout_id), "by": indexed(by), "since": to_us(since)}
    return connection.execute(_DECIDED, asked).scalar_one()


def to_review(row: Row[Any]) -> Review:
    """Turn a row into a review."""
    parts = json.loads(row.body)
    decision = parts.get("held")
    return Review(
        id=row.id,
        rollout_id=row.rollout_id,
        case_id=row.case_id,
        kind=row.kind,
        round=row.round,
        due=None if row.due == LAST_US else from_us(row.due),
        order=row.place,
        shown=tuple(parts["shown"]),
        not_by=tuple(parts["not_by"]),
        seen_by=tuple(parts.get("seen_by", ())),
        lease_by=row.lease_by,
        lease_until=None if row.lease_until == FREE_US else from_us(row.lease_until),
        leased_at=None if row.leased_at is None else from_us(row.leased_at),
        held=None if decision is None else Decision(**{**decision, "at": from_us(decision["at"])}),
        done_at=None if row.done_at is None else from_us(row.done_at),
    )


def _waiting(rows: Iterable[Any]) -> Counter[Lane]:
    """Count rows with kind, lane, done_at and held_at that wait, by lane."""
    return Counter(Lane(row.kind, row.lane) for row in rows if row.done_at is None and row.held_at is None)


def to_row(review: Review) -> dict[str, Any]:
    """Turn a review into the values of a row."""
    decision = review.held
    kind, lane = lane_of(review)
    return {
        "id": indexed(review.id),
        "rollout_id": review.rollout_id,
        "case_id": indexed(review.case_id),
        "kind": kind,
        "round": review.round,
        "lane": lane,
        "due": LAST_US if review.due is None else to_us(review.due),
        "place": indexed(review.order),
        "lease_by": None if review.lease_by is None else indexed(review.lease_by),
        "lease_until": FREE_US if review.lease_until is None else to_us(review.lease_until),
        "leased_at": None if review.leased_at is None else to_us(review.leased_at),
        "held_by": None if decision is None else indexed(decision.by),
        "held_at": None if decision is None else to_us(decision.at),
        "done_at": None if review.done_at is None else to_us(review.done_at),
        "body": body_of(review),
    }


def body_of(review: Review) -> str:
    """Write what no query asks for."""
    body: dict[str, Any] = {"shown": review.shown, "not_by": review.not_by}
    if review.seen_by:
        body["seen_by"] = review.seen_by
    decision = review.held
    if decision is not None:
        at_us = to_us(decision.at)
        body["held"] = {"label": decision.label, "by": decision.by, "at": at_us, "seconds": decision.seconds}
    return _encode(body)
