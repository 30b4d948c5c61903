"""A rollout's way through its stages as one line, and a gate's bound on its way to its threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .charts import Axis, nice_ticks

_LEFT, _TOP, _WIDTH, _HEIGHT = 46, 8, 304, 150


@dataclass(frozen=True)
class Span:
    """A part of the way: its tone is a class of the style sheet; from and to are shares of the width."""

    name: str
    tone: str
    start: float
    end: float


def stage_row(spans: Sequence[Span]) -> str:
    """Draw the way of one rollout; it fills any width. The same stands as text in a table."""
    parts = []
    for one in spans:
        width = max(one.end - one.start, 0.002)
        parts.append(
            f'<rect class="{one.tone}" x="{100 * one.start:.2f}%" y="2" width="{100 * width:.2f}%" height="22">'
            f"<title>{escape(one.name)}</title></rect>"
        )
    return f'<svg class="row stages-row" width="100%" height="26" aria-hidden="true">{"".join(parts)}</svg>'


def cases_axis(total: int) -> tuple[Axis, list[str]]:
    """Make the axis of cases below such lines, with what stands at its ticks."""
    axis = Axis(0, total, tuple(tick for tick in nice_ticks(0, total, 5) if tick <= total))
    return axis, [f"{tick:,.0f}" for tick in axis.ticks]


@dataclass(frozen=True)
class CurvePoint:
    """A reading: after so many cases, the estimate and its bound; None: none yet."""

    cases: int
    value: float | None
    bound: float | None


def gate_curve(points: Sequence[CurvePoint], threshold: float, label: str) -> str:
    """Draw a gate's estimate and bound over the cases that had come in, with its threshold."""
    numbers = [n for one in points for n in (one.value, one.bound) if n is not None]
    # A bound begins at nothing known, 1: from there down to the threshold is what matters.
    high = max(threshold * 3, *(min(n, threshold * 6) for n in numbers)) if numbers else threshold * 3
    low = min(0.0, *numbers) if numbers else 0.0
    first, last = (points[0].cases, max(points[-1].cases, points[0].cases + 1)) if points else (0, 1)

    def x(cases: float) -> float:
        return _LEFT + _WIDTH * (cases - first) / (last - first)

    def y(value: float) -> float:
        return _TOP + _HEIGHT * (1 - (min(value, high) - low) / ((high - low) or 1))

    parts = []
    for tick in nice_ticks(low, high, 4):
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{100 * tick:.4g}</text>')
    parts += [
        f'<text x="{x(tick):.1f}" y="{_TOP + _HEIGHT + 16}" text-anchor="middle">{tick:,.0f}</text>'
        for tick in nice_ticks(first, last, 4)
    ]
    at = y(threshold)
    parts.append(f'<line class="limit" x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{at:.1f}" y2="{at:.1f}"/>')
    for style, chosen in (
        ("value", [(one.cases, one.value) for one in points]),
        ("bound", [(one.cases, one.bound) for one in points]),
    ):
        path = "L".join(f"{x(cases):.1f} {y(number):.1f}" for cases, number in chosen if number is not None)
        if path:
            parts.append(f'<path class="curve {style}" d="M{path}"/>')
    middle = _LEFT + _WIDTH / 2
    parts.append(f'<text x="{middle}" y="{_TOP + _HEIGHT + 34}" text-anchor="middle">cases that had come in</text>')
    return (
        f'<svg class="square" role="img" aria-label="{escape(label)}" viewBox="0 0 360 {_TOP + _HEIGHT + 40}">'
        f"{''.join(parts)}</svg>"
    )
