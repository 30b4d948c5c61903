"""Multinomial logistic regression, made for fitting the same features many times.

Cross-validation over a path of penalties fits one matrix some fifty times. Two things make each fit cheap: the
features are rotated once into their principal axes, where the problem's curvature is nearly diagonal and L-BFGS, with
the axes scaled by it, needs a few dozen steps instead of hundreds; and each fit starts from its neighbour's solution.
The rotation uses no labels and keeps every axis, so the optimum is that of the plain problem (the tests compare with
scikit-learn's).

    minimise  C · Σ_i w_i · −log softmax(x_i W + b)[y_i]  +  ½‖W‖²

The intercept b is not penalised. Shapes: N items, D features, R axes (at most min(N, D)), C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize

from ..core.types import FloatArray

# Curvature of the loss along an axis, as a fraction of that axis's energy. ¼ is the bound for two classes; fitted
# models are mostly confident, where it is far smaller. Only the speed depends on it.
TYPICAL_CURVATURE = 0.03

# Axes with less than this fraction of the largest energy are rounding noise of float32 features.
NEGLIGIBLE = 1e-7


@dataclass(frozen=True)
class Axes:
    """Features in their principal axes: ``coordinates_NR``, with what it takes to come back."""

    coordinates_NR: FloatArray
    energy_R: NDArray[np.float64]
    mean_D: NDArray[np.float64]
    axes_DR: NDArray[np.float64]

    @classmethod
    def of(cls, features_ND: FloatArray) -> Axes:
        """Rotate features into their principal axes."""
        mean_D = features_ND.mean(axis=0, dtype=np.float64)
        centred_ND = features_ND - mean_D.astype(np.float32)
        wide = centred_ND.shape[0] < centred_ND.shape[1]
        gram = centred_ND @ centred_ND.T if wide else centred_ND.T @ centred_ND
        energy, vectors = eigh(gram, driver="evd", overwrite_a=True, check_finite=False)
        kept = energy > max(float(energy[-1]), 1e-12) * NEGLIGIBLE
        energy, vectors = energy[kept].astype(np.float64), vectors[:, kept]
        if wide:
            axes_DR = (centred_ND.T @ vectors) / np.sqrt(energy, dtype=np.float32)
            coordinates_NR = vectors * np.sqrt(energy, dtype=np.float32)
        else:
            axes_DR = vectors
            coordinates_NR = centred_ND @ vectors
        return cls(np.ascontiguousarray(coordinates_NR, np.float32), energy, mean_D, axes_DR.astype(np.float64))


@dataclass(frozen=True)
class Solution:
    """Weights in the principal axes. ``theta`` is where the next fit along a path may start."""

    weight_RC: NDArray[np.float64]
    bias_C: NDArray[np.float64]
    steps: int

    def logits(self, coordinates_NR: FloatArray) -> FloatArray:
        """(N, R) coordinates → (N, C) logits."""
        logits: FloatArray = coordinates_NR @ self.weight_RC.astype(np.float32) + self.bias_C.astype(np.float32)
        return logits

    def in_features(self, axes: Axes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights (D, C) and bias (C,) for the features themselves."""
        weight_DC = axes.axes_DR @ self.weight_RC
        return weight_DC, self.bias_C - axes.mean_D @ weight_DC


def fit(
    axes: Axes,
    labels_N: NDArray[np.int64],
    n_classes: int,
    penalty: float,
    *,
    rows: NDArray[np.intp] | None = None,
    weights_N: FloatArray | None = None,
    start: Solution | None = None,
    tolerance: float = 1e-2,
    dtype: type[np.floating] = np.float32,
) -> Solution:
    """Fit on ``rows`` (all by default); ``penalty`` is C above: larger means less regularised.

    ``tolerance`` bounds the gradient in the scaled axes; 1e-2 moves probabilities by less than cross-validation can
    tell, 1e-4 with float64 is a converged fit.
    """
    x_NR = axes.coordinates_NR if rows is None else axes.coordinates_NR[rows]
    y_N = labels_N if rows is None else labels_N[rows]
    weights = np.ones(len(y_N)) if weights_N is None else weights_N if rows is None else weights_N[rows]
    n, r = x_NR.shape
    share = n / len(axes.coordinates_NR)
    scale_R = 1 / np.sqrt(penalty * TYPICAL_CURVATURE * axes.energy_R * share + 1)
    scale_b = 1 / np.sqrt(penalty * TYPICAL_CURVATURE * n)
    scaled_NR = (x_NR * scale_R).astype(dtype)
    w_N1 = weights.astype(dtype)[:, None]
    picked = (np.arange(n), y_N)

    def objective(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        theta_RC = theta.reshape(r + 1, n_classes)
        logits_NC = scaled_NR @ theta_RC[:r].astype(dtype) + (theta_RC[r] * scale_b).astype(dtype)
        logits_NC -= logits_NC.max(axis=1, keepdims=True)
        exp_NC = np.exp(logits_NC)
        sum_N1 = exp_NC.sum(axis=1, keepdims=True)
        loss = float(np.sum(w_N1[:, 0] * (np.log(sum_N1[:, 0]) - logits_NC[picked]), dtype=np.float64))
        error_NC = exp_NC / sum_N1
        error_NC[picked] -= 1
        error_NC *= w_N1
        gradient = np.empty_like(theta_RC)
        shrunk_RC = theta_RC[:r] * scale_R[:, None] ** 2
        gradient[:r] = penalty * (scaled_NR.T @ error_NC) + shrunk_RC
        gradient[r] = penalty * scale_b * error_NC.sum(axis=0, dtype=np.float64)
        return penalty * loss + 0.5 * float(np.sum(theta_RC[:r] * shrunk_RC)), gradient.ravel()

    theta_0 = np.zeros((r + 1, n_classes))
    if start is not None:
        theta_0[:r] = start.weight_RC / scale_R[:, None]
        theta_0[r] = start.bias_C / scale_b
    options = {"maxiter": 1000, "maxcor": 10, "gtol": tolerance * np.sqrt(penalty), "ftol": tolerance**3.5}
    found = minimize(objective, theta_0.ravel(), jac=True, method="L-BFGS-B", options=options)
    theta_RC = found.x.reshape(r + 1, n_classes)
    return Solution(theta_RC[:r] * scale_R[:, None], theta_RC[r] * scale_b, int(found.nit))
