"""The moment a bundle was made: now, or the moment that a reproducible build is told to write."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ..core.errors import UsageError

ENVIRONMENT = "SOURCE_DATE_EPOCH"
"""Seconds since 1970, UTC; see reproducible-builds.org."""

_LAST_S = 253_402_300_799  # the end of the year 9999


def created_at(environment: Mapping[str, str], now_s: float) -> str:
    """Write a moment in ISO 8601 with offset: ``now_s`` in local time, or ``SOURCE_DATE_EPOCH`` in UTC where that is set.

    Raises:
        UsageError: it is set to what is no such number.
    """
    given = environment.get(ENVIRONMENT, "")
    if not given:
        return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(now_s))
    if not (given.isascii() and given.isdigit()) or int(given[:20]) > _LAST_S:
        raise UsageError(f"{ENVIRONMENT} is {given[:40]!r}; it must be whole seconds since 1970 (date +%s), or unset")
    return time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime(int(given)))
