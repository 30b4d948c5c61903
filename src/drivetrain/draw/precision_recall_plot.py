"""Precision against recall, one small panel a label. Shapes: N items, L labels, K distinct scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..stats.label_metrics import LabelRow
from ..stats.metrics import Floats
from .charts import shorten
from .numbers import hundredths, percent, unbroken
from .svg import BAND, BLUE, EDGE, GRID, INK, MUTED, ORANGE, Svg, drawing, text

PANEL, EDGE_LENGTH, LEFT, TOP = 212, 150, 44, 48
COLUMNS = 4
NAME_COLUMNS = 25


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision and recall when every item of at least this score is given the label, highest score first."""

    scores_K: Floats
    precision_K: Floats
    recall_K: Floats


def precision_recall(present_N: NDArray[np.bool_], scores_N: Floats) -> Curve:
    """Compute the curve of one label; it has no points where no item has the label."""
    order = np.argsort(-scores_N, kind="stable")
    scores, hits = scores_N[order], np.cumsum(present_N[order])
    if not len(scores) or not hits[-1]:
        return Curve(np.zeros(0), np.zeros(0), np.zeros(0))
    last_K = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    return Curve(scores[last_K], hits[last_K] / (last_K + 1), hits[last_K] / hits[-1])


def precision_recall_plot(rows: Sequence[LabelRow], curves: Sequence[Curve], left_out: int = 0) -> Svg:
    """Draw the panels in the order given; the dot marks the label's threshold. ``left_out`` labels are not drawn."""
    columns = min(COLUMNS, max(len(rows), 1))
    lines = math.ceil(len(rows) / columns)
    width, height = columns * PANEL + 16, lines * (EDGE_LENGTH + TOP + 34) + 30
    parts = []
    for place, (row, curve) in enumerate(zip(rows, curves, strict=True)):
        x, y = place % columns * PANEL + LEFT + 4, place // columns * (EDGE_LENGTH + TOP + 34) + TOP
        parts += _panel(row, curve, x, y)
    note = f"{left_out:,} more labels do better" if left_out else ""
    parts.append(f'<circle cx="{LEFT + 8}" cy="{height - 16}" r="4" fill="{ORANGE}"/>')
    parts.append(text(LEFT + 17, height - 12, "threshold" + (f"; {note}" if note else ""), size=11, fill=MUTED))
    return drawing(parts, width, height, f"Precision against recall of {len(rows)} labels")


def _panel(row: LabelRow, curve: Curve, x: float, y: float) -> list[str]:
    def place(recall: float, precision: float) -> tuple[float, float]:
        return x + EDGE_LENGTH * recall, y + EDGE_LENGTH * (1 - precision)

    figure = "no item has it" if row.average_precision is None else f"AP {unbroken(percent(row.average_precision))}"
    parts = [
        text(x, y - 24, shorten(" ".join(row.label.split()), NAME_COLUMNS), bold=True),
        text(x, y - 9, f"{figure}, {row.count:,} items" if row.count else figure, size=11, fill=MUTED),
    ]
    for share in (0.0, 0.5, 1.0):
        at_x, at_y = place(share, share)
        parts.append(f'<path d="M{at_x:.1f} {y:.1f}v{EDGE_LENGTH}M{x:.1f} {at_y:.1f}h{EDGE_LENGTH}" stroke="{GRID}"/>')
        parts.append(text(at_x, y + EDGE_LENGTH + 14, hundredths(share), anchor="middle", size=10, fill=MUTED))
        parts.append(text(x - 6, at_y + 3.5, hundredths(share), anchor="end", size=10, fill=MUTED))
    parts.append(
        text(x + EDGE_LENGTH / 2, y + EDGE_LENGTH + 26, "found, % (recall)", anchor="middle", size=10, fill=MUTED)
    )
    parts.append(text(x - 30, y + EDGE_LENGTH / 2, "of them right, %", anchor="middle", size=10, fill=MUTED, turn=-90))
    parts.append(f'<rect x="{x}" y="{y}" width="{EDGE_LENGTH}" height="{EDGE_LENGTH}" fill="none" stroke="{EDGE}"/>')
    if len(curve.recall_K):
        steps = _steps(curve)
        line = "L".join("{:.1f} {:.1f}".format(*place(r, p)) for r, p in steps)
        base_y = y + EDGE_LENGTH
        parts.append(f'<path d="M{line}V{base_y:.1f}H{x:.1f}z" fill="{BAND}" fill-opacity="0.55"/>')
        parts.append(f'<path d="M{line}" fill="none" stroke="{BLUE}" stroke-width="1.8" stroke-linejoin="round"/>')
        if row.precision is not None and row.recall is not None:
            dot_x, dot_y = place(row.recall.value, row.precision.value)
            found, right = (unbroken(percent(share.value)) for share in (row.recall, row.precision))
            tip = f"threshold {row.threshold:.2f}: {found} found, {right} right"
            parts.append(
                f'<circle cx="{dot_x:.1f}" cy="{dot_y:.1f}" r="4.5" fill="{ORANGE}" stroke="white">'
                f"<title>{tip}</title></circle>"
            )
    else:
        parts.append(text(x + EDGE_LENGTH / 2, y + EDGE_LENGTH / 2, "nothing to find", anchor="middle", fill=INK))
    return parts


def _steps(curve: Curve, most: int = 300) -> list[tuple[float, float]]:
    """The (recall, precision) points of a line in steps, whose area is the average precision; thinned where it is long."""
    points: list[tuple[float, float]] = [(0.0, float(curve.precision_K[0]))]
    for k in np.unique(np.linspace(0, len(curve.recall_K) - 1, most).astype(int)):
        recall, precision = float(curve.recall_K[k]), float(curve.precision_K[k])
        points += [(points[-1][0], precision), (recall, precision)]
    return points
