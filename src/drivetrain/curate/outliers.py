"""Outliers of their class: items that are stranger than nearly all others with the same target. Shapes: N items."""

from __future__ import annotations

import numpy as np

from ..core.types import IntArray
from ..stats.conformal import p_values
from ..stats.metrics import Floats

# The largest p-value of an outlier within its class. Some item of every class has the smallest, so that it takes a gap, too.
RARE = 0.02

# With fewer items of a class than this, quartiles say little; the strangest of them may be an outlier though its p-value cannot
# be as small.
FEWEST = 10

# Beyond the upper quartile by so many times the distance between the quartiles: Tukey's fence (1977).
FENCE = 1.5


def class_p_values(strangeness_N: Floats, strata_N: IntArray, groups_N: IntArray) -> Floats:
    """(N,) conformal p-values, each among the items of its own class, of which one of each group counts."""
    p_N = np.ones(len(strangeness_N))
    for stratum in np.unique(strata_N):
        rows = np.flatnonzero(strata_N == stratum)
        _, first = np.unique(groups_N[rows], return_index=True)
        likeness_M = np.sort(-strangeness_N[rows[first]])
        # The item is among those it is ranked with, and takes the place of the one that `p_values` adds for a new item.
        ranks_N = p_values(-strangeness_N[rows], likeness_M) * (len(likeness_M) + 1) - 1
        p_N[rows] = np.maximum(ranks_N, 1) / len(likeness_M)
    return p_N


def outlyingness(strangeness_N: Floats, strata_N: IntArray, p_N: Floats) -> Floats:
    """(N,) from 0 to 1: ½ at the fence of its class and the larger the farther beyond; 0 of what is not rare, or within."""
    outlying_N = np.zeros(len(strangeness_N))
    for stratum in np.unique(strata_N):
        rows = np.flatnonzero(strata_N == stratum)
        if len(rows) < FEWEST:
            continue
        lower, upper = np.quantile(strangeness_N[rows], [0.25, 0.75])
        beyond_N = (strangeness_N[rows] - upper) / max(upper - lower, 1e-9)
        rare_N = p_N[rows] <= max(RARE, float(p_N[rows].min()))
        outlying_N[rows] = np.where(rare_N & (beyond_N > FENCE), beyond_N / (beyond_N + FENCE), 0.0)
    return outlying_N
