"""A head for numbers: ridge regression on frozen features.

For targets y in units of their standard deviation

    minimise  C · Σ_i w_i · (y_i − x_i · w − b)²  +  ‖w‖²

with b not penalised; one C for all targets, chosen by the grouped out-of-fold squared error (Hoerl and Kennard 1970).
1/C is scikit-learn's ``alpha``. The features are rotated into their principal axes and scaled to unit energy once;
each fold's products of axes are then those of all items less the fold's own, so that a penalty costs one Cholesky
factor a fold. Shapes: N items, D features, R axes, M numbers, F folds. `Head` and `OutOfFold` are those of
classification, so their shape C is M here; they hold numbers in the targets' own units, β is 1, and their softmax
``probs_NC`` means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from ..core.errors import DataError
from ..core.types import FloatArray, IntArray
from ..data.block.blocks import STRATA
from ..stats.folds import DEFAULT_FOLDS, grouped_folds, random_folds
from ..stats.metrics import Floats
from .crossval import OutOfFold, Validation, best_penalty, in_every_fold, on_random_folds
from .head import FittedHead, Head
from .logistic import Axes, Solution

# The least ridge, as a part of an axis' energy. Features of unit length stay far above it; for much longer ones, where items
# are fewer than features, it keeps the system solvable. Their float32 rounding is larger.
LEAST_RIDGE = 1e-10

Numbers = NDArray[np.float64] | FloatArray


def rank_strata(numbers_NM: Numbers) -> IntArray:
    """(N,) stratum of each item: fifths of the ranks of its first number; equal numbers stand in one.

    Strata are numbered from 0 without gaps; `RegressionBlock.strata` makes the same.
    """
    _, place_N, counts_U = np.unique(np.asarray(numbers_NM)[:, 0], return_inverse=True, return_counts=True)
    rank_U = np.cumsum(counts_U) - (counts_U + 1) / 2
    fifth_N = (rank_U[place_N] * STRATA // max(len(place_N), 1)).astype(np.int64)
    return np.unique(fifth_N, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class _Sums:
    """Weighted sums over some items, of axes scaled to unit energy and standardised targets: all that ridge needs."""

    weight: float
    x_R: Floats
    y_M: Floats
    xx_RR: Floats
    xy_RM: Floats

    @classmethod
    def of(cls, x_NR: Floats, y_NM: Floats, w_N: Floats) -> _Sums:
        rooted_NR = x_NR * np.sqrt(w_N)[:, None]  # the product of a matrix with itself takes half the time
        weighted_NM = y_NM * w_N[:, None]
        return cls(float(w_N.sum()), w_N @ x_NR, weighted_NM.sum(axis=0), rooted_NR.T @ rooted_NR, x_NR.T @ weighted_NM)

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.weight + other.weight,
            self.x_R + other.x_R,
            self.y_M + other.y_M,
            self.xx_RR + other.xx_RR,
            self.xy_RM + other.xy_RM,
        )

    def solve(self, penalty: float, unit_R: Floats) -> tuple[Floats, Floats]:
        """Weights (R, M) and bias (M,); ``unit_R`` is what each axis was divided by."""
        mean_R, mean_M = self.x_R / self.weight, self.y_M / self.weight
        system_RR = self.xx_RR - np.outer(self.x_R, mean_R)
        system_RR[np.diag_indices_from(system_RR)] += np.maximum(1 / (penalty * unit_R**2), LEAST_RIDGE)
        factor = cho_factor(system_RR, lower=True, overwrite_a=True, check_finite=False)
        weight_RM = cho_solve(factor, self.xy_RM - np.outer(self.x_R, mean_M), check_finite=False)
        return weight_RM, mean_M - mean_R @ weight_RM


@dataclass(frozen=True)
class _Standard:
    """Targets in units of their standard deviation; a constant target keeps its unit."""

    mean_M: Floats
    spread_M: Floats

    @classmethod
    def of(cls, numbers_NM: Floats, weights_N: FloatArray) -> _Standard:
        # Differences from the first row are taken, so that a constant comes out as one to the last bit.
        shifted_NM = numbers_NM - numbers_NM[0]
        mean_M = np.average(shifted_NM, axis=0, weights=weights_N)
        spread_M = np.sqrt(np.average((shifted_NM - mean_M) ** 2, axis=0, weights=weights_N))
        return cls(numbers_NM[0] + mean_M, np.where(spread_M > 0, spread_M, 1.0))


class NumbersValidation:
    """Ridge regression on all folds; the sums over each fold are taken once."""

    def __init__(self, axes: Axes, numbers_NM: Floats, folds_N: IntArray, weights_N: FloatArray, threads: int) -> None:
        self.standard = _Standard.of(numbers_NM, weights_N)
        self._y_NM = (numbers_NM - self.standard.mean_M) / self.standard.spread_M
        self._unit_R = np.sqrt(axes.energy_R)
        self._axes = axes
        self._weights_N = np.asarray(weights_N, np.float64)
        self._threads = threads
        self._rows = [np.flatnonzero(folds_N == fold) for fold in range(int(folds_N.max()) + 1)]
        self._sums = in_every_fold(len(self._rows), self._threads, self._sums_of)

    def at(self, penalty: float) -> OutOfFold:
        """Out-of-fold numbers with this penalty, in the targets' units.

        An item's loss is its squared error in units of the targets' variance, averaged over them.
        """
        predicted_NM = np.empty_like(self._y_NM)

        def one(fold: int) -> None:
            weight_RM, bias_M = self._training(fold).solve(penalty, self._unit_R)
            predicted_NM[self._rows[fold]] = self._x(fold) @ weight_RM + bias_M

        in_every_fold(len(self._rows), self._threads, one)
        losses_N = np.mean((predicted_NM - self._y_NM) ** 2, axis=1)
        loss = float(np.average(losses_N, weights=self._weights_N))
        own_units_NM = (predicted_NM * self.standard.spread_M + self.standard.mean_M).astype(np.float32)
        return OutOfFold(penalty, own_units_NM, 1.0, losses_N, loss)

    def begin_with(self, other: Validation) -> None:
        """Nothing to begin with: the solution is found at one stroke."""

    def solution(self, penalty: float) -> Solution:
        """Fit on all items; weights in the principal axes, numbers in the targets' units."""
        with threadpool_limits(1, user_api="blas"):
            weight_RM, bias_M = self._training(None).solve(penalty, self._unit_R)
        weight_RM *= self.standard.spread_M / self._unit_R[:, None]
        return Solution(weight_RM, bias_M * self.standard.spread_M + self.standard.mean_M, 1)

    def _sums_of(self, fold: int) -> _Sums:
        rows = self._rows[fold]
        return _Sums.of(self._x(fold), self._y_NM[rows], self._weights_N[rows])

    def _x(self, fold: int) -> Floats:
        """Coordinates of the fold's items, every axis scaled to unit energy."""
        return self._axes.coordinates_NR[self._rows[fold]] / self._unit_R

    def _training(self, left_out: int | None) -> _Sums:
        first, *others = (sums for fold, sums in enumerate(self._sums) if fold != left_out)
        for other in others:
            first = first + other
        return first


def fit_numbers_head(
    features_ND: FloatArray,
    numbers_NM: Numbers,
    groups_N: IntArray,
    weights_N: FloatArray,
    *,
    seed: int,
    threads: int,
) -> FittedHead:
    """Choose the penalty and fit: grouped folds for all evidence, every item for the head.

    ``Head.logits`` gives numbers in the targets' own units, as does ``OutOfFold.logits_NC``; both are float32, so a
    number is good to seven digits. Folds are stratified by fifths of the first number. Deterministic for a seed,
    whatever the number of threads.

    ``random_split`` is the mean absolute error that random folds would have claimed, so lower is better: in
    the target's own unit if there is one, else the mean over targets in units of their standard deviation. Without
    groups it is that of the out-of-fold results.

    Raises:
        DataError: no number, a number that is not finite, or fewer than two groups.
    """
    numbers = _checked(numbers_NM, len(features_ND))
    strata_N = rank_strata(numbers)
    n_groups = len(np.unique(groups_N))
    n_folds = max(2, min(DEFAULT_FOLDS, n_groups))
    folds_N = grouped_folds(strata_N, groups_N, n_folds, seed)
    with threadpool_limits(
        1, user_api="blas"
    ):  # one thread makes the same sums, to the bit, whatever the number of cores
        axes = Axes.of(features_ND)
    validation = NumbersValidation(axes, numbers, folds_N, weights_N, threads)
    chosen, tried = best_penalty(validation)
    weight_DM, bias_M = validation.solution(chosen.penalty).in_features(axes)
    random_split = chosen
    if n_groups < len(groups_N):
        shuffled = NumbersValidation(axes, numbers, random_folds(strata_N, n_folds, seed), weights_N, threads)
        random_split = on_random_folds(shuffled, chosen)
    errors_NM = np.abs(random_split.logits_NC - numbers)
    if numbers.shape[1] > 1:
        errors_NM /= validation.standard.spread_M
    return FittedHead(
        head=Head(weight_DM.astype(np.float32), bias_M.astype(np.float32), 1.0, chosen.penalty),
        out_of_fold=chosen,
        folds_N=folds_N,
        n_folds=n_folds,
        random_split=float(errors_NM.mean()),
        penalties=tuple((result.penalty, result.loss) for result in tried),
    )


def _checked(numbers_NM: Numbers, n: int) -> Floats:
    numbers = np.asarray(numbers_NM, np.float64)
    if numbers.ndim != 2 or len(numbers) != n or not numbers.shape[1]:
        raise DataError(
            f"received numbers of shape {numbers.shape} for {n} items; give a row an item, a column a number"
        )
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])
        raise DataError(f"received {numbers[row].tolist()} for item {row}; give finite numbers, or leave the item out")
    return numbers
