"""Two-sample tests on batches: they explain a change that was found, and alarm of nothing by themselves.

Shapes: A, B samples of either batch; D features; K bins or categories.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .metrics import Floats


@dataclass(frozen=True, slots=True)
class TwoSample:
    """A distance between two batches, and the p-value of both being of one distribution."""

    distance: float
    """0–1; 0 where both are alike."""
    p: float


NOTHING = TwoSample(0.0, 1.0)
"""The result where there is nothing to compare."""


def spent(alpha: float, look: int) -> float:
    """The share of α that the look of this number, from 1, may spend: α · 6 / (π² look²), which sum to α over all looks.

    >>> round(spent(0.05, 1), 4), round(sum(spent(0.05, look) for look in range(1, 10_000)), 4)
    (0.0304, 0.05)
    """
    return alpha * 6 / (math.pi * look) ** 2


def kolmogorov_smirnov(a_K: Sequence[float], b_K: Sequence[float]) -> TwoSample:
    """Compare two batches by their counts in the same K ordered bins.

    The largest distance between the distribution functions at the bins' edges, with Kolmogorov's asymptotic p-value, which is
    too large for counts in bins: never too small.

    >>> kolmogorov_smirnov([5, 5], [5, 5])
    TwoSample(distance=0.0, p=1.0)
    """
    a, b = float(sum(a_K)), float(sum(b_K))
    if not a or not b:
        return NOTHING
    gap = np.abs(np.cumsum(np.asarray(a_K, float)) / a - np.cumsum(np.asarray(b_K, float)) / b)
    distance = float(gap.max())
    from scipy.special import kolmogorov  # heavy to import

    return TwoSample(distance, float(kolmogorov(distance * math.sqrt(a * b / (a + b)))))


def categories(a: Mapping[str, float], b: Mapping[str, float]) -> TwoSample:
    """Compare two batches by their counts in categories: total variation, with the p-value of Pearson's χ² of homogeneity.

    Categories of fewer than 5 in both together are counted as one, as χ² is poor there (Cochran 1954).

    >>> categories({"x": 50}, {"x": 50, "y": 0})
    TwoSample(distance=0.0, p=1.0)
    """
    total_a, total_b = float(sum(a.values())), float(sum(b.values()))
    if not total_a or not total_b:
        return NOTHING
    names = sorted(a.keys() | b.keys())
    pairs = [(float(a.get(name, 0)), float(b.get(name, 0))) for name in names]
    distance = sum(abs(x / total_a - y / total_b) for x, y in pairs) / 2
    common = [pair for pair in pairs if sum(pair) >= 5]
    rare = [pair for pair in pairs if 0 < sum(pair) < 5]
    cells = [*common, *([(sum(x for x, _ in rare), sum(y for _, y in rare))] if rare else [])]
    if len(cells) < 2:
        return TwoSample(distance, 1.0)
    share = total_a / (total_a + total_b)
    chi2 = sum((x - (x + y) * share) ** 2 / ((x + y) * share * (1 - share)) for x, y in cells)
    from scipy.special import chdtrc

    return TwoSample(distance, float(chdtrc(len(cells) - 1, chi2)))


def means(a: Sequence[float], b: Sequence[float]) -> TwoSample:
    """Compare two batches by (number, sum, sum of squares): Cohen's d, cut at 1, with the p-value of Welch's test (normal)."""
    if a[0] < 2 or b[0] < 2:
        return NOTHING
    (mean_a, var_a), (mean_b, var_b) = _moments(a), _moments(b)
    gap = abs(mean_a - mean_b)
    if gap == 0:
        return NOTHING
    error, spread = math.sqrt(var_a / a[0] + var_b / b[0]), math.sqrt((var_a + var_b) / 2)
    if spread < 1e-12 * max(abs(mean_a), abs(mean_b)):  # each batch is one value
        return TwoSample(1.0, 0.0)
    return TwoSample(min(1.0, gap / spread), math.erfc(gap / error / math.sqrt(2)))


def _moments(sums: Sequence[float]) -> tuple[float, float]:
    n, total, squares = sums
    mean = total / n
    return mean, max(squares / n - mean * mean, 0.0) * n / (n - 1)


def classifier_two_sample(
    a_AD: NDArray[np.floating], b_BD: NDArray[np.floating], *, permutations: int = 199, seed: int = 0
) -> TwoSample:
    """Compare two batches by how well a classifier tells them apart (Lopez-Paz and Oquab 2017, "Revisiting classifier
    two-sample tests").

    A ridge discriminant is cross-fitted over two halves; the distance is 2 · AUC − 1 of its scores, cut at 0. The p-value is
    (1 + number of permutations at least as far) / (permutations + 1), with all fits repeated on each, so that it is exact.

    Raises:
        ValueError: a batch has fewer than four samples, or they have not the same features.
    """
    if min(len(a_AD), len(b_BD)) < 4 or a_AD.shape[1:] != b_BD.shape[1:]:
        raise ValueError(
            f"batches of shape {a_AD.shape} and {b_BD.shape}: four samples of the same features are needed"
        )
    rng = np.random.default_rng(seed)
    x_ND = np.concatenate([a_AD, b_BD]).astype(np.float64)
    x_ND -= x_ND.mean(axis=0)
    deviation_D = x_ND.std(axis=0)
    x_ND /= np.where(deviation_D > 0, deviation_D, 1.0)
    y_N: Floats = np.repeat([0.0, 1.0], [len(a_AD), len(b_BD)])
    half_N = rng.permutation(len(x_ND)) % 2
    # Scores of one half are linear in the labels of the other, so that one map of each serves all permutations.
    maps = [(_ridge(x_ND[half_N == fold], x_ND[half_N != fold]), half_N == fold) for fold in (0, 1)]
    observed = _separation(maps, y_N)
    as_far = sum(_separation(maps, y_N[rng.permutation(len(y_N))]) >= observed for _ in range(permutations))
    return TwoSample(max(0.0, observed), (1 + as_far) / (permutations + 1))


def _ridge(fitted_ND: Floats, judged_MD: Floats) -> Floats:
    """(M, N) the linear map from centred labels of the fitted half to scores of the other, in the dual of ridge regression."""
    gram_NN = fitted_ND @ fitted_ND.T
    ridge = max(float(np.trace(gram_NN)) / len(gram_NN), 1e-12)
    solved = np.linalg.solve(gram_NN + ridge * np.eye(len(gram_NN)), fitted_ND @ judged_MD.T)
    return np.asarray(solved.T, np.float64)


def _separation(maps: Sequence[tuple[Floats, NDArray[np.bool_]]], y_N: Floats) -> float:
    from .metrics import auc

    found = []
    for map_MN, fitted_N in maps:
        scores_M = map_MN @ (y_N[fitted_N] - y_N[fitted_N].mean())
        found.append(auc(y_N[~fitted_N] == 1, scores_M))
    finite = [value for value in found if math.isfinite(value)]
    return 2 * sum(finite) / len(finite) - 1 if finite else 0.0
