"""A classifier's mistakes, to look at and to query: from labels and held-out probabilities.

The questions are those of fastai's ``ClassificationInterpretation``, the answers plain figures, drawings that a
notebook shows, and sheets of pictures. Give it held-out or out-of-fold probabilities: on the training images a model is
nearly always right. Shapes: N items, C classes, K chosen items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import DataError
from ..core.types import IntArray, Interval
from ..data.preparation import Preparation
from ..draw.confusion_plot import confusion_plot
from ..draw.numbers import decimals, hundredths, percent, percent_number, unbroken
from ..draw.svg import Svg
from ..draw.text_table import TextTable
from ..stats.metrics import Floats, accuracy, confusion, effective_trials, losses, wilson
from ..stats.mistakes import CONFIDENT, ClassRow, class_rows, confident_mistakes, top_losses
from .loss_sheet import T, loss_sheet, named
from .slices import FEWEST_TRIALS, SliceRow, Values, each_slice


@dataclass(frozen=True, eq=False, repr=False)
class Interpretation(Generic[T]):
    """One label of several.

    Args:
        items: with ``path`` and ``name``, such as `core.types.Item`.
        labels_N: what they are, as indices of ``classes``.
        probs_NC: what the model says, fractions.
        groups_N: items of one group are not independent; ``numpy.arange(N)`` where all are.
        classes: in the order of the columns.
        preparation: that of the network, by which pictures are shown as it sees them; None: as they show by themselves.

    Raises:
        DataError: the parts do not fit each other.
    """

    items: Sequence[T]
    labels_N: IntArray
    probs_NC: Floats
    groups_N: IntArray
    classes: tuple[str, ...]
    preparation: Preparation | None = None

    def __post_init__(self) -> None:
        n, shape = len(self.items), (len(self.items), len(self.classes))
        if self.probs_NC.shape != shape or self.labels_N.shape != (n,) or self.groups_N.shape != (n,):
            raise DataError(
                f"{n} items and {len(self.classes)} classes need as many labels and groups, and probabilities of shape "
                f"{shape}; received {self.labels_N.shape}, {self.groups_N.shape} and {self.probs_NC.shape}"
            )
        if not n:
            raise DataError("there is nothing to interpret: no items; give those that were held out")
        if not 0 <= self.labels_N.min() <= self.labels_N.max() < len(self.classes):
            raise DataError(f"labels are indices from 0 to {len(self.classes) - 1}; received {self.labels_N.max()}")
        if not np.isfinite(self.probs_NC).all():
            raise DataError("some probabilities are not finite; leave those items out")

    def __repr__(self) -> str:
        right = self.accuracy
        return (
            f"<Interpretation of {len(self.items):,} items, {len(self.classes)} classes, {interval_text(right)} right>"
        )

    @cached_property
    def predicted_N(self) -> IntArray:
        """The most probable class of each item."""
        predicted_N: IntArray = self.probs_NC.argmax(axis=1).astype(np.int64)
        return predicted_N

    @cached_property
    def losses_N(self) -> Floats:
        """−log p(label) of each item, in nats."""
        return losses(self.labels_N, self.probs_NC)

    @property
    def accuracy(self) -> Interval:
        """Share of right answers with Wilson's interval for the independent items."""
        return accuracy(self.labels_N, self.predicted_N, self.groups_N)

    def confusion_matrix(self) -> IntArray:
        """Return (C, C) counts; rows are the true classes, columns the predicted ones."""
        return confusion(self.labels_N, self.predicted_N, len(self.classes))

    def most_confused(self, min_val: int = 1) -> list[tuple[str, str, int]]:
        """(actual, predicted, count) of all mistakes made at least ``min_val`` times, the most frequent first."""
        counts_CC = self.confusion_matrix()
        np.fill_diagonal(counts_CC, 0)
        rows, columns = np.nonzero(counts_CC >= max(min_val, 1))
        found = [(self.classes[y], self.classes[x], int(counts_CC[y, x])) for y, x in zip(rows, columns, strict=True)]
        return sorted(found, key=lambda pair: -pair[2])

    def top_losses(self, k: int | None = None, *, largest: bool = True) -> tuple[Floats, NDArray[np.intp]]:
        """(K,) losses and (K,) rows of the items with the greatest loss, or the least; by default of all, in order."""
        count = len(self.items) if k is None else max(k, 0)
        rows_K = (
            top_losses(self.labels_N, self.probs_NC, count)
            if largest
            else np.argsort(self.losses_N, kind="stable")[:count]
        )
        return self.losses_N[rows_K], rows_K

    def confident_mistakes(self, k: int, least: float = CONFIDENT) -> NDArray[np.intp]:
        """Rows of up to ``k`` wrong answers with a confidence of ``least`` or more, the most confident first: the first place
        to look for wrong labels."""
        return confident_mistakes(self.labels_N, self.probs_NC, least)[:k]

    def class_rows(self) -> tuple[ClassRow, ...]:
        """Return count, precision and recall of each class, with Wilson's intervals."""
        return class_rows(self.labels_N, self.predicted_N, self.groups_N, self.classes)

    def classification_report(self) -> TextTable:
        """Return `class_rows` as a table for people, with F1, and the accuracy over all."""
        rows = [
            (row.label, f"{row.count:,}", interval_text(row.precision), interval_text(row.recall), _f1(row))
            for row in self.class_rows()
        ]
        total = ("all", f"{len(self.items):,}", "", interval_text(self.accuracy), "")
        return TextTable(("class", "images", "precision", "recall", "F1"), (*rows, total))

    def by_slice(self, values: Values[T]) -> tuple[SliceRow, ...]:
        """Accuracy and log-loss of each slice, the least accurate first; slices too small to judge by stand last.

        Of many slices some look bad by chance alone: an interval of 95 % is beside the truth for one in twenty.

        Args:
            values: one name an item in their order, a mapping from the items' names, or a function of an item.

        Raises:
            DataError: an item has no value, or there is not one value an item.
        """
        hits_N = self.labels_N == self.predicted_N
        rows = []
        for name, inside in each_slice(values, self.items):
            effective = effective_trials(hits_N[inside], self.groups_N[inside])
            rows.append(
                SliceRow(
                    name,
                    len(inside),
                    wilson(float(hits_N[inside].mean()) * effective, effective),
                    float(self.losses_N[inside].mean()),
                    small=effective < FEWEST_TRIALS,
                )
            )
        return tuple(sorted(rows, key=lambda row: (row.small, row.accuracy.value, -row.log_loss)))

    def slice_table(self, values: Values[T]) -> TextTable:
        """Return `by_slice` as a table for people.

        Raises:
            DataError: as for `by_slice`.
        """
        rows = (
            (
                row.slice,
                f"{row.count:,}",
                interval_text(row.accuracy),
                decimals(row.log_loss),
                "too few" if row.small else "",
            )
            for row in self.by_slice(values)
        )
        return TextTable(("slice", "images", "accuracy", "log-loss", ""), tuple(rows))

    def plot_confusion_matrix(self, *, normalize: bool = False) -> Svg:
        """The confusion matrix; ``normalize`` writes per cent of the row instead of counts."""
        return confusion_plot(self.classes, self.confusion_matrix().tolist(), normalize=normalize)

    def plot_top_losses(
        self, k: int = 9, nrows: int | None = None, heat: Callable[[T], Image.Image] | None = None
    ) -> Image.Image:
        """The pictures with the greatest loss: ``label › answer``, the answer's probability, the loss.

        Where the answer is right it stands once.

        ``heat`` draws an item in place of its picture, such as ``lambda item: heat_map(predictor,
        item.path).overlay()``.

        Raises:
            UsageError: ``k`` or ``nrows`` is no number of pictures or rows.
        """
        losses_K, rows_K = self.top_losses(k)
        captions = []
        for row, loss in zip(rows_K, losses_K, strict=True):
            label, answer = self.classes[self.labels_N[row]], self.classes[self.predicted_N[row]]
            names = [label] if label == answer else [label, answer]
            captions.append(named(names, f"{hundredths(self.probs_NC[row].max())} % {loss:.1f}"))
        return loss_sheet([self.items[row] for row in rows_K], captions, nrows, heat, self.preparation)


def interval_text(interval: Interval | None) -> str:
    """A share with its interval; a dash where there is none."""
    if interval is None:
        return "–"
    return unbroken(f"{percent(interval.value)} ({percent_number(interval.low)}–{percent_number(interval.high)})")


def _f1(row: ClassRow) -> str:
    if row.precision is None or row.recall is None:
        return "–"
    both = row.precision.value + row.recall.value
    return unbroken(percent(2 * row.precision.value * row.recall.value / both if both else 0.0))
