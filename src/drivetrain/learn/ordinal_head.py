"""A head for ordered grades: cumulative logits with one row of weights, on frozen features.

The proportional-odds model (McCullagh 1980, "Regression models for ordinal data"): the log-odds of “the grade is above k”
are x · w + b_k, with b falling. With σ the logistic function and p the model's probability of an item's own grade,

    minimise  C · Σ_i w_i · −log p_i  +  ½‖w‖²,   p_i = σ(x_i · w + b_{y−1}) − σ(x_i · w + b_y)

where b is not penalised. The loss is convex in (w, b) wherever b falls (Pratt 1981, "Concavity of the log likelihood";
Burridge 1981): −log p is log(1 + exp(−a)) + log(1 + exp(c)) − log(1 − exp(c − a)) in the two logits a > c, and each term
is convex. The last one is a barrier that keeps neighbouring thresholds apart, so b is left as it is: for each w the best b
is found by a few Newton steps, and what remains is a smooth convex function of w alone, whose gradient is that at the best
b. It is minimised in the principal axes of `logistic`.

Shapes: N items, D features, R axes, C grades numbered from 0, K = C − 1 logits; `Head`, `Solution` and `OutOfFold` have K
columns here. All columns of weights are equal. Probabilities are `stats.ordinal.grade_probabilities`, never the softmax
``probs_NC``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits

from ..core.errors import DataError
from ..core.types import FloatArray, IntArray
from ..stats.calibrate_ordinal import fit_beta_ordinal
from ..stats.folds import fold_count, grouped_folds, random_folds
from ..stats.metrics import Floats, losses
from ..stats.ordinal import grade_probabilities
from .crossval import OutOfFold, Validation, best_penalty, in_every_fold, on_random_folds
from .head import FittedHead, Head
from .logistic import TYPICAL_CURVATURE, Axes, Solution

# The weight of an average item that is added to a grade no training item has: Haldane's and Anscombe's ½.
SMOOTHING = 0.5

# Squared Newton decrement from which one more step ends in the last bits: convergence is quadratic there.
NEARLY_THERE = 1e-7


def probabilities(result: OutOfFold) -> Floats:
    """(N, C) calibrated out-of-fold probabilities."""
    return grade_probabilities(result.logits_NC, result.beta)


@dataclass(frozen=True)
class _Thresholds:
    """The part of the problem that is left when x · w is known: K thresholds, strictly falling.

    Grades that no item has get half an average item, so that every threshold has a finite best place.
    """

    grades_N: IntArray
    weights_N: Floats
    counts_C: Floats

    @classmethod
    def of(cls, grades_N: IntArray, weights_N: Floats, n_grades: int) -> _Thresholds:
        counts_C: Floats = np.bincount(grades_N, weights_N, minlength=n_grades).astype(np.float64)
        absent = np.flatnonzero(counts_C == 0)
        counts_C[absent] = SMOOTHING
        return cls(
            np.concatenate([grades_N, absent]), np.concatenate([weights_N, np.full(len(absent), SMOOTHING)]), counts_C
        )

    def start(self) -> Floats:
        """Log-odds of how many items stand above each grade."""
        above_K = self.counts_C[::-1].cumsum()[::-1][1:]
        return np.asarray(np.log(above_K / (self.counts_C.sum() - above_K)))

    def best(self, eta_N: Floats, bias_K: Floats) -> tuple[Floats, float, Floats]:
        """The best thresholds, the loss there, and its derivative by each item's ``eta`` = x · w."""
        eta = np.concatenate([eta_N, np.zeros(len(self.grades_N) - len(eta_N))])
        loss = self._loss(eta, bias_K)
        for _ in range(100):
            gradient_K, curvature_KK = self._derivatives(eta, bias_K)
            step_K = np.asarray(-np.linalg.solve(curvature_KK, gradient_K), np.float64)
            decrement = float(-gradient_K @ step_K)
            bias_K, loss = self._along(eta, bias_K, step_K, loss, decrement)
            if decrement < NEARLY_THERE:
                break
        above_N, below_N = self._tails(eta, bias_K)
        slope_N: Floats = self.weights_N * (above_N - below_N)
        return bias_K, loss, slope_N[: len(eta_N)]

    def _along(
        self, eta_N: Floats, bias_K: Floats, step_K: Floats, loss: float, decrement: float
    ) -> tuple[Floats, float]:
        """The first of ever shorter steps that keeps the thresholds falling and lowers the loss as it should."""
        share = 1.0
        for _ in range(60):
            moved_K = bias_K + share * step_K
            if (np.diff(moved_K) < 0).all():
                lower = self._loss(eta_N, moved_K)
                if lower <= loss - 0.1 * share * decrement:
                    return moved_K, lower
                if decrement < NEARLY_THERE:  # the difference drowns in rounding
                    return moved_K, lower
            share /= 2
        return bias_K, loss

    def _logits(self, eta_N: Floats, bias_K: Floats) -> tuple[Floats, Floats]:
        """(N,) log-odds of being above the grade below one's own, and above one's own."""
        edges = np.concatenate([[np.inf], bias_K, [-np.inf]])
        return eta_N + edges[self.grades_N], eta_N + edges[self.grades_N + 1]

    def _tails(self, eta_N: Floats, bias_K: Floats) -> tuple[Floats, Floats]:
        """(N,) probabilities of being above one's own grade, and below it."""
        over_N, own_N = self._logits(eta_N, bias_K)
        return expit(own_N), expit(-over_N)

    def _loss(self, eta_N: Floats, bias_K: Floats) -> float:
        over_N, own_N = self._logits(eta_N, bias_K)
        barrier = self.counts_C[1:-1] @ np.log(-np.expm1(np.diff(bias_K)))
        return float(self.weights_N @ (_softplus(-over_N) + _softplus(own_N)) - barrier)

    def _derivatives(self, eta_N: Floats, bias_K: Floats) -> tuple[Floats, Floats]:
        """(K,) gradient and (K, K) curvature in the thresholds; each touches its neighbours only."""
        n_grades, inner = len(self.counts_C), np.arange(len(bias_K) - 1)
        above_N, below_N = self._tails(eta_N, bias_K)

        def by_grade(values_N: Floats) -> Floats:
            return np.bincount(self.grades_N, self.weights_N * values_N, minlength=n_grades).astype(np.float64)

        gap_I = -np.diff(bias_K)
        with np.errstate(over="ignore"):  # thresholds that are far apart do not feel one another
            slope_I = self.counts_C[1:-1] / np.expm1(gap_I)
            stiff_I = self.counts_C[1:-1] / (2 * np.sinh(gap_I / 2)) ** 2
        gradient_K = by_grade(above_N)[:-1] - by_grade(below_N)[1:]
        gradient_K[:-1] -= slope_I
        gradient_K[1:] += slope_I
        diagonal_K = by_grade(above_N * (1 - above_N))[:-1] + by_grade(below_N * (1 - below_N))[1:]
        diagonal_K += 1e-12 * self.counts_C.sum()  # where all items are beyond doubt nothing would hold a threshold
        diagonal_K[:-1] += stiff_I
        diagonal_K[1:] += stiff_I
        curvature_KK = np.diag(diagonal_K)
        curvature_KK[inner, inner + 1] = curvature_KK[inner + 1, inner] = -stiff_I
        return gradient_K, curvature_KK


def _softplus(z_N: Floats) -> Floats:
    result_N: Floats = np.maximum(z_N, 0) + np.log1p(np.exp(-np.abs(z_N)))
    return result_N


def fit_ordinal(
    axes: Axes,
    grades_N: IntArray,
    n_grades: int,
    penalty: float,
    *,
    rows: NDArray[np.intp] | None = None,
    weights_N: FloatArray | None = None,
    start: Solution | None = None,
    tolerance: float = 1e-2,
    dtype: type[np.floating] = np.float32,
) -> Solution:
    """Fit on ``rows`` (all by default); arguments are those of `logistic.fit`. The solution's biases fall strictly."""
    x_NR = axes.coordinates_NR if rows is None else axes.coordinates_NR[rows]
    y_N = grades_N if rows is None else grades_N[rows]
    n, r = x_NR.shape
    weights = np.ones(n) if weights_N is None else weights_N if rows is None else weights_N[rows]
    thresholds = _Thresholds.of(y_N, np.asarray(weights, np.float64), n_grades)
    # Axes are scaled by the curvature, as in `logistic`, so that L-BFGS needs few steps.
    scale_R = 1 / np.sqrt(penalty * TYPICAL_CURVATURE * axes.energy_R * (n / len(axes.coordinates_NR)) + 1)
    scaled_NR = (x_NR * scale_R).astype(dtype)
    # Each evaluation begins with the thresholds of the one before.
    bias_K = thresholds.start() if start is None else start.bias_C

    def objective(theta_R: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        nonlocal bias_K
        eta_N = (scaled_NR @ theta_R.astype(dtype)).astype(np.float64)
        bias_K, loss, slope_N = thresholds.best(eta_N, bias_K)
        shrunk_R = theta_R * scale_R**2
        gradient_R = penalty * (scaled_NR.T @ slope_N.astype(dtype)) + shrunk_R
        return penalty * loss + 0.5 * float(theta_R @ shrunk_R), gradient_R

    theta_0 = np.zeros(r) if start is None else start.weight_RC[:, 0] / scale_R
    options = {"maxiter": 1000, "maxcor": 10, "gtol": tolerance * np.sqrt(penalty), "ftol": tolerance**3.5}
    found = minimize(objective, theta_0, jac=True, method="L-BFGS-B", options=options)
    objective(found.x)  # the thresholds that belong to the weights
    weight_RK = np.repeat((found.x * scale_R)[:, None], n_grades - 1, axis=1)
    return Solution(weight_RK, bias_K, int(found.nit))


@dataclass
class OrdinalValidation:
    """Fits one matrix of features on all folds; each penalty starts from the neighbouring penalty's solutions."""

    axes: Axes
    grades_N: IntArray
    folds_N: IntArray
    n_grades: int
    weights_N: FloatArray
    threads: int
    _solutions: dict[int, Solution] = field(default_factory=dict)

    def at(self, penalty: float) -> OutOfFold:
        """Out-of-fold cumulative logits with this penalty, calibrated; an item's loss is −log p(grade)."""
        logits_NK = np.empty((len(self.grades_N), self.n_grades - 1), np.float32)

        def one(fold: int) -> None:
            held_out = self.folds_N == fold
            solution = fit_ordinal(
                self.axes,
                self.grades_N,
                self.n_grades,
                penalty,
                rows=np.flatnonzero(~held_out),
                weights_N=self.weights_N,
                start=self._solutions.get(fold),
            )
            self._solutions[fold] = solution
            logits_NK[held_out] = solution.logits(self.axes.coordinates_NR[held_out])

        in_every_fold(int(self.folds_N.max()) + 1, self.threads, one)
        beta = fit_beta_ordinal(logits_NK, self.grades_N, self.weights_N)
        losses_N = losses(self.grades_N, grade_probabilities(logits_NK, beta))
        return OutOfFold(penalty, logits_NK, beta, losses_N, float(np.average(losses_N, weights=self.weights_N)))

    def begin_with(self, other: Validation) -> None:
        if isinstance(other, OrdinalValidation) and other.n_grades == self.n_grades:
            self._solutions = dict(other._solutions)


def fit_ordinal_head(
    features_ND: FloatArray,
    grades_N: IntArray,
    groups_N: IntArray,
    weights_N: FloatArray,
    *,
    n_grades: int,
    seed: int,
    threads: int,
) -> FittedHead:
    """Choose the penalty, calibrate and fit: grouped, stratified folds for all evidence, every item for the head.

    Deterministic for a seed, whatever the number of threads. ``random_split`` is the accuracy that random folds would
    have claimed; without groups it is that of the out-of-fold results.

    Raises:
        DataError: fewer than two grades, a grade that is none of them, or fewer than two groups.
    """
    _check(grades_N, n_grades, len(features_ND))
    n_folds = fold_count(grades_N, groups_N)
    folds_N = grouped_folds(grades_N, groups_N, n_folds, seed)
    with threadpool_limits(
        1, user_api="blas"
    ):  # one thread makes the same sums, to the bit, whatever the number of cores
        axes = Axes.of(features_ND)
    chosen, tried = best_penalty(OrdinalValidation(axes, grades_N, folds_N, n_grades, weights_N, threads))
    random_split = chosen
    if len(np.unique(groups_N)) < len(groups_N):
        shuffled_N = random_folds(grades_N, n_folds, seed)
        shuffled = OrdinalValidation(axes, grades_N, shuffled_N, n_grades, weights_N, threads)
        random_split = on_random_folds(shuffled, chosen)
    with threadpool_limits(1, user_api="blas"):
        solution = fit_ordinal(
            axes, grades_N, n_grades, chosen.penalty, weights_N=weights_N, tolerance=1e-4, dtype=np.float64
        )
        weight_DK, bias_K = solution.in_features(axes)
    return FittedHead(
        head=Head(weight_DK.astype(np.float32), bias_K.astype(np.float32), chosen.beta, chosen.penalty),
        out_of_fold=chosen,
        folds_N=folds_N,
        n_folds=n_folds,
        random_split=float(np.mean(probabilities(random_split).argmax(axis=1) == grades_N)),
        penalties=tuple((result.penalty, result.loss) for result in tried),
    )


def _check(grades_N: IntArray, n_grades: int, n: int) -> None:
    if n_grades < 2:
        raise DataError(f"received {n_grades} grades; there must be two or more to tell apart")
    if np.shape(grades_N) != (n,):
        raise DataError(f"received grades of shape {np.shape(grades_N)} for {n} items; give one an item")
    wrong = np.flatnonzero((np.asarray(grades_N) < 0) | (np.asarray(grades_N) >= n_grades))
    if len(wrong):
        raise DataError(
            f"received the grade {grades_N[wrong[0]]} for item {wrong[0]}; give whole numbers from 0 to {n_grades - 1}"
        )
