"""Figures as lines of text: a name and a value, the same wherever rows of them are shown."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.figure import Figure
from ..draw.numbers import between, shown


def named(figure: Figure) -> str:
    """Write a figure's name, and the output it is about where that is not the whole model.

    >>> named(Figure("mean-absolute-error", "mean absolute error", 2.5, None, None, "significant", "lower", "", of="years"))
    'mean absolute error of years'
    """
    return f"{figure.name} of {figure.of}" if figure.of else figure.name


def with_limits(figure: Figure) -> str:
    """Write a figure's value, with its interval where it has one.

    >>> with_limits(Figure("accuracy", "accuracy", 0.953, 0.9, 0.98, "percent", "higher", ""))
    '95.3 %  (90.0 % to 98.0 %)'
    """
    if figure.low is None or figure.high is None:
        return shown(figure)
    return f"{shown(figure)}  ({between(figure.low, figure.high, figure.format)})"


def hows(figures: Sequence[Figure]) -> list[str]:
    """List how figures were obtained, each way once; one that only lacks another's method of the interval is left out."""
    every = dict.fromkeys(figure.how for figure in figures if figure.how)
    beginnings = {how.rpartition("; ")[0] for how in every}
    return [how for how in every if how not in beginnings]
