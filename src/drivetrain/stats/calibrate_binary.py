"""Temperature scaling for labels that each apply or not: one number for all of them (Guo et al. 2017).

Shapes: N items, L labels.
"""

from __future__ import annotations

import numpy as np

from ..core.types import FloatArray
from .calibrate import best_beta
from .label_metrics import sigmoid


def fit_beta_binary(logits_NL: FloatArray, present_NL: FloatArray, weights_N: FloatArray | None = None) -> float:
    """Return the β = 1/temperature that minimises the binary cross-entropy of sigmoid(β · logits) with ``present_NL`` (0 or 1).

    An item counts once, however many labels it may have: its losses are averaged over the labels. See `best_beta`.
    """
    z_NL = np.asarray(logits_NL, np.float64)
    w_N1 = (np.ones(len(z_NL)) if weights_N is None else np.asarray(weights_N, np.float64))[:, None] / z_NL.shape[1]

    def slope(beta: float) -> tuple[float, float]:
        probs_NL = sigmoid(z_NL, beta)
        first = beta * float(np.sum(w_N1 * z_NL * (probs_NL - present_NL)))
        return first, first + beta**2 * float(np.sum(w_N1 * z_NL**2 * probs_NL * (1 - probs_NL)))

    return best_beta(slope, len(z_NL))
