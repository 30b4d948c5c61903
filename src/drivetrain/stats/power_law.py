"""Learning curves as power laws, error(n) = a + b·n^(−c), fitted and read beyond their end. Shapes: B curves, K sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EXPONENTS = np.linspace(0.1, 1.5, 15)
"""The exponents c that are tried; published learning curves of classifiers lie within."""


def fit_and_read(sizes_K: Floats, errors_BK: Floats, at_M: Floats) -> Floats:
    """(B, M) errors at the sizes ``at_M``, by the law that fits each curve best; neither a nor b is below 0, so that no curve
    rises or falls below 0.

    >>> sizes = np.array([50.0, 100, 200, 400])
    >>> errors = 0.02 + 0.9 * sizes**-0.5
    >>> fit_and_read(sizes, errors[None], np.array([800.0])).round(4).tolist()
    [[0.0518]]
    """
    read_BM = np.zeros((len(errors_BK), len(at_M)))
    best_B = np.full(len(errors_BK), np.inf)
    for exponent in EXPONENTS:
        fall_K = sizes_K**-exponent
        floor_B, slope_B = _line(fall_K, errors_BK)
        residual_B = ((floor_B[:, None] + slope_B[:, None] * fall_K - errors_BK) ** 2).sum(axis=1)
        better_B = residual_B < best_B - 1e-15
        best_B[better_B] = residual_B[better_B]
        found_BM = floor_B[:, None] + slope_B[:, None] * at_M**-exponent
        read_BM[better_B] = found_BM[better_B]
    return read_BM


def _line(fall_K: Floats, errors_BK: Floats) -> tuple[Floats, Floats]:
    """Floor and slope of each curve by least squares, neither below 0."""
    mean, means_B = fall_K.mean(), errors_BK.mean(axis=1)
    away_K = fall_K - mean
    slope_B = np.maximum(errors_BK @ away_K / (away_K @ away_K), 0.0)
    floor_B = means_B - slope_B * mean
    below_B = floor_B < 0
    slope_B = np.where(below_B, errors_BK @ fall_K / (fall_K @ fall_K), slope_B)
    return np.where(below_B, 0.0, floor_B), np.maximum(slope_B, 0.0)
