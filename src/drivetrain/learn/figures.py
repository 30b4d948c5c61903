"""The headline figures of a training run or an evaluation, for each kind of task: as numbers, lines and JSON.

Shapes: J items judged, C classes, L labels, M numbers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from ..core.errors import DataError
from ..core.types import IntArray, Interval
from ..model.constant_answer import always_naming
from ..model.manifest import finite
from ..stats import metrics, number_metrics
from ..stats.label_metrics import LabelRow, best_thresholds, label_rows, mean_average_precision_interval
from ..stats.metrics import Floats
from ..stats.mistakes import balanced_accuracy, share
from .judged import Judged
from .targets import ClassTargets, LabelTargets, NumberTargets

# How often a number's interval is to hold it.
COVERAGE = 0.9

Line = tuple[str, str]


class Figures(Protocol):
    """What all kinds have."""

    @property
    def how(self) -> str:
        """In words, how they were obtained."""
        ...

    def headline(self) -> str:
        """The first figure, as a part of a sentence."""
        ...

    def lines(self) -> list[Line]:
        """Names and values, as the command line shows them."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Their part of the document that ``--json`` prints."""
        ...


@dataclass(frozen=True)
class ClassFigures:
    """One label of several."""

    accuracy: Interval
    log_loss: float
    ece: float
    auc: float | None
    """With two classes."""
    balanced_accuracy: float
    commonest: str
    """The class that most of the images judged have; the first of several."""
    constant: str
    """“always naming …” it, in words that hold also where several classes are equally common."""
    baseline: float
    """Accuracy of always naming it."""
    how: str
    random_split: float | None = None

    def headline(self) -> str:
        return f"accuracy would be {100 * self.accuracy.value:.1f} %"

    def lines(self) -> list[Line]:
        rows = [
            ("Accuracy", f"{_percent(self.accuracy.value)}  ({_between(self.accuracy)})"),
            ("", f"{self.constant}: {_percent(self.baseline)}"),
            ("", f"{self.how}; {self.accuracy.method}"),
        ]
        if self.auc is not None:
            rows.append(("AUC", f"{self.auc:.3f}"))
        return [
            *rows,
            ("Confidence", f"misses the accuracy by {_points(self.ece)} on average (calibration error)"),
            ("Log-loss", f"{self.log_loss:.3f} (0: sure and right every time)"),
        ]

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "accuracy": _json(self.accuracy, self.how),
            "baseline": {"label": self.commonest, "accuracy": self.baseline},
            "log_loss": self.log_loss,
            "ece": self.ece,
        }
        if self.random_split is not None:
            document["accuracy_random_split"] = {"value": self.random_split}
        if self.auc is not None:
            document["auc"] = self.auc
        return document


@dataclass(frozen=True)
class LabelFigures:
    """Any number of labels."""

    mean_average_precision: Interval
    """NaN where none of the labels occurs."""
    exact: Interval
    """Share of items all of whose labels are right."""
    log_loss: float
    rows: tuple[LabelRow, ...]
    baseline: float
    """Mean average precision of guessing: the mean, over the labels that occur, of the share of images that have them."""
    baseline_exact: float
    """Share of images all of whose labels are right, when every image is given the labels that most often go together."""
    how: str
    random_split: float | None = None

    def headline(self) -> str:
        return f"mean average precision would be {self.mean_average_precision.value:.3f}"

    def lines(self) -> list[Line]:
        precision = self.mean_average_precision
        mean = f"{precision.value:.3f}  ({precision.low:.3f} to {precision.high:.3f})"
        rows = [
            ("Mean av. precision", mean if np.isfinite(precision.value) else "–  (none of the labels occurs)"),
            *([("", f"guessing, by how common each label is: {self.baseline:.3f}")] if self.baseline else []),
            ("", f"{self.how}; {precision.method}"),
            ("All labels right", f"{_percent(self.exact.value)}  ({_between(self.exact)})"),
            ("", f"always giving the labels that most often go together: {_percent(self.baseline_exact)}"),
            ("Log-loss", f"{self.log_loss:.3f} a label (0: sure and right every time)"),
        ]
        for row in self.rows[:12]:
            found = f"precision {_or_dash(row.precision)}, recall {_or_dash(row.recall)}"
            rows.append((row.label, f"{found} from {row.threshold:.2f} on ({row.count} images)"))
        return rows + ([("…", f"{len(self.rows) - 12} more labels: see the report")] if len(self.rows) > 12 else [])

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "mean_average_precision": _json(self.mean_average_precision, self.how),
            "all_labels_right": _json(self.exact, self.how),
            "baseline": {"mean_average_precision": self.baseline, "all_labels_right": self.baseline_exact},
            "log_loss": self.log_loss,
            "labels": [
                {
                    "label": row.label,
                    "count": row.count,
                    "threshold": row.threshold,
                    "precision": row.precision.value if row.precision else None,
                    "recall": row.recall.value if row.recall else None,
                    "average_precision": row.average_precision,
                }
                for row in self.rows
            ],
        }
        if self.random_split is not None:
            document["mean_average_precision_random_split"] = {"value": self.random_split}
        return document


@dataclass(frozen=True)
class NumberFigures:
    """Numbers; each figure once for every target, in its own unit."""

    names: tuple[str, ...]
    mean_absolute_error: tuple[Interval, ...]
    baseline: tuple[float, ...]
    """Mean absolute error of always answering the median of the numbers judged."""
    root_mean_squared_error: tuple[float, ...]
    r_squared: tuple[float | None, ...]
    """None where all numbers judged are the same."""
    half_widths: tuple[float, ...]
    covered: tuple[Interval, ...]
    """Share of numbers within the half-width; by construction about `COVERAGE` where the half-widths were set."""
    how: str
    random_split: float | None = field(default=None)
    """Mean absolute error with random folds; of several numbers in standard deviations."""

    def headline(self) -> str:
        return f"mean absolute error would be {self.mean_absolute_error[0].value:.3g}"

    def lines(self) -> list[Line]:
        rows = []
        for m, name in enumerate(self.names):
            error = self.mean_absolute_error[m]
            rows += [
                ("Mean abs. error", f"{error.value:.3g}  ({error.low:.3g} to {error.high:.3g}) {name}"),
                (
                    "",
                    (
                        f"always answering the median: {self.baseline[m]:.3g}; R² {decimals(self.r_squared[m])} (0: no better "
                        "than always answering the mean; 1: exact)"
                    ),
                ),
                (
                    "Interval",
                    f"± {self.half_widths[m]:.3g} holds {_percent(self.covered[m].value)} of the images judged",
                ),
            ]
        rows.append(("Judged", f"{self.how}; {self.mean_absolute_error[0].method}"))
        return rows

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "targets": [
                {
                    "name": name,
                    "mean_absolute_error": _json(self.mean_absolute_error[m], self.how),
                    "baseline": self.baseline[m],
                    "root_mean_squared_error": self.root_mean_squared_error[m],
                    "r_squared": self.r_squared[m],
                    "half_width": self.half_widths[m],
                    "covered": asdict(self.covered[m]),
                }
                for m, name in enumerate(self.names)
            ]
        }
        if self.random_split is not None:
            document["mean_absolute_error_random_split"] = {"value": self.random_split}
        return document


AnyFigures = ClassFigures | LabelFigures | NumberFigures


def figures_of(
    judged: Judged,
    seed: int,
    random_split: float | None = None,
    thresholds_L: Floats | None = None,
    half_widths_M: Floats | None = None,
) -> AnyFigures:
    """The figures of what was judged. Thresholds and half-widths are set on it where none are given.

    Raises:
        DataError: too few numbers for an interval, or no label to set a threshold on.
    """
    targets, answers_JO, groups_J = judged.targets, judged.answers_JO, judged.groups_J
    match targets:
        case ClassTargets():
            return _of_classes(targets, answers_JO, groups_J, judged.how, random_split)
        case LabelTargets():
            return _of_labels(targets, answers_JO, groups_J, judged.how, random_split, thresholds_L, seed)
        case NumberTargets():
            return _of_numbers(targets, answers_JO, groups_J, judged.how, random_split, half_widths_M, seed)
    raise TypeError(f"no figures for {targets!r}")


def headline(judged: Judged) -> str:
    """The first figure, as a part of a sentence."""
    return figures_of(judged, seed=0).headline()


def _of_classes(
    targets: ClassTargets, probs_JC: Floats, groups_J: IntArray, how: str, random_split: float | None
) -> ClassFigures:
    labels_J, predicted_J, n_classes = targets.values, probs_JC.argmax(axis=1), len(targets.names)
    both = n_classes == 2 and len(np.unique(labels_J)) == 2
    counts_C = np.bincount(labels_J, minlength=n_classes)
    return ClassFigures(
        accuracy=metrics.accuracy(labels_J, predicted_J, groups_J),
        log_loss=metrics.log_loss(labels_J, probs_JC),
        ece=metrics.expected_calibration_error(labels_J, probs_JC),
        auc=metrics.auc(labels_J == 1, probs_JC[:, 1]) if both else None,
        balanced_accuracy=balanced_accuracy(labels_J, predicted_J, n_classes),
        commonest=targets.names[int(counts_C.argmax())],
        constant=always_naming(dict(zip(targets.names, counts_C.tolist(), strict=True))),
        baseline=float(counts_C.max() / len(labels_J)),
        how=how,
        random_split=random_split,
    )


def _of_labels(
    targets: LabelTargets,
    probs_JL: Floats,
    groups_J: IntArray,
    how: str,
    random_split: float | None,
    thresholds_L: Floats | None,
    seed: int,
) -> LabelFigures:
    present_JL = targets.values
    if thresholds_L is None and not (present_JL > 0.5).any():
        raise DataError(f"none of the {len(present_JL)} images to judge by ({how}) has a label; give some that have")
    thresholds = best_thresholds(present_JL, probs_JL) if thresholds_L is None else thresholds_L
    right_J = ((probs_JL >= thresholds) == (present_JL > 0.5)).all(axis=1)
    exact = share(right_J, np.ones(len(right_J), bool), groups_J)
    assert exact is not None  # something was judged
    shares_L = (present_JL > 0.5).mean(axis=0)
    _, together = np.unique(present_JL > 0.5, axis=0, return_counts=True)
    return LabelFigures(
        mean_average_precision=mean_average_precision_interval(present_JL, probs_JL, groups_J, seed),
        exact=exact,
        log_loss=float(targets.losses(probs_JL).mean()),
        rows=label_rows(present_JL, probs_JL, thresholds, groups_J, targets.names),
        baseline=float(shares_L[shares_L > 0].mean()) if shares_L.any() else 0.0,
        baseline_exact=float(together.max() / len(present_JL)),
        how=how,
        random_split=random_split,
    )


def _of_numbers(
    targets: NumberTargets,
    numbers_JM: Floats,
    groups_J: IntArray,
    how: str,
    random_split: float | None,
    half_widths_M: Floats | None,
    seed: int,
) -> NumberFigures:
    truth_JM = targets.values.astype(np.float64)
    few = number_metrics.fewest_for(COVERAGE)
    if half_widths_M is None and len(truth_JM) < few:
        raise DataError(
            f"{len(truth_JM)} images to judge by ({how}) are too few for intervals that hold {COVERAGE:.0%}; give {few} "
            "or more"
        )
    widths = number_metrics.half_widths(truth_JM - numbers_JM, COVERAGE) if half_widths_M is None else half_widths_M
    columns = range(len(targets.names))
    pairs = [(truth_JM[:, m], numbers_JM[:, m]) for m in columns]
    return NumberFigures(
        names=targets.names,
        mean_absolute_error=tuple(number_metrics.mean_absolute_error(*pair, groups_J, seed) for pair in pairs),
        baseline=tuple(float(np.abs(truth - np.median(truth)).mean()) for truth, _ in pairs),
        root_mean_squared_error=tuple(number_metrics.root_mean_squared_error(*pair) for pair in pairs),
        r_squared=tuple(finite(number_metrics.r_squared(*pair)) for pair in pairs),
        half_widths=tuple(float(w) for w in widths),
        covered=tuple(number_metrics.coverage_of(*pairs[m], float(widths[m]), groups_J) for m in columns),
        how=how,
        random_split=random_split,
    )


def _json(interval: Interval, how: str) -> dict[str, Any]:
    # JSON has no NaN.
    value, low, high = (finite(number) for number in (interval.value, interval.low, interval.high))
    return {"value": value, "low": low, "high": high, "method": f"{how}; {interval.method}"}


def decimals(value: float | None) -> str:
    """Three places; a dash for what could not be reckoned."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _points(value: float) -> str:
    return f"{100 * value:.1f} percentage points"


def _between(interval: Interval) -> str:
    return f"{_percent(interval.low)} to {_percent(interval.high)}"


def _or_dash(interval: Interval | None) -> str:
    return _percent(interval.value) if interval else "–"
