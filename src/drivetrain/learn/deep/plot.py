"""One line chart as SVG text: losses over steps, losses over learning rates. No plotting library, light or dark page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 480, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 24, 34
SVG = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
    'font-family="system-ui, sans-serif" font-size="11" fill="#888">'
)
FEW_POINTS = 30
COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea")


@dataclass(frozen=True)
class Line:
    """A named curve; ``mark`` is the x that gets a dot."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    mark: float | None = None


def chart(lines: Sequence[Line], x_name: str, y_name: str, *, log_x: bool = False) -> str:
    """SVG text, 480 × 260 units; what is not finite is left out. ``log_x`` labels the powers of ten."""

    def across(value: float) -> float:
        return math.log10(value) if log_x else value

    points = [
        [(across(x), y, x) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y) and (x > 0 or not log_x)]
        for line in lines
    ]
    flat = [point for curve in points for point in curve]
    x_low, x_high = _span([x for x, _, _ in flat])
    y_low, y_high = _span([y for _, y, _ in flat])

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            round(LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM), 1),
        )

    parts = [
        SVG,
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#888"/>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{escape(x_name)}</text>',
        f'<text x="{LEFT}" y="{TOP - 10}">{escape(y_name)}</text>',
    ]
    for value in _ticks(y_low, y_high):
        _, y = place(x_low, value)
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:.3g}</text>')
    for value in range(math.ceil(x_low), math.floor(x_high) + 1) if log_x else _ticks(x_low, x_high):
        x, _ = place(value, y_low)
        label = f"1e{value}" if log_x else f"{value:.3g}"
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{label}</text>')
    for number, (line, curve) in enumerate(zip(lines, points, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join("{},{}".format(*place(x, y)) for x, y, _ in curve)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        # Few points, one an epoch, get dots: they would be hard to see as a line, and a single one would not be seen at all.
        for x, y in (place(*point[:2]) for point in curve if len(curve) <= FEW_POINTS):
            parts.append(f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>')
        # Fonts are set as a style, which a page's own rules for text do not override.
        at = f'x="{LEFT + 120 + 110 * number}" y="{TOP - 10}"'
        parts.append(f'<text {at} style="fill:{colour}">{escape(line.name)}</text>')
        if line.mark is not None and curve:
            nearest = min(curve, key=lambda point: abs(point[0] - across(line.mark or 0)))
            x, y = place(nearest[0], nearest[1])
            parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"><title>{line.mark:.2g}</title></circle>')
    return "\n".join([*parts, "</svg>"])


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _ticks(low: float, high: float) -> list[float]:
    return [low + (high - low) * share for share in (0, 0.5, 1)]
