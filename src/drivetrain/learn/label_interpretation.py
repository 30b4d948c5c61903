"""The mistakes of a model of any number of labels: from the labels present and held-out probabilities.

The questions of `interpretation`, asked of each label. Shapes: N items, L labels, K chosen items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import DataError, UsageError
from ..core.types import FloatArray, IntArray
from ..data.preparation import Preparation
from ..draw.numbers import percent, unbroken
from ..draw.precision_recall_plot import precision_recall, precision_recall_plot
from ..draw.svg import Svg
from ..draw.text_table import TextTable
from ..stats.label_metrics import LabelRow, binary_losses, label_rows
from ..stats.metrics import Floats
from .interpretation import interval_text
from .loss_sheet import T, fits, loss_sheet

MOST_PANELS = 24


class LabelErrors(NamedTuple):
    """``errors`` of ``out_of`` items that have the label (missed), or that were given it (wrongly given)."""

    label: str
    errors: int
    out_of: int


@dataclass(frozen=True, eq=False, repr=False)
class LabelInterpretation(Generic[T]):
    """The mistakes of answers that are any of several labels, or none.

    Args:
        items: with ``path`` and ``name``, such as `core.types.Item`.
        present_NL: 1 where an item has a label, else 0.
        probs_NL: what the model says of each label by itself, fractions.
        thresholds_L: a label is given where its probability is at least this.
        groups_N: items of one group are not independent; ``numpy.arange(N)`` where all are.
        labels: in the order of the columns.
        preparation: that of the network, by which pictures are shown as it sees them; None: as they show by themselves.

    Raises:
        DataError: the parts do not fit each other.
    """

    items: Sequence[T]
    present_NL: FloatArray
    probs_NL: Floats
    thresholds_L: Sequence[float] | Floats
    groups_N: IntArray
    labels: tuple[str, ...]
    preparation: Preparation | None = None

    def __post_init__(self) -> None:
        n, shape = len(self.items), (len(self.items), len(self.labels))
        fits = self.present_NL.shape == self.probs_NL.shape == shape and self.groups_N.shape == (n,)
        if not fits or len(self.thresholds_L) != len(self.labels):
            raise DataError(
                f"{n} items and {len(self.labels)} labels need two arrays of shape {shape}, a group each and a threshold "
                f"each; received {self.present_NL.shape} and {self.probs_NL.shape}, {self.groups_N.shape} groups and "
                f"{len(self.thresholds_L)} thresholds"
            )
        if not n:
            raise DataError("there is nothing to interpret: no items; give those that were held out")
        if not np.isfinite(self.probs_NL).all():
            raise DataError("some probabilities are not finite; leave those items out")

    def __repr__(self) -> str:
        exact = unbroken(percent(float((self.given_NL == self.there_NL).all(axis=1).mean())))
        return f"<LabelInterpretation of {len(self.items):,} items, {len(self.labels)} labels, {exact} all right>"

    @cached_property
    def there_NL(self) -> NDArray[np.bool_]:  # an array carries its shape
        """The mask of the labels that each item has."""
        there: NDArray[np.bool_] = np.asarray(self.present_NL) > 0.5
        return there

    @cached_property
    def given_NL(self) -> NDArray[np.bool_]:
        """The mask of the labels that the model gives each item."""
        given: NDArray[np.bool_] = np.asarray(self.probs_NL) >= np.asarray(self.thresholds_L)
        return given

    @cached_property
    def losses_N(self) -> Floats:
        """Binary cross-entropy of each item, the mean over its labels, in nats."""
        return binary_losses(self.present_NL, self.probs_NL)

    def label_rows(self) -> tuple[LabelRow, ...]:
        """Count, precision, recall and average precision of each label."""
        return label_rows(self.present_NL, self.probs_NL, self.thresholds_L, self.groups_N, self.labels)

    def classification_report(self) -> TextTable:
        """Return `label_rows` as a table for people."""
        rows = (
            (
                row.label,
                f"{row.count:,}",
                f"{row.threshold:.2f}",
                interval_text(row.precision),
                interval_text(row.recall),
                "–" if row.average_precision is None else unbroken(percent(row.average_precision)),
            )
            for row in self.label_rows()
        )
        return TextTable(("label", "images", "threshold", "precision", "recall", "AP"), tuple(rows))

    def top_losses(self, k: int | None = None, *, largest: bool = True) -> tuple[Floats, NDArray[np.intp]]:
        """(K,) losses and (K,) rows of the items with the greatest loss, or the least; by default of all, in order."""
        order = np.argsort(-self.losses_N if largest else self.losses_N, kind="stable")
        rows_K = order if k is None else order[: max(k, 0)]
        return self.losses_N[rows_K], rows_K

    def most_missed(self, min_val: int = 1) -> list[LabelErrors]:
        """Labels that were there and not given, the most frequent first."""
        return self._errors(self.there_NL & ~self.given_NL, self.there_NL, min_val)

    def most_wrongly_given(self, min_val: int = 1) -> list[LabelErrors]:
        """Labels that were given and not there, the most frequent first."""
        return self._errors(self.given_NL & ~self.there_NL, self.given_NL, min_val)

    def _errors(self, wrong_NL: NDArray[np.bool_], all_NL: NDArray[np.bool_], min_val: int) -> list[LabelErrors]:
        counts, totals = wrong_NL.sum(axis=0), all_NL.sum(axis=0)
        found = [
            LabelErrors(label, int(count), int(total))
            for label, count, total in zip(self.labels, counts, totals, strict=True)
            if count >= max(min_val, 1)
        ]
        return sorted(found, key=lambda each: (-each.errors, each.out_of))

    def plot_precision_recall(self, labels: Sequence[str] | None = None) -> Svg:
        """Precision against recall of each label, in the order given; by default the 24 of least average precision.

        Raises:
            UsageError: there is no such label.
        """
        rows = self.label_rows()
        if labels is None:
            # Labels that no item has come last: there is nothing to draw.
            order = sorted(range(len(rows)), key=lambda i: 2.0 if (ap := rows[i].average_precision) is None else ap)
            chosen, left_out = order[:MOST_PANELS], max(len(rows) - MOST_PANELS, 0)
        else:
            unknown = [label for label in labels if label not in self.labels]
            if unknown or not labels:
                known = ", ".join(self.labels[:10]) + (", …" if len(self.labels) > 10 else "")
                raise UsageError(f"there is no label “{', '.join(unknown)}”; the labels are {known}")
            chosen, left_out = [self.labels.index(label) for label in labels], 0
        probs_NL = np.asarray(self.probs_NL, np.float64)
        curves = [precision_recall(self.there_NL[:, i], probs_NL[:, i]) for i in chosen]
        return precision_recall_plot([rows[i] for i in chosen], curves, left_out)

    def plot_top_losses(
        self, k: int = 9, nrows: int | None = None, heat: Callable[[T], Image.Image] | None = None
    ) -> Image.Image:
        """The pictures with the greatest loss; below each the labels it misses (-), those wrongly given (+), the loss.

        ``heat`` draws an item in place of its picture.

        Raises:
            UsageError: ``k`` or ``nrows`` is no number of pictures or rows.
        """
        losses_K, rows_K = self.top_losses(k)
        captions = [self._caption(row, loss) for row, loss in zip(rows_K, losses_K, strict=True)]
        return loss_sheet([self.items[row] for row in rows_K], captions, nrows, heat, self.preparation)

    def _caption(self, row: int, loss: float) -> str:
        there_L, given_L = self.there_NL[row], self.given_NL[row]
        signs = [("-", i) for i in np.flatnonzero(there_L & ~given_L)] + [
            ("+", i) for i in np.flatnonzero(given_L & ~there_L)
        ]
        # The greatest mistakes first, as there may not be room for all.
        probs_L = np.asarray(self.probs_NL[row])
        signs.sort(key=lambda each: -abs(float(probs_L[each[1]]) - float(there_L[each[1]])))
        words = " ".join(f"{sign}{self.labels[i]}" for sign, i in signs) or "all right"
        figure = f" {loss:.2f}"
        if not fits(words + figure):
            while words and not fits(f"{words}…{figure}"):
                words = words[:-1].rstrip()
            words += "…"
        return words + figure
