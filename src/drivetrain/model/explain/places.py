"""Matrices of weights that take a coarse map of places to a finer one, along one axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def spread(coarse: int, fine: int) -> Floats:
    """The (fine, coarse) shares of each coarse place's sum that go to each fine place; every column sums to 1.

    A place's share is laid out as a triangle two places wide, and folded back at the edges: linear interpolation whose
    integral is kept, so that an even coarse map is an even fine one.
    """
    if coarse == fine:
        return np.eye(fine)
    edges: Floats = np.arange(fine + 1, dtype=np.float64) * (coarse / fine)

    def below(x: Floats) -> Floats:
        """Integrate the triangle on [−1, 1] up to x."""
        x = np.clip(x, -1, 1)
        return np.where(x < 0, (1 + x) ** 2 / 2, 1 - (1 - x) ** 2 / 2)

    share = np.zeros((fine, coarse))
    for place in range(coarse):
        for centre in (place + 0.5, -(place + 0.5), 2 * coarse - (place + 0.5)):
            share[:, place] += np.diff(below(edges - centre))
    return share


def sample(places: int, positions: Floats, low: float, high: float) -> Floats:
    """The (positions, places) weights of linear interpolation along an axis whose places fill [low, high]; NaN outside."""
    at = (positions - low) / (high - low) * places - 0.5
    inside = (at >= -0.5 - 1e-9) & (at <= places - 0.5 + 1e-9)
    at = np.clip(at, 0, places - 1)
    before = np.minimum(at.astype(int), max(places - 2, 0))
    weights = np.zeros((len(positions), places))
    rows = np.arange(len(positions))
    weights[rows, np.minimum(before + 1, places - 1)] += at - before
    weights[rows, before] += 1 - (at - before)
    weights[~inside] = np.nan
    return weights
