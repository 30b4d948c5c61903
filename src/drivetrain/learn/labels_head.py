"""A head for items that may have any of the labels, or none: one logistic regression a label on frozen features.

All labels share the penalty and the temperature, both chosen on grouped out-of-fold results. Labels do not know of
one another, so one matrix product serves them all. For each label

    minimise  C · Σ_i w_i · (log(1 + exp(z_i)) − y_i z_i)  +  ½‖w‖²,   z_i = x_i · w + b

with b not penalised, in the principal axes of `logistic`. Shapes: N items, D features, R axes, L labels. `Head` and
`OutOfFold` are those of one label of many, so their shape C is L here; probabilities are sigmoid(β · logits), from
`probabilities`, never their softmax ``probs_NC``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from ..core.errors import DataError
from ..core.types import FloatArray, IntArray
from ..stats.calibrate_binary import fit_beta_binary
from ..stats.folds import DEFAULT_FOLDS, grouped_folds, random_folds
from ..stats.label_metrics import binary_losses, mean_average_precision, sigmoid
from ..stats.metrics import Floats
from .crossval import OutOfFold, Validation, best_penalty, in_every_fold, on_random_folds
from .head import FittedHead, Head
from .logistic import TYPICAL_CURVATURE, Axes, Solution

# Half an item with and half without a label is added where all training items agree; Haldane's and Anscombe's ½.
SMOOTHING = 0.5


def probabilities(result: OutOfFold) -> Floats:
    """(N, L) calibrated out-of-fold probabilities."""
    return sigmoid(result.logits_NC, result.beta)


def rarest_labels(present_NL: FloatArray) -> IntArray:
    """(N,) stratum of each item: its rarest label, the first of equally rare ones; no label is a stratum of its own.

    Strata are numbered from 0 without gaps.
    """
    there_NL = np.asarray(present_NL) > 0.5
    count_NL = np.where(there_NL, there_NL.sum(axis=0), np.iinfo(np.int64).max)
    rarest_N = np.where(there_NL.any(axis=1), count_NL.argmin(axis=1), there_NL.shape[1])
    return np.unique(rarest_N, return_inverse=True)[1].astype(np.int64)


def fit_labels(
    axes: Axes,
    present_NL: FloatArray,
    penalty: float,
    *,
    rows: NDArray[np.intp] | None = None,
    weights_N: FloatArray | None = None,
    start: Solution | None = None,
    tolerance: float = 1e-2,
    dtype: type[np.floating] = np.float32,
) -> Solution:
    """Fit on ``rows`` (all by default); arguments are those of `logistic.fit`.

    A label that all rows have, or none has, gets no weights and the smoothed log-odds of its frequency.
    """
    x_NR = axes.coordinates_NR if rows is None else axes.coordinates_NR[rows]
    present = np.asarray(present_NL if rows is None else present_NL[rows], dtype)
    n, r = x_NR.shape
    weights = np.ones(n) if weights_N is None else weights_N if rows is None else weights_N[rows]
    w_N1 = weights.astype(dtype)[:, None]
    share_L = np.average(present, axis=0, weights=weights.astype(np.float64))
    log_odds_L = np.log((share_L * n + SMOOTHING) / ((1 - share_L) * n + SMOOTHING))
    varies = (present.min(axis=0) < 0.5) & (present.max(axis=0) > 0.5)
    weight_RL, bias_L = np.zeros((r, present.shape[1])), log_odds_L
    if not varies.any():
        return Solution(weight_RL, bias_L, 0)

    # Axes are scaled by the curvature, as in `logistic`, so that L-BFGS needs few steps.
    y_NV, v = present[:, varies], int(varies.sum())
    scale_R1 = 1 / np.sqrt(penalty * TYPICAL_CURVATURE * axes.energy_R * (n / len(axes.coordinates_NR)) + 1)[:, None]
    scale_b = 1 / np.sqrt(penalty * TYPICAL_CURVATURE * n)
    scaled_NR = (x_NR * scale_R1[:, 0]).astype(dtype)

    def objective(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        theta_RV = theta.reshape(r + 1, v)
        z_NV = scaled_NR @ theta_RV[:r].astype(dtype) + (theta_RV[r] * scale_b).astype(dtype)
        small_NV = np.exp(-np.abs(z_NV))  # never overflows; log(1 + exp(z)) = max(z, 0) + log(1 + exp(−|z|))
        losses_NV = np.maximum(z_NV, 0) - y_NV * z_NV + np.log1p(small_NV)
        loss = float(np.sum(w_N1 * losses_NV, dtype=np.float64))
        error_NV = np.where(z_NV >= 0, 1, small_NV) / (1 + small_NV) - y_NV
        error_NV *= w_N1
        gradient = np.empty_like(theta_RV)
        shrunk_RV = theta_RV[:r] * scale_R1**2
        gradient[:r] = penalty * (scaled_NR.T @ error_NV) + shrunk_RV
        gradient[r] = penalty * scale_b * error_NV.sum(axis=0, dtype=np.float64)
        return penalty * loss + 0.5 * float(np.sum(theta_RV[:r] * shrunk_RV)), gradient.ravel()

    theta_0 = np.zeros((r + 1, v))
    theta_0[r] = log_odds_L[varies] / scale_b  # rare labels are far from even odds
    if start is not None:
        theta_0[:r] = start.weight_RC[:, varies] / scale_R1
        theta_0[r] = start.bias_C[varies] / scale_b
    options = {"maxiter": 1000, "maxcor": 10, "gtol": tolerance * np.sqrt(penalty), "ftol": tolerance**3.5}
    found = minimize(objective, theta_0.ravel(), jac=True, method="L-BFGS-B", options=options)
    theta_RV = found.x.reshape(r + 1, v)
    weight_RL[:, varies] = theta_RV[:r] * scale_R1
    bias_L[varies] = theta_RV[r] * scale_b
    return Solution(weight_RL, bias_L, int(found.nit))


@dataclass
class LabelsValidation:
    """Fits one matrix of features on all folds; each penalty starts from the neighbouring penalty's solutions."""

    axes: Axes
    present_NL: FloatArray
    folds_N: IntArray
    weights_N: FloatArray
    threads: int
    _solutions: dict[int, Solution] = field(default_factory=dict)

    def at(self, penalty: float) -> OutOfFold:
        """Out-of-fold logits with this penalty, calibrated; an item's loss is its mean over the labels."""
        logits_NL = np.empty(self.present_NL.shape, np.float32)

        def one(fold: int) -> None:
            held_out = self.folds_N == fold
            solution = fit_labels(
                self.axes,
                self.present_NL,
                penalty,
                rows=np.flatnonzero(~held_out),
                weights_N=self.weights_N,
                start=self._solutions.get(fold),
            )
            self._solutions[fold] = solution
            logits_NL[held_out] = solution.logits(self.axes.coordinates_NR[held_out])

        in_every_fold(int(self.folds_N.max()) + 1, self.threads, one)
        beta = fit_beta_binary(logits_NL, self.present_NL, self.weights_N)
        losses_N = binary_losses(self.present_NL, sigmoid(logits_NL, beta))
        return OutOfFold(penalty, logits_NL, beta, losses_N, float(np.average(losses_N, weights=self.weights_N)))

    def begin_with(self, other: Validation) -> None:
        if isinstance(other, LabelsValidation) and other.present_NL.shape == self.present_NL.shape:
            self._solutions = dict(other._solutions)


def fit_labels_head(
    features_ND: FloatArray,
    present_NL: FloatArray,
    groups_N: IntArray,
    weights_N: FloatArray,
    *,
    seed: int,
    threads: int,
) -> FittedHead:
    """Choose the penalty, calibrate and fit: grouped folds for all evidence, every item for the head.

    ``present_NL`` is 1 where the item has the label, else 0. Folds are stratified by each item's rarest label. A label
    may stand in one group only; the other folds then cannot know it, and their figures say so. Deterministic for a
    seed, whatever the number of threads. ``random_split`` is the mean average precision that random folds
    would have claimed; without groups it is that of the out-of-fold results.

    Raises:
        DataError: no label, values other than 0 and 1, or fewer than two groups.
    """
    present = _checked(present_NL, len(features_ND))
    strata_N = rarest_labels(present)
    n_groups = len(np.unique(groups_N))
    n_folds = max(2, min(DEFAULT_FOLDS, n_groups))
    folds_N = grouped_folds(strata_N, groups_N, n_folds, seed)
    with threadpool_limits(
        1, user_api="blas"
    ):  # one thread makes the same sums, to the bit, whatever the number of cores
        axes = Axes.of(features_ND)
    chosen, tried = best_penalty(LabelsValidation(axes, present, folds_N, weights_N, threads))
    random_split = chosen
    if n_groups < len(groups_N):
        shuffled = LabelsValidation(axes, present, random_folds(strata_N, n_folds, seed), weights_N, threads)
        random_split = on_random_folds(shuffled, chosen)
    with threadpool_limits(1, user_api="blas"):
        solution = fit_labels(axes, present, chosen.penalty, weights_N=weights_N, tolerance=1e-4, dtype=np.float64)
        weight_DL, bias_L = solution.in_features(axes)
    return FittedHead(
        head=Head(weight_DL.astype(np.float32), bias_L.astype(np.float32), chosen.beta, chosen.penalty),
        out_of_fold=chosen,
        folds_N=folds_N,
        n_folds=n_folds,
        random_split=mean_average_precision(present, random_split.logits_NC),
        penalties=tuple((result.penalty, result.loss) for result in tried),
    )


def _checked(present_NL: FloatArray, n: int) -> FloatArray:
    present = np.asarray(present_NL, np.float32)
    if present.ndim != 2 or len(present) != n or not present.shape[1]:
        raise DataError(f"received labels of shape {present.shape} for {n} items; give a row an item, a column a label")
    if not np.isin(present, (0, 1)).all():
        raise DataError(
            f"received {present[~np.isin(present, (0, 1))][0]:g} for a label; give 1 where it applies, 0 where not"
        )
    return present
