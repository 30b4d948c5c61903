"""The confusion matrix as a drawing of its own. Shapes: C classes."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from html import escape

from .charts import Cell, Matrix, confusion_cells, shorten
from .numbers import nearly_hundredths
from .svg import BLUES, DARK_FROM, EDGE, INK, MUTED, ORANGES, PAPER, Svg, drawing, text

# Most classes → units a cell, and units of a name's letters. Numbers are written where a cell has 24.
SIZES = ((6, 52, 13), (12, 40, 12), (25, 28, 11), (45, 18, 10))
SMALLEST = (11, 9)
NUMBERED = 24
NAME_COLUMNS = 26
# The most tooltips: where every cell's would be too many, the greatest mistakes have one.
TOOLTIPS = 400


def confusion_plot(classes: Sequence[str], confusion_CC: Matrix, *, normalize: bool = False) -> Svg:
    """Draw the confusion matrix, true classes as rows and predicted ones as columns; shades and ``normalize`` are shares of
    the row."""
    cells = confusion_cells(confusion_CC)
    size, font = next(((cell, letters) for most, cell, letters in SIZES if len(classes) <= most), SMALLEST)
    names = [shorten(" ".join(name.split()), NAME_COLUMNS) for name in classes]
    reach = max(sum(_letter(letter) for letter in name) for name in names) * font
    left, top, edge = reach + 46, reach + 44, size * len(classes)
    parts = [
        text(left + edge / 2, 20, "called", anchor="middle", fill=MUTED),
        text(18, top + edge / 2, "is", anchor="middle", fill=MUTED, turn=-90),
    ]
    for place, name in enumerate(names):
        middle = (place + 0.5) * size
        parts.append(text(left - 7, top + middle + font * 0.35, name, anchor="end", size=font))
        parts.append(text(left + middle + font * 0.35, top - 7, name, size=font, turn=-90))
    parts += _squares(cells, left, top, size)
    parts.append(
        f'<rect x="{left - 0.5:.1f}" y="{top - 0.5:.1f}" width="{edge}" height="{edge}" fill="none" stroke="{EDGE}"/>'
    )
    if size >= NUMBERED:
        parts += _numbers(cells, left, top, size, font, normalize=normalize)
    parts += _tooltips(cells, classes, left, top, size)
    width, height = max(left + edge + 18, 190), top + edge + 40
    parts.append(_key(left, top + edge + 24, width - left, normalize=normalize and size >= NUMBERED))
    return drawing(parts, round(width), round(height), f"Confusion matrix of {len(classes)} classes")


def _letter(letter: str) -> float:
    """The width of a letter in units of the font's size, on the safe side."""
    return 1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.6


def _colour(cell: Cell) -> str:
    return (BLUES if cell.tone[0] == "b" else ORANGES)[int(cell.tone[1])]


def _squares(cells: list[list[Cell]], left: float, top: float, size: int) -> list[str]:
    """Draw the squares as one path a shade, so that 200 × 200 classes stay small; empty cells are the ground."""
    inner = size - 1
    paths: dict[str, list[str]] = defaultdict(list)
    for y, row in enumerate(cells):
        for x, cell in enumerate(row):
            if cell.images:
                paths[_colour(cell)].append(f"M{left + x * size:.1f} {top + y * size:.1f}h{inner}v{inner}h-{inner}z")
    ground = f'<rect x="{left:.1f}" y="{top:.1f}" width="{size * len(cells)}" height="{size * len(cells)}" '
    return [
        f'{ground}fill="{BLUES[0]}"/>',
        *(f'<path fill="{colour}" d="{"".join(paths[colour])}"/>' for colour in sorted(paths)),
    ]


def _numbers(cells: list[list[Cell]], left: float, top: float, size: int, font: float, *, normalize: bool) -> list[str]:
    parts = []
    for y, row in enumerate(cells):
        for x, cell in enumerate(row):
            if not cell.images:
                continue
            number = nearly_hundredths(cell.share) if normalize else str(cell.images)
            letters = min(font, (size - 4) / (0.6 * len(number)))
            ink = PAPER if int(cell.tone[1]) >= DARK_FROM else INK
            at_x, at_y = left + (x + 0.5) * size - 0.5, top + (y + 0.5) * size + letters * 0.35
            parts.append(text(at_x, at_y, number, anchor="middle", size=round(letters, 1), fill=ink))
    return parts


def _tooltips(cells: list[list[Cell]], classes: Sequence[str], left: float, top: float, size: int) -> list[str]:
    found = [(x != y, cell.images, y, x) for y, row in enumerate(cells) for x, cell in enumerate(row) if cell.images]
    found.sort(key=lambda each: (-each[0], -each[1], each[2], each[3]))
    parts = []
    for _, images, y, x in found[:TOOLTIPS]:
        tip = f"{images} × {classes[y]}, called {classes[x]} ({nearly_hundredths(cells[y][x].share)} % of {classes[y]})"
        parts.append(
            f'<rect x="{left + x * size:.1f}" y="{top + y * size:.1f}" width="{size}" height="{size}" fill="none" '
            f'pointer-events="all"><title>{escape(tip)}</title></rect>'
        )
    return parts


def _key(left: float, y: float, room: float, *, normalize: bool) -> str:
    """Draw the legend: the meaning of the two colours, and of the numbers if they are not counts."""
    parts = [
        f'<rect x="{left:.1f}" y="{y - 9:.1f}" width="10" height="10" rx="2" fill="{BLUES[DARK_FROM]}"/>',
        text(left + 15, y, "right", size=11, fill=MUTED),
        f'<rect x="{left + 52:.1f}" y="{y - 9:.1f}" width="10" height="10" rx="2" fill="{ORANGES[DARK_FROM - 1]}"/>',
        text(left + 67, y, "wrong", size=11, fill=MUTED),
    ]
    if normalize:
        parts.append(text(left + min(116, room), y, "% of row", size=11, fill=MUTED))
    return "".join(parts)
