"""The way figures are written: the one place of percentages and rounding.

Text for terminals and files has plain spaces; pages keep a sign of per cent with its number, see `unbroken`.
"""

from __future__ import annotations

import math

from ..core.figure import Figure, Format
from ..core.types import Interval

NBSP = "\N{NO-BREAK SPACE}"

MISSING = "–"
"""The sign for a value that could not be reckoned."""


def percent(fraction: float) -> str:
    """Write a share as per cent.

    >>> percent(0.9731)
    '97.3 %'
    """
    return f"{100 * fraction:.1f} %"


def whole_percent(fraction: float) -> str:
    """Write a share that somebody chose, such as a coverage, as whole per cent.

    >>> whole_percent(0.9), whole_percent(0.875)
    ('90 %', '87.5 %')
    """
    return f"{100 * fraction:g} %"


def nearly(fraction: float) -> str:
    """A share that is never said to be all or nothing where it is not.

    >>> nearly(0.99997), nearly(0.973), nearly(0.00001), nearly(1.0)
    ('> 99.9 %', '97.3 %', '< 0.1 %', '100 %')
    """
    if fraction in (0, 1):
        return whole_percent(fraction)
    if fraction > 0.9995:
        return "> 99.9 %"
    return "< 0.1 %" if fraction < 0.0005 else percent(fraction)


def hundredths(fraction: float) -> str:
    """Write a share in whole per cent, where the sign stands elsewhere.

    >>> hundredths(0.9731)
    '97'
    """
    return f"{100 * fraction:.0f}"


def nearly_hundredths(fraction: float) -> str:
    """Write a share in whole per cent without the sign; one above 0 never reads as 0, nor one below 1 as 100.

    >>> nearly_hundredths(0.004), nearly_hundredths(0.973), nearly_hundredths(0.998)
    ('<1', '97', '>99')
    """
    if 0 < 100 * fraction < 0.5:
        return "<1"
    return ">99" if 99.5 <= 100 * fraction < 100 else hundredths(fraction)


def percent_number(fraction: float) -> str:
    """Write a share in per cent without the sign, which stands elsewhere.

    >>> percent_number(0.9731)
    '97.3'
    """
    return f"{100 * fraction:.1f}"


def points(fraction: float) -> str:
    """Write a difference of shares in percentage points.

    >>> points(0.012)
    '1.2 percentage points'
    """
    return f"{100 * fraction:.1f} percentage points"


def decimals(value: float | None) -> str:
    """Write a value with three decimal places; a dash for one that could not be reckoned.

    >>> decimals(0.98765), decimals(None)
    ('0.988', '–')
    """
    return MISSING if value is None or not math.isfinite(value) else f"{value:.3f}"


def significant(value: float) -> str:
    """Write a number in a unit of its own with three digits.

    >>> significant(12.345), significant(0.00012345)
    ('12.3', '0.000123')
    """
    return f"{value:.3g}"


def reading(value: float) -> str:
    """Four digits, for a number that was read off something or stated of it.

    >>> reading(31.4159), reading(0.5)
    ('31.42', '0.5')
    """
    return f"{value:.4g}"


def written(value: float | None, form: Format) -> str:
    """Write a value in a figure's format; a dash for one that could not be reckoned.

    >>> written(0.953, "percent"), written(0.953, "decimals"), written(None, "percent")
    ('95.3 %', '0.953', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return {"percent": percent, "points": points, "decimals": decimals, "significant": significant}[form](value)


def between(low: float, high: float, form: Format = "percent") -> str:
    """Write the limits of an interval in words.

    >>> between(0.941, 0.973), between(2.41, 3.83, "significant")
    ('94.1 % to 97.3 %', '2.41 to 3.83')
    """
    return f"{written(low, form)} to {written(high, form)}"


def span(low: float, high: float, form: Format = "percent") -> str:
    """Write the limits of an interval where there is little room.

    >>> span(0.941, 0.973), span(2.41, 3.83, "significant")
    ('94.1–97.3 %', '2.41–3.83')
    """
    return f"{percent_number(low) if form == 'percent' else written(low, form)}–{written(high, form)}"


def with_interval(interval: Interval, form: Format = "percent") -> str:
    """Write a value and its limits.

    >>> with_interval(Interval(0.953, 0.941, 0.973, ""))
    '95.3 %  (94.1 % to 97.3 %)'
    """
    return f"{written(interval.value, form)}  ({between(interval.low, interval.high, form)})"


def step(value: float, form: Format) -> str:
    """Write the size of a difference between two figures of a format; empty where it does not show at their precision.

    >>> step(-0.012, "percent"), step(0.0004, "percent"), step(0.5, "significant")
    ('1.2 percentage points', '', '0.5')
    """
    if form in ("percent", "points"):
        return "" if percent_number(abs(value)) == "0.0" else points(abs(value))
    if form == "decimals":
        return "" if decimals(abs(value)) == "0.000" else decimals(abs(value))
    return f"{abs(value):.2g}" if value else ""


def shown(figure: Figure) -> str:
    """Write a figure's value with its unit.

    >>> shown(Figure("accuracy", "accuracy", 0.953, None, None, "percent", "higher", "out of fold"))
    '95.3 %'
    """
    return f"{written(figure.value, figure.format)} {figure.unit}".rstrip()


def limits(figure: Figure) -> str:
    """Write a figure's interval in little room; empty where it has none."""
    if figure.low is None or figure.high is None:
        return ""
    return span(figure.low, figure.high, figure.format)


def unbroken(text: str) -> str:
    """Keep signs of per cent on the line of their numbers.

    >>> unbroken("95.3 %") == f"95.3{NBSP}%"
    True
    """
    return text.replace(" %", f"{NBSP}%")
