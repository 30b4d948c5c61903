"""A figure of merit as a row: whoever shows figures loops over rows, and knows none of them by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["percent", "points", "decimals", "significant"]
"""The way a value is written: 0.953 as 95.3 %, as 95.3 percentage points, as 0.953, or in a unit of its own with three digits."""

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with its interval and how both were obtained.

    ``value`` is None where there was nothing to reckon it from; ``low`` and ``high`` are None where it has no interval.
    """

    slug: str
    """The figure's name in files and programs, which never changes: ``mean-absolute-error``."""
    name: str
    """The name people read, in the middle of a sentence: “mean absolute error”."""
    value: float | None
    low: float | None
    high: float | None
    format: Format
    better: Better | None
    """The better direction; None where neither is better: what a random split would have claimed, for instance."""
    how: str
    """The items it was measured on, and the method of its interval, in words."""
    n: int | None = None
    """The number of items it was measured on."""
    of: str | None = None
    """The class, label or number it is about; None for the model as a whole."""
    unit: str = ""
    """The value's unit, where it is neither a share nor a bare number."""
    note: str = ""
    """The mark a reader compares it with: what guessing achieves, or where the scale ends."""
