"""Figures of merit for predicted numbers, and intervals around them that hold without a model of the errors.

Shapes: N items, M numbers an item. Figures are in the number's own unit; coverage is a fraction.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.types import FloatArray, IntArray, Interval
from .metrics import Floats, bootstrap, effective_trials, wilson

Numbers = FloatArray | Floats


def mean_absolute_error(
    numbers_N: Numbers, predicted_N: Numbers, groups_N: IntArray, seed: int, resamples: int = 200
) -> Interval:
    """Mean |number − prediction| of one target with its 95 % bootstrap interval over whole groups.

    The percentile interval is a little short with fewer than some twenty groups; with one it is a point.
    """
    errors_N = np.abs(_residuals(numbers_N, predicted_N))
    low, high = bootstrap(groups_N, lambda rows: float(errors_N[rows].mean()), seed, resamples)
    n_groups = len(np.unique(groups_N))
    mean = float(errors_N.mean())
    # The limits enclose the value: sums in another order differ in the last bit, which shows where all resamples are alike.
    return Interval(mean, min(low, mean), max(high, mean), f"bootstrap 95 % over {n_groups} groups")


def root_mean_squared_error(numbers_N: Numbers, predicted_N: Numbers) -> float:
    """√ mean (number − prediction)² of one target."""
    return float(np.sqrt(np.mean(_residuals(numbers_N, predicted_N) ** 2)))


def r_squared(numbers_N: Numbers, predicted_N: Numbers) -> float:
    """1 − Σ(number − prediction)² / Σ(number − mean)² of one target: the share of its variance that is explained.

    Negative where the mean would have been the better guess; NaN where all numbers are the same.
    """
    numbers = np.asarray(numbers_N, np.float64)
    if not len(numbers) or np.ptp(numbers) == 0:
        return float("nan")
    return float(1 - np.sum(_residuals(numbers, predicted_N) ** 2) / np.sum((numbers - numbers.mean()) ** 2))


def fewest_for(coverage: float) -> int:
    """Smallest number of residuals that gives a finite half width at this coverage: 9 for 90 %, 19 for 95 %.

    Raises:
        UsageError: the coverage is not between 0 and 1.
    """
    return max(1, math.ceil(_checked(coverage) / (1 - coverage) - 1e-9))


def half_width(residuals_N: Numbers, coverage: float) -> float:
    """Return q such that prediction ± q holds a new number with at least this probability: split-conformal prediction.

    The ⌈(n + 1) · coverage⌉-th smallest |residual| (Vovk, Gammerman and Shafer 2005; Lei et al. 2018,
    "Distribution-free predictive inference for regression", theorem 2). Infinite where there are fewer than
    ``fewest_for(coverage)`` residuals.

    If the residuals and the new one are exchangeable, coverage lies within [coverage, coverage + 1/(n + 1)], the upper
    bound for residuals without ties, on average over samples and over all new items, not for each kind of item. Two
    things make it approximate here:

    - With groups, items are not exchangeable: n items in G groups say no more of a new group than about G do, and
      realised coverage varies that much more. A guarantee for new groups needs one residual a group, or a quantile of
      each group's own (Dunn, Wasserman and Ramdas 2023); one for every known group needs a half width each (Mondrian
      conformal prediction, Vovk et al. 2005). Check with `coverage_of` on groups held out.
    - Out-of-fold residuals come from models of all folds but one, while the model in use has seen all items. In
      practice it errs a little less, so that the interval is a little wide; the guarantee proper is that of CV+
      (Barber et al. 2021), 1 − 2 · (1 − coverage) less a term of the order of 1/√n.

    Args:
        residuals_N: of one target; the signs do not matter.
        coverage: wanted, a fraction.

    Raises:
        UsageError: the coverage is not between 0 and 1.
    """
    sizes_N = np.sort(np.abs(np.asarray(residuals_N, np.float64)))
    rank = math.ceil((len(sizes_N) + 1) * _checked(coverage) - 1e-9)  # 0.9 × 10 must not come out above 9
    return float(sizes_N[rank - 1]) if rank <= len(sizes_N) else math.inf


def half_widths(residuals_NM: Numbers, coverage: float) -> Floats:
    """(M,) `half_width` of each target by itself; that all M hold at once is less likely than ``coverage``."""
    residuals = np.asarray(residuals_NM, np.float64)
    return np.asarray([half_width(residuals[:, target], coverage) for target in range(residuals.shape[1])])


def coverage_of(numbers_N: Numbers, predicted_N: Numbers, half_width: float, groups_N: IntArray) -> Interval:
    """Share of one target's numbers within prediction ± half width, with Wilson's interval for the independent trials.

    On the items that gave the half width it says nothing new; give others.
    """
    covered_N: NDArray[np.bool_] = np.abs(_residuals(numbers_N, predicted_N)) <= half_width
    if not len(covered_N):
        return wilson(0.0, 0.0)
    effective = effective_trials(covered_N, groups_N)
    return wilson(float(covered_N.mean()) * effective, effective)


def _residuals(numbers_N: Numbers, predicted_N: Numbers) -> Floats:
    return np.asarray(numbers_N, np.float64) - np.asarray(predicted_N, np.float64)


def _checked(coverage: float) -> float:
    if not 0 < coverage < 1:
        raise UsageError(f"the coverage is {coverage!r}; give a fraction between 0 and 1, such as 0.9")
    return coverage
