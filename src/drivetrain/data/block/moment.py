"""A cell of a table as a point in time that can be compared with others of its kind."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1)


class Moment(NamedTuple):
    """``at`` in seconds (or as given, for a number). Kinds cannot be compared: ``number``, ``date``, ``date with zone``."""

    kind: str
    at: float


def moment(cell: object) -> Moment | None:
    """Read a number, a date or an ISO 8601 text as a moment; None where the cell is nothing of the kind.

    >>> moment("2024-05-31") == moment(datetime(2024, 5, 31)), moment("7").kind, moment("31.5.2024")
    (True, 'number', None)
    """
    if isinstance(cell, np.datetime64):
        cell = None if np.isnat(cell) else cell.astype("datetime64[us]").item()
    elif isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, str):
        number, date = _read(float, cell), _read(datetime.fromisoformat, cell)
        cell = number if number is not None else date
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return Moment("number", float(cell)) if math.isfinite(cell) else None
    iso = getattr(cell, "isoformat", None)  # a date, a datetime, a time stamp of pandas
    date = _read(datetime.fromisoformat, iso()) if iso is not None else None
    if date is None:
        return None
    if date.tzinfo is not None:
        return Moment("date with zone", date.timestamp())
    return Moment("date", (date - EPOCH).total_seconds())


def _read(reader: Callable[[str], T], text: str) -> T | None:
    try:
        return reader(text.strip())
    except ValueError:
        return None
