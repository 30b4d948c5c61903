"""The mean of what cases contribute, with an interval that respects that cases of one block are not independent.

Shapes: N cases, B blocks, R resamples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.types import Interval

FEWEST_BLOCKS = 10
"""The blocks below which a resample says little of how much a mean may vary, and no interval is given."""

RESAMPLES = 2_000

METHOD = "bootstrap of blocks, 95 %"

# The most numbers that are drawn at once.
_AT_ONCE = 4_000_000


def block_mean(
    values_N: NDArray[np.float64], blocks_N: NDArray[np.int64], seed: int, *, rare: bool = True
) -> Interval | None:
    """Return the mean over all cases with its 95 % percentile interval over resampled blocks; None of fewer than
    `FEWEST_BLOCKS` blocks.

    ``rare``: most values are 0. Then two blocks of one case each are drawn along, one that gained as much as any case did and
    one that lost as much, so that the interval has a width where hardly any case differs: without them it covers 74 % instead
    of 95 % where two cases of 720 differ (400 simulated runs).

    >>> import numpy as np
    >>> found = block_mean(np.tile([1.0, 0.0], 100), np.arange(200) // 10, 0)
    >>> round(found.value, 2), found.low < 0.5 < found.high
    (0.5, True)
    """
    labels_B, rows_N = np.unique(blocks_N, return_inverse=True)
    if len(labels_B) < FEWEST_BLOCKS:
        return None
    sums_B, sizes_B = np.bincount(rows_N, values_N), np.bincount(rows_N)
    if rare:
        most = float(np.abs(values_N).max()) or 1.0
        sums_B, sizes_B = np.append(sums_B, [most, -most]), np.append(sizes_B, [1, 1])
    rng, means = np.random.default_rng(seed), list[NDArray[np.float64]]()
    at_once = max(_AT_ONCE // len(sums_B), 1)
    for start in range(0, RESAMPLES, at_once):
        drawn_RB = rng.integers(0, len(sums_B), (min(at_once, RESAMPLES - start), len(sums_B)))
        means.append(sums_B[drawn_RB].sum(axis=1) / sizes_B[drawn_RB].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    value = float(values_N.mean())
    return Interval(value, min(float(low), value), max(float(high), value), METHOD)
