"""Lanes of the queue: reviews of one kind that wait for the same people."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from sqlalchemy import Connection, func
from sqlalchemy.dialects import postgresql, sqlite

from ..core.rollout_records import Review
from .indexed import SEPARATOR, indexed
from .tables import REVIEW_LANES

POSITION = {"sqlite": func.instr, "postgresql": func.strpos}
"""The function of each database that finds a text in another; 0 where it is not there."""


class Lane(NamedTuple):
    """A kind of review, and the people who must not do it, each between two separators."""

    kind: str
    lane: str


def lane_of(review: Review) -> Lane:
    """Return the lane that a review stands in."""
    names = sorted({indexed(name) for name in review.not_by})
    return Lane(indexed(review.kind), SEPARATOR + SEPARATOR.join(names) + SEPARATOR if names else "")


def barred(by: str) -> str:
    """Return the text that stands in the name of each lane in which somebody must not work."""
    return f"{SEPARATOR}{indexed(by)}{SEPARATOR}"


def count(connection: Connection, rollout_id: str, more: Counter[Lane]) -> None:
    """Count that more, or fewer, reviews wait in lanes."""
    rows = [
        {"rollout_id": rollout_id, "kind": kind, "lane": lane, "waiting": number}
        for (kind, lane), number in sorted(more.items())
        if number
    ]
    if rows:
        connection.execute(_COUNT[connection.dialect.name], rows)


_LITE = sqlite.insert(REVIEW_LANES)
_FULL = postgresql.insert(REVIEW_LANES)
_KEY = ["rollout_id", "kind", "lane"]
_COUNT = {
    "sqlite": _LITE.on_conflict_do_update(
        index_elements=_KEY, set_={"waiting": REVIEW_LANES.c.waiting + _LITE.excluded.waiting}
    ),
    "postgresql": _FULL.on_conflict_do_update(
        index_elements=_KEY, set_={"waiting": REVIEW_LANES.c.waiting + _FULL.excluded.waiting}
    ),
}
