"""What a model is worst at, named: a class, a label, or a range of the numbers; and whether that is certain.

With few images the worst of several is often only the unluckiest. It is called certain where its 95 % interval does not
reach that of the next one. Shapes: J items judged, C classes, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..core.types import FloatArray, IntArray, Interval
from ..draw.numbers import between, decimals, percent, significant
from ..stats.label_metrics import average_precision, mean_average_precision_interval
from ..stats.metrics import Floats
from ..stats.mistakes import share
from ..stats.number_metrics import mean_absolute_error

# Of fewer images nothing much can be said.
FEW = 20

# Ranges that numbers are cut into, with the same number of images in each.
RANGES = 3

Measure = Literal["recall", "average precision", "mean absolute error"]


@dataclass(frozen=True)
class Part:
    """A class, label or range: how many of the images judged are of it, and how well it is answered."""

    name: str
    count: int
    figure: Interval


@dataclass(frozen=True)
class Worst:
    """The part that is answered worst, and the next one."""

    part: Part
    next: Part
    measure: Measure
    what: str
    """What the part is: a class, a label or a range."""

    @property
    def clear(self) -> bool:
        """Whether it is certainly the worst: its interval does not reach that of the next one."""
        worst, other = self.part.figure, self.next.figure
        if self.measure == "mean absolute error":
            return worst.low > other.high
        return worst.high < other.low

    @property
    def is_weak(self) -> bool:
        """Whether there is anything to better: some of its images were answered wrong."""
        return self.measure == "mean absolute error" or self.part.figure.value < 1

    def to_json(self) -> dict[str, Any]:
        """As ``train --json`` prints it."""
        figure = self.part.figure
        return {
            "name": self.part.name,
            "count": self.part.count,
            "measure": self.measure,
            "value": figure.value,
            "low": figure.low,
            "high": figure.high,
            "clear": self.clear,
        }

    def sentence(self) -> str:
        """In words."""
        part, figure = self.part, self.part.figure
        images = f"{part.count} image{'s' * (part.count != 1)}"
        match self.measure:
            case "recall":
                if figure.value == 1:
                    return f"none: every image of every {self.what} was named right"
                right = f"{round(figure.value * part.count)} of {images} right"
                limits = between(figure.low, figure.high)
                text = f"“{part.name}”: {right}, {percent(figure.value)} ({limits})"
            case "average precision":
                limits = between(figure.low, figure.high, "decimals")
                text = f"“{part.name}”, {images}: average precision {decimals(figure.value)} ({limits})"
            case _:
                limits = between(figure.low, figure.high, "significant")
                text = f"{part.name}, {images}: off by {significant(figure.value)} on average ({limits})"
        if part.count < FEW:
            return f"{text}; too few images to say more than that it needs a look"
        if not self.clear:
            other = self.next.name if self.measure == "mean absolute error" else f"“{self.next.name}”"
            return f"{text}; its interval reaches that of {other}, so that this is the worst is not certain"
        return text


def worst_class(
    labels_J: IntArray, predicted_J: IntArray, groups_J: IntArray, names: Sequence[str], what: str = "class"
) -> Worst | None:
    """By recall; None where fewer than two classes occur. ``what``: what one of them is called."""
    right_J = labels_J == predicted_J
    parts = []
    for c, name in enumerate(names):
        recall = share(right_J, labels_J == c, groups_J)
        if recall is not None:
            parts.append(Part(name, int((labels_J == c).sum()), recall))
    return _least(parts, "recall", what)


def worst_label(
    present_JL: FloatArray, probs_JL: Floats, groups_J: IntArray, names: Sequence[str], seed: int
) -> Worst | None:
    """By average precision; None where fewer than two labels occur."""
    present = present_JL > 0.5
    ranked = [
        (average_precision(present[:, c], probs_JL[:, c]), c) for c in np.flatnonzero(present.any(axis=0)).tolist()
    ]
    parts = []
    for _, c in sorted(ranked)[:2]:
        figure = mean_average_precision_interval(present_JL[:, [c]], probs_JL[:, [c]], groups_J, seed)
        parts.append(Part(names[c], int(present[:, c].sum()), figure))
    return _least(parts, "average precision", "label")


def worst_range(truth_J: Floats, answers_J: Floats, groups_J: IntArray, name: str, seed: int) -> Worst | None:
    """The range of a number with the greatest mean absolute error; None where nearly all are the same."""
    edges = np.unique(np.quantile(truth_J, np.linspace(0, 1, RANGES + 1)))
    if len(edges) < 3:
        return None
    place_J = np.clip(np.searchsorted(edges, truth_J, side="right") - 1, 0, len(edges) - 2)
    parts = []
    for place in np.unique(place_J):
        rows = np.flatnonzero(place_J == place)
        error = mean_absolute_error(truth_J[rows], answers_J[rows], groups_J[rows], seed)
        span = f"{name} {truth_J[rows].min():.4g} to {truth_J[rows].max():.4g}"
        parts.append(Part(span, len(rows), error))
    return _least(parts, "mean absolute error", "range")


def _least(parts: Sequence[Part], measure: Measure, what: str) -> Worst | None:
    if len(parts) < 2:
        return None
    sign = -1 if measure == "mean absolute error" else 1
    # Of equal ones that with the more images: there is more behind it.
    first, second, *_ = sorted(parts, key=lambda part: (sign * part.figure.value, -part.count))
    return Worst(first, second, measure, what)
