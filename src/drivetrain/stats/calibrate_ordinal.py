"""Temperature scaling of cumulative logits: one number for all thresholds (Guo et al. 2017).

Shapes: N items, K cumulative logits, as in `ordinal`.
"""

from __future__ import annotations

import numpy as np

from ..core.types import FloatArray, IntArray
from .calibrate import best_beta
from .metrics import Floats
from .ordinal import ordered


def fit_beta_ordinal(logits_NK: FloatArray, grades_N: IntArray, weights_N: FloatArray | None = None) -> float:
    """Return the β = 1/temperature that minimises −log p(grade) of the cumulative logits β · ``logits_NK``; see `best_beta`.

    With a the logit of “above the grade below” and b ≤ a that of “above the grade”, the loss is
    log(1 + exp(−βa)) + log(1 + exp(βb)) − log(1 − exp(−β(a − b))), each term of which is convex in β. An item whose
    grade has no probability at any β (a = b) says nothing of it.
    """
    z_NK, rows = ordered(logits_NK), np.arange(len(logits_NK))
    w_N = np.ones(len(z_NK)) if weights_N is None else np.asarray(weights_N, np.float64)
    last = z_NK.shape[1]
    below_N, own_N = np.maximum(grades_N - 1, 0), np.minimum(grades_N, last - 1)
    inner_N = (grades_N > 0) & (grades_N < last)
    a_N, b_N = z_NK[rows, below_N], z_NK[rows, own_N]
    gap_N = np.where(inner_N, a_N - b_N, 1.0)
    w_N = np.where(gap_N > 0, w_N, 0.0)
    # The lowest grade has no threshold below it, the highest none above.
    a_weight_N, b_weight_N, inner_weight_N = w_N * (grades_N > 0), w_N * (grades_N < last), w_N * inner_N

    def slope(beta: float) -> tuple[float, float]:
        above_N, below_N = _sigmoid(-beta * a_N), _sigmoid(beta * b_N)
        x_N = np.clip(beta * gap_N, 1e-12, 500.0)  # further out its part is 0 to the last bit
        fraction_N = x_N / np.expm1(x_N)
        curvature_N = (x_N / 2 / np.sinh(x_N / 2)) ** 2
        first = beta * float(b_weight_N @ (b_N * below_N) - a_weight_N @ (a_N * above_N))
        first -= float(inner_weight_N @ fraction_N)
        second = beta**2 * float(
            a_weight_N @ (a_N**2 * above_N * (1 - above_N)) + b_weight_N @ (b_N**2 * below_N * (1 - below_N))
        )
        return first, first + second + float(inner_weight_N @ curvature_N)

    return best_beta(slope, len(z_NK))


def _sigmoid(z_N: Floats) -> Floats:
    result_N: Floats = np.exp(-np.logaddexp(0.0, -z_N))
    return result_N
