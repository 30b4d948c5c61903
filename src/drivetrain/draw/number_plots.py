"""Predicted numbers against true ones, and the residuals. Shapes: N items."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..core.types import Interval
from ..stats.metrics import Floats
from .charts import Axis, nice_ticks, shorten, value_axis
from .numbers import percent, percent_number, unbroken
from .svg import BAND, BLUE, EDGE, GRID, INK, MUTED, ORANGE, PAPER, Svg, drawing, text

LEFT, TOP, SIDE, BOTTOM = 70, 58, 330, 52
MOST_POINTS = 3000
BARS = (8, 48)
NAME_COLUMNS = 40


def scatter_plot(numbers_N: Floats, predicted_N: Floats, half_width: float, coverage: Interval, name: str) -> Svg:
    """Draw predicted over true numbers; the band is prediction ± half width, and points outside are orange."""
    low, high = float(min(numbers_N.min(), predicted_N.min())), float(max(numbers_N.max(), predicted_N.max()))
    axis = value_axis(low, high)
    bottom = TOP + SIDE

    def x(value: float) -> float:
        return LEFT + SIDE * axis.share(value)

    def y(value: float) -> float:
        return bottom - SIDE * axis.share(value)

    parts = [_title(name, _coverage_line(coverage, half_width, len(numbers_N)))]
    if math.isfinite(half_width):
        parts.append(f'<path d="{_band(axis, half_width, bottom)}" fill="{BAND}"/>')
    for tick in axis.ticks:
        parts.append(f'<path d="M{x(tick):.1f} {TOP}v{SIDE}M{LEFT} {y(tick):.1f}h{SIDE}" stroke="{GRID}"/>')
        parts.append(text(x(tick), bottom + 16, number(tick), anchor="middle", size=11, fill=MUTED))
        parts.append(text(LEFT - 7, y(tick) + 4, number(tick), anchor="end", size=11, fill=MUTED))
    parts.append(f'<path d="M{LEFT} {bottom}L{LEFT + SIDE} {TOP}" stroke="{MUTED}" stroke-dasharray="4 3"/>')
    drawn_K = _thinned(np.abs(numbers_N - predicted_N) > half_width)
    radius, opacity = (3.2, 0.7) if len(drawn_K) <= 300 else (2.4, 0.5)
    outside_N = np.abs(numbers_N - predicted_N) > half_width
    for outside, colour in ((False, BLUE), (True, ORANGE)):
        dots = "".join(
            f'<circle cx="{x(float(numbers_N[i])):.1f}" cy="{y(float(predicted_N[i])):.1f}" r="{radius}"/>'
            for i in drawn_K
            if outside_N[i] == outside
        )
        parts.append(f'<g fill="{colour}" fill-opacity="{opacity}">{dots}</g>')
    parts.append(f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="{EDGE}"/>')
    parts.append(text(LEFT + SIDE / 2, bottom + 36, "true", anchor="middle", fill=MUTED))
    parts.append(text(18, TOP + SIDE / 2, "predicted", anchor="middle", fill=MUTED, turn=-90))
    if len(drawn_K) < len(numbers_N):
        note = f"{len(drawn_K):,} of {len(numbers_N):,} drawn"
        parts.append(text(LEFT + SIDE - 6, bottom - 8, note, anchor="end", size=11, fill=MUTED))
    return drawing(parts, LEFT + SIDE + 24, bottom + BOTTOM, f"Predicted against true {name}")


def residual_plot(residuals_N: Floats, half_width: float, name: str) -> Svg:
    """Draw a histogram of number − prediction; the band is ± half width."""
    low, high = float(residuals_N.min()), float(residuals_N.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    # The bins have Freedman and Diaconis' width, within what can be seen.
    wanted = len(np.histogram_bin_edges(residuals_N, "fd")) - 1 if np.ptp(residuals_N) and len(residuals_N) > 1 else 1
    counts, edges = np.histogram(residuals_N, min(max(wanted, BARS[0]), BARS[1]), (low, high))
    widest = min(half_width, 4 * max(abs(low), abs(high))) if math.isfinite(half_width) else 0.0
    axis = value_axis(min(low, -widest, 0.0), max(high, widest, 0.0))
    tall, bottom = 200, TOP + 200

    def x(value: float) -> float:
        return LEFT + SIDE * axis.share(value)

    mean = float(residuals_N.mean())
    parts = [_title(name, f"true − predicted: mean {number(mean)}, middle half {_middle_half(residuals_N)}")]
    if math.isfinite(half_width):
        left, right = x(-half_width), x(half_width)
        parts.append(f'<rect x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" height="{tall}" fill="{BAND}"/>')
    parts += [text(x(tick), bottom + 16, number(tick), anchor="middle", size=11, fill=MUTED) for tick in axis.ticks]
    most = int(counts.max())
    for tick in nice_ticks(0, most, 3)[1:]:
        at = bottom - 0.94 * tall * tick / most
        parts.append(f'<path d="M{LEFT} {at:.1f}h{SIDE}" stroke="{GRID}"/>')
        parts.append(text(LEFT - 7, at + 4, number(tick), anchor="end", size=11, fill=MUTED))
    for count, start, end in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            height = max(0.94 * tall * count / most, 1.0)
            outside = max(abs(start), abs(end)) > half_width and abs(start + end) / 2 > half_width
            parts.append(
                f'<rect x="{x(start):.1f}" y="{bottom - height:.1f}" width="{max(x(end) - x(start), 0.8):.1f}" '
                f'height="{height:.1f}" fill="{ORANGE if outside else BLUE}" stroke="{PAPER}" stroke-width="0.6">'
                f"<title>{number(start)} to {number(end)}: {count:,}</title></rect>"
            )
    parts.append(f'<path d="M{x(0):.1f} {TOP}v{tall}" stroke="{INK}" stroke-dasharray="4 3" stroke-opacity="0.6"/>')
    parts.append(f'<path d="M{LEFT} {bottom}h{SIDE}" stroke="{MUTED}"/>')
    parts.append(text(LEFT + SIDE / 2, bottom + 36, "true − predicted", anchor="middle", fill=MUTED))
    parts.append(text(18, TOP + tall / 2, "items", anchor="middle", fill=MUTED, turn=-90))
    return drawing(parts, LEFT + SIDE + 24, bottom + BOTTOM, f"Residuals of {name}")


def number(value: float) -> str:
    """Write a number with three digits, or all digits of a whole number below a million, with a proper minus."""
    shown = f"{value:,.0f}" if value == round(value) and abs(value) < 1e6 else f"{value:.3g}"
    return shown.replace("-", "−")


def _title(name: str, line: str) -> str:
    return text(LEFT, 24, shorten(" ".join(name.split()), NAME_COLUMNS), bold=True, size=13) + text(
        LEFT, 43, line, size=11, fill=MUTED
    )


def _coverage_line(coverage: Interval, half_width: float, n: int) -> str:
    if not math.isfinite(half_width):
        return f"{n:,} items; too few were held out for an interval"
    return (
        f"{unbroken(percent(coverage.value))} of {n:,} within ± {number(half_width)} "
        f"({percent_number(coverage.low)}–{percent_number(coverage.high)})"
    )


def _middle_half(residuals_N: Floats) -> str:
    first, third = np.quantile(residuals_N, [0.25, 0.75])
    return f"{number(first)} to {number(third)}"


def _thinned(outside_N: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Choose the rows to draw: all where they are few, else an even choice that keeps the share outside the band."""
    if len(outside_N) <= MOST_POINTS:
        return np.arange(len(outside_N))
    chosen: NDArray[np.intp] = np.sort(np.random.default_rng(0).choice(len(outside_N), MOST_POINTS, replace=False))
    return chosen


def _band(axis: Axis, half_width: float, bottom: float) -> str:
    """The polygon of |true − predicted| ≤ half width in the square: the corners of the square that lie within, and the cuts."""
    unit = SIDE / (axis.high - axis.low)
    reach = min(half_width * unit, SIDE)
    right, top = LEFT + SIDE, bottom - SIDE
    return (
        f"M{LEFT} {bottom}V{bottom - reach:.1f}L{right - reach:.1f} {top}H{right}V{top + reach:.1f}"
        f"L{LEFT + reach:.1f} {bottom}z"
    )
