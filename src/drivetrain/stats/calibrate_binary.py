"""Temperature scaling for labels that each apply or not: one number for all of them (Guo et al. 2017).

Shapes: N items, L labels.
"""

from __future__ import annotations

import numpy as np

from ..core.types import FloatArray
from .calibrate import BETA_RANGE, FEW_ITEMS, PRIOR_SPREAD
from .label_metrics import sigmoid


def fit_beta_binary(logits_NL: FloatArray, present_NL: FloatArray, weights_N: FloatArray | None = None) -> float:
    """β = 1/temperature that minimises the binary cross-entropy of sigmoid(β · logits) with ``present_NL`` (0 or 1).

    An item counts once, however many labels it may have: its losses are averaged over the labels. Otherwise as
    `calibrate.fit_beta`: Newton's method inside a shrinking bracket, the same prior on log β below 200 items, and the
    result stays within 0.01–100.
    """
    z_NL = np.asarray(logits_NL, np.float64)
    w_N1 = (np.ones(len(z_NL)) if weights_N is None else np.asarray(weights_N, np.float64))[:, None] / z_NL.shape[1]
    prior = 1 / PRIOR_SPREAD**2 if len(z_NL) < FEW_ITEMS else 0.0

    def slope(log_beta: float) -> tuple[float, float]:
        """First and second derivative of the objective in log β."""
        beta = np.exp(log_beta)
        probs_NL = sigmoid(z_NL, beta)
        first = beta * float(np.sum(w_N1 * z_NL * (probs_NL - present_NL)))
        second = first + beta**2 * float(np.sum(w_N1 * z_NL**2 * probs_NL * (1 - probs_NL)))
        return first + prior * log_beta, second + prior

    low, high = np.log(BETA_RANGE)
    x = 0.0
    for _ in range(60):
        first, second = slope(x)
        if first == 0:
            break  # logits of 0 are the same at any temperature
        low, high = (x, high) if first < 0 else (low, x)
        step = x - first / second if second > 0 else np.inf
        x_new = step if low < step < high else (low + high) / 2
        if abs(x_new - x) < 1e-10:
            break
        x = float(x_new)
    return float(np.exp(x))
