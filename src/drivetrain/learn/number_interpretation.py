"""The errors of predicted numbers: from true and held-out predicted ones, and the intervals promised around them.

Shapes: N items, M numbers an item, K chosen items. Residuals are number − prediction, in the number's own unit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import DataError, UsageError
from ..core.types import FloatArray, IntArray, Interval
from ..data.preparation import Preparation
from ..draw.number_plots import residual_plot, scatter_plot
from ..draw.numbers import decimals, reading
from ..draw.svg import Svg
from ..draw.text_table import TextTable
from ..stats.metrics import Floats, effective_trials
from ..stats.number_metrics import coverage_of, r_squared
from .interpretation import interval_text
from .loss_sheet import T, loss_sheet, named
from .slices import FEWEST_TRIALS, NumberSliceRow, Values, each_slice


@dataclass(frozen=True, eq=False, repr=False)
class NumberInterpretation(Generic[T]):
    """The errors of one number or several an item. Where a method takes ``name``, None is the only or first number.

    Args:
        items: with ``path`` and ``name``, such as `core.types.Item`.
        numbers_NM: what they are.
        predicted_NM: what the model says.
        half_widths_M: the interval promised is prediction ± this; infinite where none could be.
        names: of the numbers, in the order of the columns.
        groups_N: items of one group are not independent; ``numpy.arange(N)`` where all are.
        preparation: that of the network, by which pictures are shown as it sees them; None: as they show by themselves.

    Raises:
        DataError: the parts do not fit each other, or a number is not finite.
    """

    items: Sequence[T]
    numbers_NM: FloatArray | Floats
    predicted_NM: FloatArray | Floats
    half_widths_M: Sequence[float] | Floats
    names: tuple[str, ...]
    groups_N: IntArray
    preparation: Preparation | None = None

    def __post_init__(self) -> None:
        n, shape = len(self.items), (len(self.items), len(self.names))
        fits = self.numbers_NM.shape == self.predicted_NM.shape == shape and self.groups_N.shape == (n,)
        if not fits or len(self.half_widths_M) != len(self.names):
            raise DataError(
                f"{n} items and {len(self.names)} numbers need two arrays of shape {shape}, a group each and a half width "
                f"a number; received {self.numbers_NM.shape} and {self.predicted_NM.shape}, {self.groups_N.shape} groups "
                f"and {len(self.half_widths_M)} half widths"
            )
        if not n:
            raise DataError("there is nothing to interpret: no items; give those that were held out")
        if not (np.isfinite(self.numbers_NM).all() and np.isfinite(self.predicted_NM).all()):
            raise DataError("some numbers are not finite; leave those items out")

    def __repr__(self) -> str:
        errors = ", ".join(
            f"{name} ± {reading(error)}"
            for name, error in zip(self.names[:3], np.abs(self.residuals_NM).mean(axis=0)[:3], strict=True)
        )
        return f"<NumberInterpretation of {len(self.items):,} items; mean errors: {errors}>"

    @cached_property
    def residuals_NM(self) -> Floats:  # an array carries its shape
        """Number − prediction: above 0 where the model says too little."""
        residuals: Floats = np.asarray(self.numbers_NM, np.float64) - np.asarray(self.predicted_NM, np.float64)
        return residuals

    def worst(self, k: int | None = None, name: str | None = None) -> tuple[Floats, NDArray[np.intp]]:
        """(K,) residuals and (K,) rows of the items furthest off, either way; by default of all, in order.

        Raises:
            UsageError: there is no such number.
        """
        residuals_N = self.residuals_NM[:, self._column(name)]
        order = np.argsort(-np.abs(residuals_N), kind="stable")
        rows_K = order if k is None else order[: max(k, 0)]
        return residuals_N[rows_K], rows_K

    def coverage(self) -> tuple[Interval, ...]:
        """For each number, the share within its interval, with Wilson's interval for the independent items.

        On the items that gave the half widths it says nothing new.
        """
        return tuple(self._coverage(column, np.arange(len(self.items))) for column in range(len(self.names)))

    def by_slice(self, values: Values[T], name: str | None = None) -> tuple[NumberSliceRow, ...]:
        """Errors and coverage of each slice, the least covered first; slices too small to judge by stand last.

        An interval holds on average over all items, not within every slice; here is where it does not.

        Args:
            values: one name an item in their order, a mapping from the items' names, or a function of an item.
            name: of the number.

        Raises:
            DataError: an item has no value, or there is not one value an item.
            UsageError: there is no such number.
        """
        column = self._column(name)
        residuals_N = self.residuals_NM[:, column]
        covered_N = np.abs(residuals_N) <= self.half_widths_M[column]
        rows = [
            NumberSliceRow(
                slice_name,
                len(inside),
                float(np.abs(residuals_N[inside]).mean()),
                float(residuals_N[inside].mean()),
                self._coverage(column, inside),
                small=effective_trials(covered_N[inside], self.groups_N[inside]) < FEWEST_TRIALS,
            )
            for slice_name, inside in each_slice(values, self.items)
        ]
        return tuple(sorted(rows, key=lambda row: (row.small, row.coverage.value, -row.mean_absolute_error)))

    def slice_table(self, values: Values[T], name: str | None = None) -> TextTable:
        """Return `by_slice` as a table for people.

        Raises:
            DataError: as for `by_slice`.
            UsageError: there is no such number.
        """
        rows = (
            (
                row.slice,
                f"{row.count:,}",
                reading(row.mean_absolute_error),
                f"{row.bias:+.4g}",
                interval_text(row.coverage),
                "too few" if row.small else "",
            )
            for row in self.by_slice(values, name)
        )
        return TextTable(("slice", "images", "mean error", "bias", "in interval", ""), tuple(rows))

    def report(self) -> TextTable:
        """One line a number: mean and root mean squared error, R², half width and realised coverage."""
        rows = []
        for column, (name, covered) in enumerate(zip(self.names, self.coverage(), strict=True)):
            residuals_N = self.residuals_NM[:, column]
            explained = r_squared(self.numbers_NM[:, column], self.predicted_NM[:, column])
            finite = bool(np.isfinite(self.half_widths_M[column]))
            rows.append(
                (
                    name,
                    reading(np.abs(residuals_N).mean()),
                    reading(np.sqrt(np.mean(residuals_N**2))),
                    decimals(explained),
                    f"± {reading(self.half_widths_M[column])}" if finite else "none",
                    interval_text(covered if finite else None),
                )
            )
        return TextTable(("number", "mean error", "RMS error", "R²", "interval", "in interval"), tuple(rows))

    def plot_scatter(self, name: str | None = None) -> Svg:
        """Predicted over true with the interval's band; orange lies outside it.

        Raises:
            UsageError: there is no such number.
        """
        column = self._column(name)
        return scatter_plot(
            np.asarray(self.numbers_NM[:, column], np.float64),
            np.asarray(self.predicted_NM[:, column], np.float64),
            float(self.half_widths_M[column]),
            self._coverage(column, np.arange(len(self.items))),
            self.names[column],
        )

    def plot_residuals(self, name: str | None = None) -> Svg:
        """Histogram of the residuals with the interval's band.

        Raises:
            UsageError: there is no such number.
        """
        column = self._column(name)
        return residual_plot(self.residuals_NM[:, column], float(self.half_widths_M[column]), self.names[column])

    def plot_worst(
        self,
        k: int = 9,
        nrows: int | None = None,
        heat: Callable[[T], Image.Image] | None = None,
        *,
        name: str | None = None,
    ) -> Image.Image:
        """The pictures furthest off: ``true › predicted``, and the residual. ``heat`` draws an item in place of its picture.

        Raises:
            UsageError: there is no such number, or ``k`` or ``nrows`` is no number of pictures or rows.
        """
        column = self._column(name)
        residuals_K, rows_K = self.worst(k, name)
        captions = [
            named(
                [reading(self.numbers_NM[row, column]), reading(self.predicted_NM[row, column])], f"({residual:+.3g})"
            )
            for row, residual in zip(rows_K, residuals_K, strict=True)
        ]
        return loss_sheet([self.items[row] for row in rows_K], captions, nrows, heat, self.preparation)

    def _coverage(self, column: int, inside: NDArray[np.intp]) -> Interval:
        return coverage_of(
            self.numbers_NM[inside, column],
            self.predicted_NM[inside, column],
            float(self.half_widths_M[column]),
            self.groups_N[inside],
        )

    def _column(self, name: str | None) -> int:
        if name is None:
            return 0
        if name not in self.names:
            raise UsageError(f"there is no number “{name}”; the numbers are {', '.join(self.names[:10])}")
        return self.names.index(name)
