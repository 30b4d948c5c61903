"""The sections of a report on what gives answers away, and on kinds of images that are answered worse, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ..core.types import Interval
from ..draw import charts
from ..draw.numbers import hundredths
from .thumbnail import Thumbnail


class Answerer(NamedTuple):
    """One who answers: a trait, the model, or somebody who always says the same. ``style`` is that of its mark."""

    name: str
    right: Interval
    style: str
    remark: str = ""


class Given(NamedTuple):
    """A shortcut, with images that show it."""

    name: str
    sentence: str
    examples: tuple[Thumbnail, ...]


@dataclass(frozen=True)
class SliceRow:
    """One kind of images."""

    by: str
    name: str
    count: int
    independent: int
    right: Interval
    others: str
    """Share of right answers to the other images, as it is written."""
    standing: str


@dataclass(frozen=True)
class GotchasSection:
    """Everything that the two sections show; empty where nothing was looked at."""

    rightly: str = ""
    answerers: tuple[Answerer, ...] = ()
    given: tuple[Given, ...] = ()
    slices: tuple[SliceRow, ...] = ()
    summary: str = ""
    slices_note: str = ""

    def answerers_view(self) -> dict[str, Any]:
        """Return the drawings of the section on shortcuts."""
        axis = charts.fraction_axis(one.right.low for one in self.answerers)
        rows = [(one, _row(one.style, one.right, axis)) for one in self.answerers]
        return {"rows": rows, "axis_svg": _axis(axis)}

    def slices_view(self) -> dict[str, Any]:
        """Return the drawings of the section on slices."""
        axis = charts.fraction_axis(one.right.low for one in self.slices)
        rows = [(one, _row("second" if one.standing == "worse" else "plain", one.right, axis)) for one in self.slices]
        judged = [pair for pair in rows if pair[0].standing != "too few to say"]
        return {"judged": judged, "few": rows[len(judged) :], "axis_svg": _axis(axis)}


def _row(style: str, right: Interval, axis: charts.Axis) -> str:
    return charts.interval_row([(style, right.value, right.low, right.high)], axis)


def _axis(axis: charts.Axis) -> str:
    return charts.axis_row(axis, [hundredths(tick) for tick in axis.ticks])


NOTHING_LOOKED_AT = GotchasSection()
"""The section of a run without pictures."""
