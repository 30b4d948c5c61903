"""The part that a model answers worst, a class, a label or a range of the numbers; and whether that is certain.

With few images the worst of several is often only the unluckiest. It is called certain where its 95 % interval does not
reach that of the next one. Shapes: J items judged, C classes, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.figure import Figure
from ..core.types import FloatArray, IntArray, Interval
from ..draw.numbers import between, percent, reading, shown
from ..stats.label_metrics import average_precision, mean_average_precision_interval
from ..stats.metrics import Floats
from ..stats.mistakes import share
from ..stats.number_metrics import mean_absolute_error
from .figures import figure, interval_of

# Parts with fewer images than this are left out, as little can be said about them.
FEW = 20

# The number of ranges that numbers are cut into, with the same number of images in each.
RANGES = 3


@dataclass(frozen=True)
class Candidate:
    """A class, label or range: how well it is answered, and how a sentence says so."""

    figure: Figure
    """``of`` is its name, ``n`` the images judged that are of it."""
    called: str
    """The part's name in the middle of a sentence."""
    opening: str
    """The part's name at the beginning of a sentence, with all that stands before ``said``."""
    said: str
    """The figure that says how well the part is answered."""

    @property
    def name(self) -> str:
        """The class or label, or the limits of the range."""
        return str(self.figure.of)

    @property
    def count(self) -> int:
        """Images judged that are of it."""
        return self.figure.n or 0

    @property
    def interval(self) -> Interval:
        """The limits of the figure; NaN where it has none."""
        return interval_of(self.figure)


@dataclass(frozen=True)
class Worst:
    """The candidate that is answered worst, and the next one."""

    first: Candidate
    next: Candidate
    what: str
    """The word for one of the candidates: class, label or range."""
    perfect: str = ""
    """The sentence where even the worst cannot be bettered; empty where the usual one says it."""

    @property
    def clear(self) -> bool:
        """Tells whether the part is certainly the worst: its interval does not reach that of the next one."""
        worst, other = self.first.interval, self.next.interval
        return worst.low > other.high if self._lower_is_better else worst.high < other.low

    @property
    def is_weak(self) -> bool:
        """Tells whether there is anything to improve: some of the part's images were answered wrong."""
        return self._lower_is_better or self.first.interval.value < 1

    @property
    def _lower_is_better(self) -> bool:
        return self.first.figure.better == "lower"

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``train --json`` prints."""
        found = self.first.interval
        return {
            "name": self.first.name,
            "count": self.first.count,
            "measure": self.first.figure.name,
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "clear": self.clear,
        }

    def sentence(self) -> str:
        """Say the worst part in words."""
        return self.perfect if self.perfect and not self.is_weak else f"{self.first.opening}{self.rest}"

    @property
    def rest(self) -> str:
        """The sentence after the name: how well it is answered, and how certain that is."""
        if self.first.count < FEW:
            return f"{self.first.said}; too few images to say more than that it needs a look"
        if not self.clear:
            other = self.next.called
            return f"{self.first.said}; its interval reaches that of {other}, so that this is the worst is not certain"
        return self.first.said


def worst_class(
    labels_J: IntArray, predicted_J: IntArray, groups_J: IntArray, names: Sequence[str], what: str = "class"
) -> Worst | None:
    """Find the class with the least recall; None where fewer than two classes occur. ``what``: what one of them is called."""
    right_J = labels_J == predicted_J
    candidates = []
    for c, name in enumerate(names):
        recall, n = share(right_J, labels_J == c, groups_J), int((labels_J == c).sum())
        if recall is not None:
            row = figure("recall", "recall", recall, "percent", "higher", "", n=n, of=name)
            right = f"{round(recall.value * n)} of {_images(n)} right"
            said = f"{right}, {percent(recall.value)} ({between(recall.low, recall.high)})"
            candidates.append(Candidate(row, f"“{name}”", f"“{name}”: ", said))
    return _worst(candidates, what, f"none: every image of every {what} was named right")


def worst_label(
    present_JL: FloatArray, probs_JL: Floats, groups_J: IntArray, names: Sequence[str], seed: int
) -> Worst | None:
    """Find the label with the least average precision; None where fewer than two labels occur."""
    present = present_JL > 0.5
    ranked = [
        (average_precision(present[:, c], probs_JL[:, c]), c) for c in np.flatnonzero(present.any(axis=0)).tolist()
    ]
    candidates = []
    for _, c in sorted(ranked)[:2]:
        found = mean_average_precision_interval(present_JL[:, [c]], probs_JL[:, [c]], groups_J, seed)
        n, name = int(present[:, c].sum()), names[c]
        row = figure("average-precision", "average precision", found, "decimals", "higher", "", n=n, of=name)
        said = f"{_images(n)}: {row.name} {shown(row)} ({between(found.low, found.high, row.format)})"
        candidates.append(Candidate(row, f"“{name}”", f"“{name}”, ", said))
    return _worst(candidates, "label")


def worst_range(truth_J: Floats, answers_J: Floats, groups_J: IntArray, name: str, seed: int) -> Worst | None:
    """The range of a number with the greatest mean absolute error; None where nearly all are the same."""
    edges = np.unique(np.quantile(truth_J, np.linspace(0, 1, RANGES + 1)))
    if len(edges) < 3:
        return None
    place_J = np.clip(np.searchsorted(edges, truth_J, side="right") - 1, 0, len(edges) - 2)
    candidates = []
    for place in np.unique(place_J):
        rows = np.flatnonzero(place_J == place)
        error, n = mean_absolute_error(truth_J[rows], answers_J[rows], groups_J[rows], seed), len(rows)
        limits = f"{name} {reading(truth_J[rows].min())} to {reading(truth_J[rows].max())}"
        row = figure("mean-absolute-error", "mean absolute error", error, "significant", "lower", "", n=n, of=limits)
        said = f"{_images(n)}: off by {shown(row)} on average ({between(error.low, error.high, row.format)})"
        candidates.append(Candidate(row, limits, f"{limits}, ", said))
    return _worst(candidates, "range")


def _images(count: int) -> str:
    return f"{count} image{'s' * (count != 1)}"


def _worst(candidates: Sequence[Candidate], what: str, perfect: str = "") -> Worst | None:
    if len(candidates) < 2:
        return None
    sign = 1 if candidates[0].figure.better == "higher" else -1
    # The range with more images is named of several that are equally bad.
    first, second, *_ = sorted(candidates, key=lambda one: (sign * one.interval.value, -one.count))
    return Worst(first, second, what, perfect)
