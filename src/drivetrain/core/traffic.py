"""Traffic as people say it: so many a day."""

from __future__ import annotations

import re

from .errors import UsageError

_PER_DAY = {"minute": 1_440.0, "hour": 24.0, "day": 1.0, "week": 1 / 7, "month": 12 / 365.25}


def per_day(traffic: str) -> float:
    """Read a traffic such as ``500/day``, ``20 an hour`` or ``1000`` (a day), in images a day.

    >>> per_day("500/day"), per_day("2 per minute"), per_day("1000")
    (500.0, 2880.0, 1000.0)

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(r"\s*([\d_,]+(?:\.\d+)?)\s*(?:(?:/|per|an?)\s*([a-z]+?)s?)?\s*", traffic, re.IGNORECASE)
    unit = (found[2] or "day").lower() if found else ""
    number = float(found[1].replace(",", "").replace("_", "") or "0") if found else 0.0
    if unit not in _PER_DAY or not number > 0:
        units = ", ".join(_PER_DAY)
        raise UsageError(f"the traffic {traffic!r} cannot be read; write images per {units}, such as 500/day")
    return number * _PER_DAY[unit]
