"""Identifiers that sort by time."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable


def new_id(clock_ns: Callable[[], int] = time.time_ns, random: Callable[[int], int] = secrets.randbits) -> str:
    """Make a new identifier of 32 hexadecimal digits: a UUID of version 7 (RFC 9562) without its hyphens.

    Its first 60 bits of time are milliseconds and twelve bits of the fraction below (method 3), so that ids of one process
    sort as they were made, but for those made within a quarter of a microsecond.

    >>> new_id(lambda: 1_700_000_000_123_456_789, lambda bits: 0)
    '018bcfe5687b774f8000000000000000'
    """
    milliseconds, rest_ns = divmod(clock_ns(), 1_000_000)
    fraction = (rest_ns << 12) // 1_000_000
    value = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random(62)
    return f"{value:032x}"
