"""The cursor: the place where a page of records ended, as a text that a caller hands back."""

from __future__ import annotations

import base64
import json
from typing import NamedTuple

from ..core.errors import UsageError

MAX_CHARACTERS = 2000
_LIMIT = 1 << 63


class Position(NamedTuple):
    """A place in the order of records: microseconds, then id."""

    at_us: int
    id: str


def to_cursor(position: Position) -> str:
    """Write a place as a text of letters, digits, - and _ only."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def parse_cursor(cursor: str) -> Position:
    """Read the place that a cursor stands for.

    >>> parse_cursor(to_cursor(Position(5, "ab")))
    Position(at_us=5, id='ab')

    Raises:
        UsageError: it is not one that `to_cursor` made.
    """
    try:
        if len(cursor) > MAX_CHARACTERS:
            raise ValueError("too long")
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True)
        at_us, record_id = json.loads(raw)
        position = Position(at_us, record_id)
        known = type(at_us) is int and type(record_id) is str and -_LIMIT <= at_us < _LIMIT and "\0" not in record_id
        if not known or to_cursor(position) != cursor:
            raise ValueError("made up")
        record_id.encode()
    except (ValueError, TypeError, RecursionError):
        raise UsageError(f"{cursor[:40]!r} is no cursor; pass on the 'next' of the page before, unchanged") from None
    return position
