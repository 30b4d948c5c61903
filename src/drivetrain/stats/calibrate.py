"""Temperature scaling: one number that makes confidences match the share of right answers (Guo et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..core.types import FloatArray, IntArray
from .metrics import softmax

# With fewer items than this a temperature is mostly noise; a prior then pulls it towards 1.
FEW_ITEMS = 200
# Standard deviation of the prior on log temperature where it applies: e^±0.5, about half to double.
PRIOR_SPREAD = 0.5

BETA_RANGE = (1e-2, 1e2)

Slope = Callable[[float], tuple[float, float]]
"""First and (nearly) second derivative, in log β, of a loss summed over the items, at a β."""


def fit_beta(logits_NC: FloatArray, labels_N: IntArray, weights_N: FloatArray | None = None) -> float:
    """Return the β = 1/temperature that minimises the log-loss of softmax(β · logits), which is convex in β; see `best_beta`."""
    z_NC = np.asarray(logits_NC, np.float64)
    w_N = np.ones(len(z_NC)) if weights_N is None else np.asarray(weights_N, np.float64)
    truth_N = z_NC[np.arange(len(z_NC)), labels_N]

    def slope(beta: float) -> tuple[float, float]:
        probs = softmax(z_NC, beta)
        mean_N = (probs * z_NC).sum(axis=1)
        spread_N = (probs * z_NC**2).sum(axis=1) - mean_N**2
        first = beta * float(w_N @ (mean_N - truth_N))
        return first, first + beta**2 * float(w_N @ spread_N)

    return best_beta(slope, len(z_NC))


def best_beta(slope: Slope, n_items: int) -> float:
    """Find the β at which the slope of the loss is 0: Newton's method inside a shrinking bracket.

    With fewer than 200 items a normal prior on log β (mean 0, spread 0.5) is added. The result stays within 0.01–100: a
    separable set has no finite optimum.
    """
    prior = 1 / PRIOR_SPREAD**2 if n_items < FEW_ITEMS else 0.0
    low, high = np.log(BETA_RANGE)
    x = 0.0
    for _ in range(60):
        first, second = slope(float(np.exp(x)))
        first, second = first + prior * x, second + prior
        if first == 0:
            break  # logits of 0 are the same at any temperature
        low, high = (x, high) if first < 0 else (low, x)
        step = x - first / second if second > 0 else np.inf
        x_new = step if low < step < high else (low + high) / 2
        if abs(x_new - x) < 1e-10:
            break
        x = float(x_new)
    return float(np.exp(x))
