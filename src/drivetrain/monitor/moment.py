"""Votes by their place in a stream: number, moment and id."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
DAY_US = 86_400_000_000


class Mark(NamedTuple):
    """The place of one vote."""

    number: int
    """Votes of all sources up to it."""
    at_us: int
    """Microseconds since 1970 in UTC."""
    id: str


def to_us(at: datetime) -> int:
    """Turn a moment into microseconds since 1970; one without an offset is taken for UTC.

    >>> to_us(datetime(1970, 1, 1, 0, 0, 1))
    1000000
    """
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return (at - EPOCH) // _MICROSECOND


def from_us(at_us: int) -> datetime:
    """Turn microseconds into a moment in UTC."""
    return EPOCH + timedelta(microseconds=at_us)
