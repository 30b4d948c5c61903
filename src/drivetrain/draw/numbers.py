"""How figures are written: the one place of percentages and rounding.

Text for terminals and files has plain spaces; pages keep a sign of per cent with its number, see `unbroken`.
"""

from __future__ import annotations

import math

from ..core.figure import Figure, Format
from ..core.types import Interval

NBSP = "\N{NO-BREAK SPACE}"

MISSING = "–"
"""Stands for what could not be reckoned."""


def percent(fraction: float) -> str:
    """A share.

    >>> percent(0.9731)
    '97.3 %'
    """
    return f"{100 * fraction:.1f} %"


def whole_percent(fraction: float) -> str:
    """A share that somebody chose, such as a coverage.

    >>> whole_percent(0.9), whole_percent(0.875)
    ('90 %', '87.5 %')
    """
    return f"{100 * fraction:g} %"


def percent_number(fraction: float) -> str:
    """A share in per cent, where the sign stands elsewhere.

    >>> percent_number(0.9731)
    '97.3'
    """
    return f"{100 * fraction:.1f}"


def points(fraction: float) -> str:
    """A difference of shares.

    >>> points(0.012)
    '1.2 percentage points'
    """
    return f"{100 * fraction:.1f} percentage points"


def decimals(value: float | None) -> str:
    """Three places; a dash for what could not be reckoned.

    >>> decimals(0.98765), decimals(None)
    ('0.988', '–')
    """
    return MISSING if value is None or not math.isfinite(value) else f"{value:.3f}"


def significant(value: float) -> str:
    """Three digits, for numbers in a unit of their own.

    >>> significant(12.345), significant(0.00012345)
    ('12.3', '0.000123')
    """
    return f"{value:.3g}"


def written(value: float | None, form: Format) -> str:
    """A value as figures of its format are read; a dash for what could not be reckoned.

    >>> written(0.953, "percent"), written(0.953, "decimals"), written(None, "percent")
    ('95.3 %', '0.953', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return {"percent": percent, "points": points, "decimals": decimals, "significant": significant}[form](value)


def between(low: float, high: float, form: Format = "percent") -> str:
    """The limits of an interval, in words.

    >>> between(0.941, 0.973), between(2.41, 3.83, "significant")
    ('94.1 % to 97.3 %', '2.41 to 3.83')
    """
    return f"{written(low, form)} to {written(high, form)}"


def span(low: float, high: float, form: Format = "percent") -> str:
    """The limits of an interval where there is little room.

    >>> span(0.941, 0.973), span(2.41, 3.83, "significant")
    ('94.1–97.3 %', '2.41–3.83')
    """
    return f"{percent_number(low) if form == 'percent' else written(low, form)}–{written(high, form)}"


def with_interval(interval: Interval, form: Format = "percent") -> str:
    """A value and its limits.

    >>> with_interval(Interval(0.953, 0.941, 0.973, ""))
    '95.3 %  (94.1 % to 97.3 %)'
    """
    return f"{written(interval.value, form)}  ({between(interval.low, interval.high, form)})"


def step(value: float, form: Format) -> str:
    """The size of a difference between two figures of a format; empty where it does not show at their precision.

    >>> step(-0.012, "percent"), step(0.0004, "percent"), step(0.5, "significant")
    ('1.2 percentage points', '', '0.5')
    """
    if form in ("percent", "points"):
        return "" if percent_number(abs(value)) == "0.0" else points(abs(value))
    if form == "decimals":
        return "" if decimals(abs(value)) == "0.000" else decimals(abs(value))
    return f"{abs(value):.2g}" if value else ""


def shown(figure: Figure) -> str:
    """A figure's value with its unit.

    >>> shown(Figure("accuracy", "accuracy", 0.953, None, None, "percent", "higher", "out of fold"))
    '95.3 %'
    """
    return f"{written(figure.value, figure.format)} {figure.unit}".rstrip()


def limits(figure: Figure) -> str:
    """A figure's interval in little room; empty where it has none."""
    if figure.low is None or figure.high is None:
        return ""
    return span(figure.low, figure.high, figure.format)


def unbroken(text: str) -> str:
    """Text whose signs of per cent stay with their numbers.

    >>> unbroken("95.3 %") == f"95.3{NBSP}%"
    True
    """
    return text.replace(" %", f"{NBSP}%")
