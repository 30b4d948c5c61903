"""The report's charts: pure functions from plain figures to SVG text.

Drawn by hand because a plotting library costs every start of the program a second, and because hand-drawn SVG takes its
colours from the page's style sheet (class names below), so dark mode and print need no second drawing. Two kinds:

* rows (`bar`, `interval_row`, `axis_row`) have percentages for x and no view box: they fill any width undistorted;
* squares (`reliability`, `image_sizes`) are 360 units wide, so that on a phone a unit is a pixel and text stays clear.

Shapes: C classes. All text from users goes through ``escape``.
"""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from .numbers import hundredths

if TYPE_CHECKING:
    from ..core.types import Interval
    from ..stats.mistakes import ReliabilityBin

Matrix = Sequence[Sequence[int]]

# Row shares at which a cell of the confusion matrix gets darker. A share of 3 % means little on the diagonal and
# much beside it, hence two scales. Each has the six steps the style sheet knows as b1…b6 and o1…o6.
RIGHT_STEPS = (0.5, 0.7, 0.8, 0.9, 0.97)
WRONG_STEPS = (0.02, 0.05, 0.1, 0.2, 0.4)


def shorten(text: str, columns: int) -> str:
    """Cut ``text`` in its middle to at most ``columns`` character cells; wide (East Asian) characters take two.

    The middle goes because the ends tell names apart: a folder in front, a number and extension behind.
    """
    widths = [2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text]
    if sum(widths) <= columns:
        return text
    head = tail = 0
    room = columns - 1
    while head + tail < len(text):
        from_front = head <= tail
        width = widths[head] if from_front else widths[-1 - tail]
        if width > room:
            break
        room -= width
        head, tail = (head + 1, tail) if from_front else (head, tail + 1)
    return f"{text[:head]}…{text[len(text) - tail :]}"


def nice_ticks(low: float, high: float, about: int = 4) -> tuple[float, ...]:
    """Return round numbers within [low, high], their step 1, 2 or 5 times a power of ten."""
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(m * power for m in (1, 2, 5, 10) if span / (m * power) <= about)
    return tuple(round(i * step, 12) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1))


class Axis(NamedTuple):
    """The range a plot shows, and the places of its labels."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """The place of ``value`` along the axis, 0–1; a value outside stays at the edge."""
        return min(max((value - self.low) / ((self.high - self.low) or 1.0), 0.0), 1.0)

    def x(self, value: float) -> str:
        return f"{100 * self.share(value):.2f}%"


def fraction_axis(lows: Iterable[float]) -> Axis:
    """Make an axis of fractions that ends at 1 and begins as high as the least value lets it."""
    least = min(lows, default=0.0)
    starts = ((0.9, 0.02), (0.8, 0.05), (0.5, 0.1), (0.0, 0.25))
    low, step = next(pair for pair in starts if pair[0] <= max(least, 0.0))
    return Axis(low, 1.0, tuple(round(low + i * step, 3) for i in range(round((1 - low) / step) + 1)))


def value_axis(low: float, high: float) -> Axis:
    """Make an axis with room on both sides of [low, high] and round ticks."""
    pad = 0.06 * (high - low) or 0.1
    return Axis(low - pad, high + pad, nice_ticks(low - pad, high + pad))


def bar(share: float, start: float = 0.0) -> str:
    """Draw a horizontal bar from ``start`` on, ``share`` of the width long; at least a sliver, so that it is seen."""
    share = min(max(share, 0.004), 1.0)
    x = min(max(start, 0.0), 1.0 - share)
    return (
        '<svg class="bar" width="100%" height="14" aria-hidden="true">'
        f'<rect class="fill" x="{100 * x:.2f}%" y="1" width="{100 * share:.2f}%" height="12" rx="2"/></svg>'
    )


def axis_row(axis: Axis, labels: Sequence[str]) -> str:
    """Draw the numbers above a column of `interval_row`s, one for each tick."""
    texts = "".join(
        f'<text x="{axis.x(tick)}" y="12" text-anchor="middle">{escape(label)}</text>'
        for tick, label in zip(axis.ticks, labels, strict=True)
    )
    return f'<svg class="row" width="100%" height="16" aria-hidden="true">{texts}</svg>'


def interval_row(marks: Sequence[tuple[str, float, float, float]], axis: Axis) -> str:
    """Draw one line of a dot-and-interval plot: each mark is (style, value, low, high), drawn one below the other.

    The figures stand as text in the same table row, so the drawing is hidden from screen readers.
    """
    height = 12 * len(marks) + 8
    parts = [f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="{height}"/>' for x in map(axis.x, axis.ticks)]
    for row, (style, value, low, high) in enumerate(marks):
        y = 10 + 12 * row
        parts.append(f'<line class="span {style}" x1="{axis.x(low)}" x2="{axis.x(high)}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="dot {style}" cx="{axis.x(value)}" cy="{y}" r="4"/>')
    return f'<svg class="row" width="100%" height="{height}" aria-hidden="true">{"".join(parts)}</svg>'


class Cell(NamedTuple):
    """A cell of the confusion matrix: images, ``share`` of its row, and ``tone`` b0…b6 (right) or o0…o6 (wrong)."""

    images: int
    share: float
    tone: str


def confusion_cells(confusion_CC: Matrix) -> list[list[Cell]]:
    """Return the counts with their row shares and shades."""
    rows = []
    for y, counts in enumerate(confusion_CC):
        total = sum(counts) or 1
        shares = [count / total for count in counts]
        rows.append([Cell(n, s, _tone(n, s, x == y)) for x, (n, s) in enumerate(zip(counts, shares, strict=True))])
    return rows


def _tone(count: int, share: float, right: bool) -> str:
    steps = RIGHT_STEPS if right else WRONG_STEPS
    level = 1 + sum(share >= step for step in steps) if count else 0
    return f"{'b' if right else 'o'}{level}"


class Pair(NamedTuple):
    """``images`` of ``label`` were called ``predicted``; ``share`` of the label's own images."""

    label: str
    predicted: str
    images: int
    share: float


def confused_pairs(classes: Sequence[str], confusion_CC: Matrix) -> list[Pair]:
    """The mistakes between classes, most frequent first."""
    pairs = [
        Pair(classes[y], classes[x], cell.images, cell.share)
        for y, row in enumerate(confusion_cells(confusion_CC))
        for x, cell in enumerate(row)
        if x != y and cell.images
    ]
    return sorted(pairs, key=lambda pair: (-pair.images, -pair.share))


def confusion_map(classes: Sequence[str], confusion_CC: Matrix, tooltips: int = 200) -> str:
    """Draw the confusion matrix of many classes as small squares: rows numbered and named, columns numbered.

    Cells of one shade are one path, so 100 × 100 classes stay small; only the ``tooltips`` greatest mistakes are named.
    """
    size, left, top = 11, 164, 18
    edge = size * len(classes)
    squares: dict[str, list[str]] = defaultdict(list)
    wrong = []
    for y, row in enumerate(confusion_cells(confusion_CC)):
        for x, cell in enumerate(row):
            if cell.images:
                squares[cell.tone].append(f"M{left + x * size} {top + y * size}h10v10h-10z")
                if x != y:
                    wrong.append((cell.images, x, y))
    every = 5 if len(classes) > 20 else 1
    parts = [f'<rect class="frame" x="{left - 1}" y="{top - 1}" width="{edge + 1}" height="{edge + 1}"/>']
    for y, name in enumerate(classes):
        line = top + y * size + 9
        parts.append(f'<text x="{left - 27}" y="{line}" text-anchor="end">{escape(shorten(name, 21))}</text>')
        parts.append(f'<text class="num" x="{left - 4}" y="{line}" text-anchor="end">{y + 1}</text>')
        if (y + 1) % every == 0:
            parts.append(
                f'<text class="num" x="{left + y * size + 5}" y="{top - 6}" text-anchor="middle">{y + 1}</text>'
            )
    parts.extend(f'<path class="{tone}" d="{"".join(squares[tone])}"/>' for tone in sorted(squares))
    for count, x, y in sorted(wrong, key=lambda cell: (-cell[0], cell[2], cell[1]))[:tooltips]:
        tip = escape(f"{count} × {shorten(classes[y], 30)}, called {shorten(classes[x], 30)}")
        parts.append(
            f'<rect class="hover" x="{left + x * size}" y="{top + y * size}" width="10" height="10">'
            f"<title>{tip}</title></rect>"
        )
    width, height = left + edge + 2, top + edge + 2
    return (
        f'<svg class="map" role="img" aria-label="Confusion matrix of {len(classes)} classes; the greatest mistakes '
        f'stand in the table" viewBox="0 0 {width} {height}" width="{width}" height="{height}">{"".join(parts)}</svg>'
    )


def differs(confidence: float, accuracy: Interval) -> str:
    """Compare a bin's mean confidence with its accuracy's interval: ``over``, ``under`` or ``fits``."""
    if confidence > accuracy.high:
        return "over"
    return "under" if confidence < accuracy.low else "fits"


def reliability(bins: Sequence[ReliabilityBin]) -> str:
    """Draw accuracy against confidence with intervals, and below, on the same axis, the number of images in each bin."""
    left, top, edge, strip = 48, 10, 300, 44
    axis = fraction_axis(min(b.confidence, b.accuracy.low, 0.5) for b in bins)
    bottom, floor = top + edge, top + edge + 62 + strip
    parts = []
    for tick in axis.ticks:
        x, y = left + edge * axis.share(tick), bottom - edge * axis.share(tick)
        parts.append(_square_tick(x, y, left, top, edge, hundredths(tick)))
    parts.append(f'<line class="ideal" x1="{left}" y1="{bottom}" x2="{left + edge}" y2="{top}"/>')
    parts.append(f'<line class="base" x1="{left}" x2="{left + edge}" y1="{floor}" y2="{floor}"/>')
    most = max((b.count for b in bins), default=1) or 1
    bars: list[tuple[float, float, str]] = []
    for b in bins:
        x = left + edge * axis.share(b.confidence)
        low, value, high = (bottom - edge * axis.share(v) for v in (b.accuracy.low, b.accuracy.value, b.accuracy.high))
        style = "acc" if differs(b.confidence, b.accuracy) == "fits" else "off"
        tall = max(strip * b.count / most, 1.0)
        parts.append(f'<line class="span {style}" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')
        parts.append(f'<circle class="dot {style}" cx="{x:.1f}" cy="{value:.1f}" r="4.5"/>')
        parts.append(f'<rect class="fill" x="{x - 3:.1f}" y="{floor - tall:.1f}" width="6" height="{tall:.1f}"/>')
        bars.append((x, tall, f"{b.count:,}"))
    taken: list[tuple[float, float]] = []
    for x, tall, number in sorted(bars, key=lambda bar: -bar[1]):
        half = 3.8 * len(number) + 2
        # A number that would touch another number or a taller bar is left to the table.
        if all(abs(x - other) > half + room for other, room in taken):
            parts.append(f'<text x="{x:.1f}" y="{floor - tall - 4:.1f}" text-anchor="middle">{number}</text>')
            taken.append((x, half))
        else:
            taken.append((x, 3.0))
    parts.append(f'<text x="{left - 6}" y="{floor}" text-anchor="end">images</text>')
    parts.append(_square_titles(left, top, edge, "confidence, %", "of them right, %"))
    return (
        '<svg class="square" role="img" aria-label="Reliability diagram: accuracy against confidence; the figures '
        f'stand in the table" viewBox="0 0 360 {floor + 4}">{"".join(parts)}</svg>'
    )


def _square_tick(x: float, y: float, left: int, top: int, edge: int, label: str) -> str:
    """Draw the same tick on both axes of a square plot."""
    return (
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + edge}"/>'
        f'<line class="grid" x1="{left}" x2="{left + edge}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{x:.1f}" y="{top + edge + 16}" text-anchor="middle">{label}</text>'
        f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    )


def _square_titles(left: int, top: int, edge: int, below: str, beside: str) -> str:
    return (
        f'<text x="{left + edge / 2}" y="{top + edge + 34}" text-anchor="middle">{below}</text>'
        f'<text transform="translate(11 {top + edge / 2}) rotate(-90)" text-anchor="middle">{beside}</text>'
    )


def image_sizes(sizes: Sequence[tuple[int, int]], input_size: tuple[int, int] | None) -> str:
    """Draw width against height on logarithmic axes, with the network's ``input_size`` (height, width) marked.

    Images are gathered on a 40 × 40 grid, each dot at its members' mean and larger for more of them: thousands of sizes
    take at most 1600 dots, and no image is left out.
    """
    left, top, edge, grid = 48, 10, 300, 40
    known = [(w, h) for w, h in sizes if w > 0 and h > 0]
    marks = [v for size in known for v in size] + ([v for v in input_size if v > 0] if input_size else [])
    low, high = math.log(min(marks, default=1) / 1.25), math.log(max(marks, default=1) * 1.25)
    logs = [((math.log(w) - low) / (high - low), (math.log(h) - low) / (high - low), w, h) for w, h in known]
    cells: dict[tuple[int, int, bool], list[tuple[float, float]]] = defaultdict(list)
    for x, y, w, h in logs:
        small = input_size is not None and (h < input_size[0] or w < input_size[1])
        cells[int(x * grid), int(y * grid), small].append((x, y))
    decades = [m * 10**p for p in range(7) for m in (1, 2, 5)]
    ticks = [tick for tick in decades if low <= math.log(tick) <= high]
    if len(ticks) > 7:
        ticks = [tick for tick in ticks if str(tick)[0] == "1"]
    elif len(ticks) < 3:
        ticks = [round(tick) for tick in nice_ticks(math.exp(low), math.exp(high)) if tick >= 1]
    parts = []
    for tick in ticks:
        place = edge * (math.log(tick) - low) / (high - low)
        parts.append(_square_tick(left + place, top + edge - place, left, top, edge, f"{tick:,}"))
    parts.append(f'<line class="ideal" x1="{left}" y1="{top + edge}" x2="{left + edge}" y2="{top}"/>')
    for (_, _, small), members in sorted(cells.items(), key=lambda cell: (-len(cell[1]), cell[0])):
        x = left + edge * sum(m[0] for m in members) / len(members)
        y = top + edge - edge * sum(m[1] for m in members) / len(members)
        radius = min(2.2 * len(members) ** 0.35, 14.0)
        parts.append(f'<circle class="pin {"off" if small else "acc"}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')
    if input_size is not None and min(input_size) > 0:
        height, width = ((math.log(v) - low) / (high - low) for v in input_size)
        x, y = left + edge * width, top + edge - edge * height
        parts.append(f'<path class="input" d="M{x:.1f} {top + edge}V{y:.1f}H{left}"/>')
    parts.append(_square_titles(left, top, edge, "width, pixels", "height, pixels"))
    return (
        '<svg class="square" role="img" aria-label="Width against height of the images; a summary stands beside it" '
        f'viewBox="0 0 360 {top + edge + 42}">{"".join(parts)}</svg>'
    )
