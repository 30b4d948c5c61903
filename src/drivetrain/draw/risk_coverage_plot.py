"""The error among accepted answers against the share that is accepted. Shapes: T thresholds, strictest first."""

from __future__ import annotations

from collections.abc import Callable

from ..stats.learn_then_test import RiskCurve
from .charts import nice_ticks
from .numbers import percent, percent_number, unbroken
from .svg import BAND, BLUE, EDGE, GRID, INK, MUTED, ORANGE, Svg, drawing, text

WIDTH, HEIGHT, LEFT, TOP = 420, 220, 56, 14

Point = tuple[float, float]


def risk_coverage_plot(curve: RiskCurve, point: Point | None = None, target: float | None = None) -> Svg:
    """Draw the curve with its band; ``point`` is where the model works (coverage, error), ``target`` the error asked for."""
    most = max([float(curve.error_T.max(initial=0.0)), point[1] if point else 0.0, target or 0.0])
    top = min(max(1.6 * most, 0.05), 1.0)

    def place(coverage: float, error: float) -> Point:
        return LEFT + WIDTH * coverage, TOP + HEIGHT * (1 - min(error, top) / top)

    parts = _frame(place, top)
    if len(curve.coverage_T):
        rows = zip(curve.coverage_T.tolist(), curve.low_T.tolist(), curve.high_T.tolist(), strict=True)
        around = [(place(share, low), place(share, high)) for share, low, high in rows]
        outline = [high for _, high in around] + [low for low, _ in reversed(around)]
        parts.append(f'<path d="M{_line(outline)}z" fill="{BAND}" fill-opacity="0.75"/>')
        if target is not None:
            (x, y), (end, _) = place(0, target), place(1, target)
            parts.append(
                f'<path d="M{x:.1f} {y:.1f}L{end:.1f} {y:.1f}" stroke="{ORANGE}" stroke-width="1.4" stroke-dasharray="6 4"/>'
            )
            parts.append(
                text(end, y - 4, f"asked for: {unbroken(percent(target))}", anchor="end", size=10, fill=ORANGE)
            )
        points = [place(c, e) for c, e in zip(curve.coverage_T.tolist(), curve.error_T.tolist(), strict=True)]
        parts.append(
            f'<path d="M{_line(points)}" fill="none" stroke="{BLUE}" stroke-width="1.8" stroke-linejoin="round"/>'
        )
    if point is not None:
        x, y = place(*point)
        tip = f"{unbroken(percent(point[0]))} accepted, {unbroken(percent(point[1]))} of these wrong"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{ORANGE}" stroke="white"><title>{tip}</title></circle>'
        )
    return drawing(parts, LEFT + WIDTH + 18, TOP + HEIGHT + 46, "Error among accepted answers against their share")


def _frame(place: Callable[[float, float], Point], top: float) -> list[str]:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = place(share, 0)
        parts.append(f'<path d="M{x:.1f} {TOP}v{HEIGHT}" stroke="{GRID}"/>')
        parts.append(text(x, y + 15, f"{100 * share:.0f}", anchor="middle", size=10, fill=MUTED))
    for error in nice_ticks(0.0, top):
        x, y = place(0, error)
        parts.append(f'<path d="M{x:.1f} {y:.1f}h{WIDTH}" stroke="{GRID}"/>')
        parts.append(text(x - 6, y + 3.5, percent_number(error), anchor="end", size=10, fill=MUTED))
    parts.append(f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="{EDGE}"/>')
    parts.append(text(LEFT + WIDTH / 2, TOP + HEIGHT + 34, "accepted, % of all", anchor="middle", size=11, fill=INK))
    parts.append(text(14, TOP + HEIGHT / 2, "wrong among accepted, %", anchor="middle", size=11, fill=INK, turn=-90))
    return parts


def _line(points: list[Point]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
