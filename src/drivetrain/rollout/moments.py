"""Moments as the log writes them: in UTC, to the microsecond, always in the same form."""

from __future__ import annotations

from datetime import UTC, datetime


def to_text(at: datetime) -> str:
    """Write a moment.

    >>> to_text(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01T12:00:00.000000Z'

    Raises:
        ValueError: it has no time zone.
    """
    if at.tzinfo is not UTC:
        if at.tzinfo is None:
            raise ValueError(f"{at.isoformat()} has no time zone; give a moment in UTC")
        at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds")[:-6] + "Z"


def of_text(text: str) -> datetime:
    """Read what `to_text` wrote.

    >>> of_text("2026-03-01T12:00:00.000000Z")
    datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.timezone.utc)

    Raises:
        ValueError: it is no moment in UTC.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is not UTC:
        raise ValueError(f"{text} is no moment in UTC")
    return at
