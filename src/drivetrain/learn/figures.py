"""The figures of a training run or an evaluation, as rows that pages and terminals loop over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from ..core.figure import Better, Figure, Format
from ..core.types import Interval
from ..draw.numbers import between, shown

Line = tuple[str, str]

# The most labels whose figures a terminal has room for.
MOST_SHOWN = 12

RANDOM_SPLIT, WITH_LEAK = "-random-split", "-with-leak"


@dataclass(frozen=True)
class Figures:
    """Rows with unique (slug, of), the headline first."""

    rows: tuple[Figure, ...]
    how: str
    """The way the figures were obtained, in words."""
    settings: tuple[float, ...] = ()
    """The settings chosen on the answers judged, one number an output, or given with the bundle: the probability from which on a
    label is given, half the width of a number's interval. Empty where nothing is set."""
    commonest: str | None = None
    """The class that most of the images judged have, the first of several; None of labels and numbers."""

    @property
    def headline(self) -> Figure:
        """The first row; of several numbers that of the first."""
        return self.rows[0]

    def find(self, slug: str, of: str | None = None) -> Figure | None:
        """Find the row of that slug, about ``of`` where that is given; None where there is none."""
        return next((row for row in self.rows if row.slug == slug and of in (None, row.of)), None)

    def __iter__(self) -> Iterator[Figure]:
        """The rows, the headline first."""
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, slug: str) -> Figure:
        """Return the first row of that slug.

        Raises:
            KeyError: there is none.
        """
        found = self.find(slug)
        if found is None:
            raise KeyError(slug)
        return found

    def lacking(self, task: str, what: str) -> str:
        """Make the error for a figure, or another thing asked for, that there is not."""
        there = ", ".join(dict.fromkeys(row.slug for row in self.rows))
        return f"a model for {task} has no {what}; see figures, which are {there}"

    def each(self, slug: str) -> tuple[Figure, ...]:
        """The rows of that slug, one for each class, label or number."""
        return tuple(row for row in self.rows if row.slug == slug)

    @property
    def random_split(self) -> Figure | None:
        """The headline as a random split would have claimed it; None where that was not worked out."""
        return self.find(self.headline.slug + RANDOM_SPLIT)

    @property
    def overall(self) -> tuple[Figure, ...]:
        """Rows of merit about the model as a whole; for numbers, each row is about one of them."""
        whole = any(row.of is None and row.better for row in self.rows)
        return tuple(row for row in self.rows if row.better and (row.of is None or not whole))

    @property
    def parts(self) -> tuple[Figure, ...]:
        """Rows of merit about single classes or labels, beside those about the whole."""
        return tuple(row for row in self.rows if row.better and row not in self.overall)

    def sentence(self) -> str:
        """The headline, as a part of a sentence."""
        return f"{self.headline.name} would be {shown(self.headline)}"

    def lines(self) -> list[Line]:
        """Names and values, as the command line shows them."""
        return [*self._lines_overall(), *self._lines_of_parts()]

    def to_json(self) -> list[dict[str, Any]]:
        """The rows, for documents."""
        return [asdict(row) for row in self.rows]

    def _lines_overall(self) -> Iterator[Line]:
        several = len({row.of for row in self.overall}) > 1
        for row in self.overall:
            name, text = sentence_case(row.name), shown(row)
            if row.low is not None and row.high is not None:
                text += f"  ({between(row.low, row.high, row.format)})"
            elif row.note:
                text += f" ({row.note})"
            if row.of and row.format == "significant":  # a number's name often is its unit
                text += f" {row.of}"
            elif row.of and several:
                name += f", {row.of}"
            yield name, text
            if row.note and row.low is not None:
                yield "", row.note
            if row is self.headline:
                yield "", row.how

    def _lines_of_parts(self) -> Iterator[Line]:
        each = [(of, list(rows)) for of, rows in groupby(self.parts, key=lambda row: row.of)]
        for of, rows in each[:MOST_SHOWN]:
            found = ", ".join(f"{row.name} {shown(row)}" for row in rows)
            yield str(of), f"{found} {rows[0].note}".rstrip()
        if len(each) > MOST_SHOWN:
            yield "…", f"{len(each) - MOST_SHOWN} more: see the report"


def figure(
    slug: str,
    name: str,
    found: float | Interval | None,
    form: Format,
    better: Better | None,
    how: str,
    *,
    n: int | None = None,
    of: str | None = None,
    unit: str = "",
    note: str = "",
) -> Figure:
    """Make a row from a value or an interval, whose method joins ``how``; NaN becomes None."""
    if isinstance(found, Interval):
        value, low, high = finite(found.value), finite(found.low), finite(found.high)
        how = f"{how}; {found.method}" if found.method else how
    else:
        value, low, high = (None if found is None else finite(found)), None, None
    if value is None or low is None or high is None:
        low = high = None
    return Figure(slug, name, value, low, high, form, better, how, n, of, unit, note)


def interval_of(row: Figure) -> Interval:
    """A row's value with its limits; NaN where it has none."""
    value, low, high = (float("nan") if number is None else number for number in (row.value, row.low, row.high))
    return Interval(value, low, high, row.how)


def around(value: float, limits: tuple[float, float], method: str) -> Interval:
    """A value with the limits of a bootstrap, which hold it."""
    low, high = limits
    return Interval(value, float(np.fmin(low, value)), float(np.fmax(high, value)), method)


def with_leak(figures: Figures, leaky: Figures | None) -> Figures:
    """The figures, and what the headline would be with the images that leak."""
    if leaky is None:
        return figures
    headline = leaky.headline
    row = replace(headline, slug=headline.slug + WITH_LEAK, name=f"{headline.name} with leaking images", better=None)
    return replace(figures, rows=(*figures.rows, replace(row, low=None, high=None, note="")))


def finite(value: float) -> float | None:
    """Return ``value``, or None for NaN and infinities."""
    return value if np.isfinite(value) else None


def sentence_case(name: str) -> str:
    """Write a name as at the beginning of a sentence.

    >>> sentence_case("mean absolute error"), sentence_case("AUC")
    ('Mean absolute error', 'AUC')
    """
    return name[:1].upper() + name[1:]
