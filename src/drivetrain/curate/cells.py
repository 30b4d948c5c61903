"""Cells: what something says of each item, in a few values with words for each, so that a table of them can be counted.

Numbers are cut at their quantiles, without looking at any label, so that what is learned from cells is honest out of fold.
Shapes: N items, R cells.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.types import IntArray

# The most cells of a range of numbers, and the most values of a category that have a cell of their own.
RANGES, CATEGORIES = 8, 24
# A value that this share of the items have is a cell of its own among ranges: a size that one camera writes, say.
HEAVY = 0.05
# A category has a cell of its own from this many items on; rarer ones share one.
FEWEST = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cells:
    """One value of R for each of N items."""

    cells_N: IntArray
    words: tuple[str, ...]
    """The words of each cell: ``PNG``."""
    ordered: int = 0
    """The first so many cells are ranges that follow each other, which can be joined."""
    joined: Callable[[int, int], str] | None = None
    """The words for the ranges from one cell to another, both included."""

    def words_for(self, first: int, last: int) -> str:
        """Return the words for a cell, or for ranges that follow each other."""
        return self.words[first] if first == last or self.joined is None else self.joined(first, last)


def categories(values: Sequence[str | None], none: str) -> Cells | None:
    """Make a cell of each value that occurs often, and one of all others; None where all would be in one cell.

    ``none``: the words for an item without a value.

    >>> categories(["PNG"] * 5 + ["JPEG"] * 6, "").words
    ('JPEG', 'PNG')
    """
    counts = Counter(values)
    common = [value for value, count in counts.most_common(CATEGORIES) if count >= FEWEST]
    if len(common) < len(counts):
        cells = {value: number for number, value in enumerate(common)}
        cells_N = np.asarray([cells.get(value, len(common)) for value in values], np.int64)
        common.append("another")
    else:
        cells_N = np.asarray([common.index(value) for value in values], np.int64)
    words = tuple(none if value is None else value for value in common)
    return Cells(cells_N, words) if len(words) > 1 else None


def ranges(
    values: Sequence[float | None], name: str, written: Callable[[float], str], none: str, unit: str = ""
) -> Cells | None:
    """Cut numbers at their quantiles; a value that many items share is a cell of its own. None where all would be in one cell.

    >>> cells = ranges([1.0] * 9 + [2.0, 3.0, 4.0, 5.0], "height", "{:.0f}".format, "", " m")
    >>> cells.words[0]
    'height 1 m'
    """
    values_N = np.asarray([math.nan if value is None else value for value in values], np.float64)
    known_N = np.isfinite(values_N)
    if not known_N.any():
        return None
    edges, lows, highs = _edges(values_N[known_N])
    cells_N = np.searchsorted(edges, values_N, side="right").astype(np.int64)
    count = len(lows)
    cells_N[~known_N] = count

    def joined(first: int, last: int) -> str:
        low, high = written(lows[first]), written(highs[last])
        if low == high:
            return f"{name} {low}{unit}"
        if first == 0:
            return f"{name} up to {high}{unit}"
        return f"{name} from {low}{unit} on" if last == count - 1 else f"{name} {low} to {high}{unit}"

    words = (*(joined(cell, cell) for cell in range(count)), *([none] if not known_N.all() else []))
    return Cells(cells_N, words, count, joined) if len(words) > 1 else None


def _edges(known: Floats) -> tuple[Floats, list[float], list[float]]:
    """Return the limits between cells, and the least and the greatest value within each."""
    found, counts = np.unique(known, return_counts=True)
    cuts = set(np.quantile(known, np.linspace(0, 1, RANGES + 1)[1:-1], method="higher").tolist())
    for value in found[counts >= max(HEAVY * len(known), FEWEST)].tolist():
        after = found[found > value]
        cuts |= {value, *after[:1].tolist()}
    edges = np.asarray(sorted(cut for cut in cuts if cut > found[0]), np.float64)
    cell_U = np.searchsorted(edges, found, side="right")
    cells = range(len(edges) + 1)
    return edges, [float(found[cell_U == c][0]) for c in cells], [float(found[cell_U == c][-1]) for c in cells]
