"""Moments as whole microseconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_US = 86_400_000_000
_MICROSECOND = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    """Turn a moment into microseconds; one without an offset is taken for UTC.

    >>> to_us(datetime(1970, 1, 1, 0, 0, 1)), to_us(datetime(1970, 1, 1, tzinfo=UTC))
    (1000000, 0)
    """
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return (at - EPOCH) // _MICROSECOND


def from_us(at_us: int) -> datetime:
    """Turn microseconds into a moment in UTC."""
    return EPOCH + timedelta(microseconds=at_us)
