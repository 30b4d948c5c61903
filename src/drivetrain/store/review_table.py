"""The store's table of reviews: what people are asked, and what they said."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from ..core.rollout_records import Decision, Review
from .indexed import SEPARATOR, indexed
from .moment import from_us, to_us
from .tables import REVIEWS, WAITS

LAST_US = (1 << 63) - 1
"""The due time of a review without one: behind all others."""
FREE_US = -(1 << 63)
"""The end of the lease of a review that nobody has: before all others."""
_R = REVIEWS.c
_encode = json.JSONEncoder(separators=(",", ":")).encode


def add(connection: Connection, reviews: Sequence[Review]) -> None:
    """Write new reviews."""
    if reviews:
        connection.execute(REVIEWS.insert(), [_values(review) for review in reviews])


def by_id(connection: Connection, rollout_id: str, review_id: str, lock: bool = False) -> Review | None:
    """Return a review; with a lock nobody else can write it until this transaction ends."""
    query = select(REVIEWS).where(_R.rollout_id == indexed(rollout_id), _R.id == indexed(review_id))
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else to_review(row)


def of_case(connection: Connection, rollout_id: str, case_id: str) -> tuple[Review, ...]:
    """Return the reviews of a case that are not done, in the order of their ids, and lock them."""
    here = (_R.rollout_id == rollout_id, _R.case_id == indexed(case_id), _R.done_at.is_(None))
    return tuple(map(to_review, connection.execute(select(REVIEWS).where(*here).order_by(_R.id).with_for_update())))


def update(connection: Connection, review: Review) -> bool:
    """Write a review anew; False where it is not there any more."""
    values = _values(review)
    here = (_R.rollout_id == values.pop("rollout_id"), _R.id == values.pop("id"))
    return connection.execute(REVIEWS.update().where(*here).values(values)).rowcount == 1


def drop(connection: Connection, rollout_id: str, case_id: str) -> None:
    """Delete the reviews of a case that are not done."""
    here = (_R.rollout_id == rollout_id, _R.case_id == indexed(case_id), _R.done_at.is_(None))
    connection.execute(delete(REVIEWS).where(*here))


def held(connection: Connection, rollout_id: str, until: datetime | None, by: str | None) -> tuple[Review, ...]:
    """Return reviews with a held decision, oldest first, which nobody else can write until this transaction ends."""
    query = select(REVIEWS).where(_R.rollout_id == rollout_id, _R.done_at.is_(None), _R.held_at.is_not(None))
    if until is not None:
        query = query.where(_R.held_at <= to_us(until))
    if by is not None:
        query = query.where(_R.held_by == indexed(by))
    return tuple(map(to_review, connection.execute(query.order_by(_R.held_at, _R.id).with_for_update())))


def done_since(connection: Connection, rollout_id: str, by: str, since: datetime) -> int:
    """Count the reviews that a person has decided at or after a moment."""
    here = (_R.rollout_id == indexed(rollout_id), _R.held_by == indexed(by), _R.held_at >= to_us(since))
    return connection.execute(select(func.count()).select_from(REVIEWS).where(*here)).scalar_one()


def counts(connection: Connection, rollout_id: str, now: datetime) -> dict[str, dict[str, int]]:
    """Count by kind the reviews that are open, leased, held and overdue."""
    here, now_us = _R.rollout_id == indexed(rollout_id), to_us(now)
    wanted = {
        "open": (here, WAITS),
        "leased": (here, WAITS, _R.lease_by.is_not(None), _R.lease_until > now_us),
        "held": (here, _R.done_at.is_(None), _R.held_at.is_not(None)),
        "overdue": (here, WAITS, _R.due < now_us),
    }
    found: dict[str, dict[str, int]] = {}
    for name, conditions in wanted.items():
        group = _R.kind if name in ("leased", "held") else _R.lane
        for value, count in connection.execute(select(group, func.count()).where(*conditions).group_by(group)):
            kind = found.setdefault(value.split(SEPARATOR)[0], dict.fromkeys(wanted, 0))
            kind[name] += count
    return found


def lane(kind: str, not_by: Collection[str]) -> str:
    """Name the lane of the reviews that wait for the same people: their kind, and those who must not do them.

    >>> lane("decide", ["eve", "adam"]).split(SEPARATOR)
    ['decide', 'adam', 'eve', '']
    """
    return SEPARATOR.join([indexed(kind), *sorted({indexed(name) for name in not_by}), ""])


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
        lease_by=row.lease_by,
        lease_until=None if row.lease_until == FREE_US else from_us(row.lease_until),
        leased_at=None if row.leased_at is None else from_us(row.leased_at),
        held=None if decision is None else Decision(**{**decision, "at": from_us(decision["at"])}),
        done_at=None if row.done_at is None else from_us(row.done_at),
    )


def _values(review: Review) -> dict[str, Any]:
    body: dict[str, Any] = {"shown": review.shown, "not_by": review.not_by}
    decision = review.held
    if decision is not None:
        at_us = to_us(decision.at)
        body["held"] = {"label": decision.label, "by": decision.by, "at": at_us, "seconds": decision.seconds}
    return {
        "id": indexed(review.id),
        "rollout_id": review.rollout_id,
        "case_id": indexed(review.case_id),
        "kind": indexed(review.kind),
        "round": review.round,
        "lane": lane(review.kind, review.not_by),
        "due": LAST_US if review.due is None else to_us(review.due),
        "place": indexed(review.order),
        "lease_by": None if review.lease_by is None else indexed(review.lease_by),
        "lease_until": FREE_US if review.lease_until is None else to_us(review.lease_until),
        "leased_at": None if review.leased_at is None else to_us(review.leased_at),
        "held_by": None if decision is None else indexed(decision.by),
        "held_at": None if decision is None else to_us(decision.at),
        "done_at": None if review.done_at is None else to_us(review.done_at),
        "body": _encode(body),
    }
