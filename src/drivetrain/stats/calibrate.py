"""Temperature scaling: one number that makes confidences mean what they say (Guo et al. 2017)."""

from __future__ import annotations

import numpy as np

from ..core.types import FloatArray, IntArray
from .metrics import softmax

# Below this many items a temperature is mostly noise; a prior then pulls it towards 1.
FEW_ITEMS = 200
# Standard deviation of the prior on log temperature where it applies: e^±0.5, about half to double.
PRIOR_SPREAD = 0.5

BETA_RANGE = (1e-2, 1e2)


def fit_beta(logits_NC: FloatArray, labels_N: IntArray, weights_N: FloatArray | None = None) -> float:
    """β = 1/temperature that minimises the log-loss of softmax(β · logits).

    The loss is convex in β; Newton's method inside a shrinking bracket. With fewer than 200 items a normal prior on
    log β (mean 0, spread 0.5) is added. The result stays within 0.01–100: a separable set has no finite optimum.
    """
    z_NC = np.asarray(logits_NC, np.float64)
    w_N = np.ones(len(z_NC)) if weights_N is None else np.asarray(weights_N, np.float64)
    truth_N = z_NC[np.arange(len(z_NC)), labels_N]
    prior = 1 / PRIOR_SPREAD**2 if len(z_NC) < FEW_ITEMS else 0.0

    def slope(log_beta: float) -> tuple[float, float]:
        """First and (nearly) second derivative of the objective in log β."""
        beta = np.exp(log_beta)
        probs = softmax(z_NC, beta)
        mean_N = (probs * z_NC).sum(axis=1)
        spread_N = (probs * z_NC**2).sum(axis=1) - mean_N**2
        first = beta * float(w_N @ (mean_N - truth_N))
        second = first + beta**2 * float(w_N @ spread_N)
        return first + prior * log_beta, second + prior

    low, high = np.log(BETA_RANGE)
    x = 0.0
    for _ in range(60):
        first, second = slope(x)
        low, high = (x, high) if first < 0 else (low, x)
        step = x - first / second if second > 0 else np.inf
        x_new = step if low < step < high else (low + high) / 2
        if abs(x_new - x) < 1e-10:
            break
        x = float(x_new)
    return float(np.exp(x))
