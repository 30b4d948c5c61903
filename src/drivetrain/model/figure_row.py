"""The manifest's form of a figure: `drivetrain.core.figure.Figure` as a part that can be read and checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import Field, model_validator

from ..core.figure import Better, Figure, Format
from .part import Count, Name, Part, check_order

SHARES: frozenset[Format] = frozenset({"percent", "points"})


class FigureRow(Part):
    """One row of ``figures``, with the fields of `Figure`."""

    slug: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    name: Name
    value: float | None
    low: float | None = None
    high: float | None = None
    format: Format
    better: Better | None
    how: str
    n: Count | None = None
    of: Name | None = None
    unit: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        numbers = [number for number in (self.low, self.value, self.high) if number is not None]
        if self.format in SHARES and not all(0 <= number <= 1 for number in numbers):
            raise ValueError(f"{self.slug} is a share, and {numbers} lie not all in 0 to 1")
        if len(numbers) == 3:
            check_order(*numbers)
        elif self.low is not None or self.high is not None:
            raise ValueError(f"{self.slug} has half an interval, or one without a value")
        return self

    @classmethod
    def of_figure(cls, figure: Figure) -> Self:
        """Make the row of a figure."""
        return cls(**{name: getattr(figure, name) for name in cls.model_fields})

    def figure(self) -> Figure:
        """Return the figure of a row."""
        return Figure(**{name: getattr(self, name) for name in type(self).model_fields})


def rows_of(figures: Iterable[Figure]) -> tuple[FigureRow, ...]:
    """Make rows in the order of the figures."""
    return tuple(FigureRow.of_figure(figure) for figure in figures)
