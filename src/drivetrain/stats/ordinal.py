"""Ordered grades: their probabilities from cumulative logits, and figures of merit that know how far off a grade is.

Shapes: N items, C grades numbered from 0 in their order, K = C − 1 cumulative logits; column k is the log-odds of “the
grade is above k”, so that they do not increase from left to right (McCullagh 1980, "Regression models for ordinal data").
Probabilities lie in 0–1. Accuracy and log-loss are those of classes (`metrics`).
"""

from __future__ import annotations

import numpy as np

from ..core.types import FloatArray, IntArray, Interval
from .metrics import Floats, effective_trials, wilson

# Half an item one grade off is counted where none was seen; Haldane's and Anscombe's ½.
LEAST_DISAGREEMENT = 0.5


def ordered(logits_NK: FloatArray | Floats) -> Floats:
    """Return (N, K) cumulative logits in falling order: each is no greater than those left of it.

    Logits of a cumulative-logit head are so but for rounding; of others the least so far counts, as “above k” includes
    “above k + 1”.
    """
    ordered_NK: Floats = np.minimum.accumulate(np.asarray(logits_NK, np.float64), axis=1)
    return ordered_NK


def log_grade_probabilities(logits_NK: FloatArray | Floats, beta: float = 1.0) -> Floats:
    """(N, C) natural logarithms of the grades' probabilities, from cumulative logits sharpened by ``beta``.

    A grade has what “above the one below” has and “above it” has not, σ(a) − σ(b) with a ≥ b, which is
    σ(a) · σ(−b) · (1 − exp(b − a)): three factors without a difference of nearly equal numbers, so that small
    probabilities keep their relative precision. −∞ where two logits are the same.
    """
    z_NK = ordered(logits_NK) * beta
    edge_N1 = np.full((len(z_NK), 1), np.inf)
    above_below_NC, above_NC = np.hstack([edge_N1, z_NK]), np.hstack([z_NK, -edge_N1])
    with np.errstate(divide="ignore"):
        logs_NC: Floats = (
            np.log(-np.expm1(above_NC - above_below_NC))
            - np.logaddexp(0.0, -above_below_NC)
            - np.logaddexp(0.0, above_NC)
        )
    return logs_NC


def grade_probabilities(logits_NK: FloatArray | Floats, beta: float = 1.0) -> Floats:
    """(N, C) probabilities of the grades from cumulative logits, sharpened by ``beta`` = 1/temperature; they sum to 1."""
    probs_NC: Floats = np.exp(log_grade_probabilities(logits_NK, beta))
    probs_NC /= probs_NC.sum(axis=1, keepdims=True)
    return probs_NC


def exceedance(probs_NC: Floats) -> Floats:
    """(N, K) probabilities of “above grade k” from those of the grades; never below 0 nor above 1."""
    # Probabilities are summed from the last grade on, so that small sums keep their digits.
    summed_NK: Floats = np.cumsum(probs_NC[:, :0:-1], axis=1)[:, ::-1]
    return np.clip(summed_NK, 0.0, 1.0)


def expected_grade(probs_NC: Floats, places_C: Floats | None = None) -> Floats:
    """(N,) mean of the grades' places under their probabilities: their numbers, or ``places_C``."""
    places = np.arange(probs_NC.shape[1], dtype=np.float64) if places_C is None else places_C
    mean_N: Floats = np.asarray(probs_NC, np.float64) @ places
    return np.clip(mean_N, places.min(), places.max())


def likely_grades(probs_C: Floats, share: float) -> tuple[int, int]:
    """The range of grades outside which less than half of 1 − ``share`` of the probability lies on either side.

    Together with those between them they have at least ``share`` of the probability.
    """
    tail = (1 - share) / 2
    lowest = int(np.argmax(np.cumsum(probs_C) > tail))
    return lowest, len(probs_C) - 1 - int(np.argmax(np.cumsum(probs_C[::-1]) > tail))


def mean_absolute_grades(grades_N: IntArray, predicted_N: IntArray, groups_N: IntArray) -> Interval:
    """Mean |grade − prediction|, in grades, with a 95 % interval that knows of groups.

    Wilson's on the share of s · Bernoulli(p) that has the errors' mean and mean square, s = Σ e² / Σ e: with two grades
    it is that of 1 − accuracy. On simulated grades it held the truth in 91 to 99 % of samples, where the percentile
    bootstrap fell to 79 % (few errors resample to none).
    """
    errors_N = np.abs(np.asarray(grades_N, np.float64) - predicted_N)
    if not len(errors_N):
        return wilson(0.0, 0.0)
    mean = float(errors_N.mean())
    unit = float((errors_N**2).mean()) / mean if mean else 1.0
    effective = effective_trials(errors_N / unit, groups_N)
    share = wilson(mean / unit * effective, effective)
    return Interval(mean, min(unit * share.low, mean), max(unit * share.high, mean), "Wilson 95 % on scaled errors")


def quadratic_weighted_kappa(grades_N: IntArray, predicted_N: IntArray) -> float:
    """Cohen's kappa with weights (i − j)²: 1 − mean squared error over that of pairs matched at random.

    1 is agreement, 0 what chance would have (Cohen 1968, "Weighted kappa"). NaN where there is one grade only and all
    predictions are it.
    """
    return float(_kappa(*_agreement(_moments(grades_N, predicted_N).sum(axis=1))))


def kappa_interval(grades_N: IntArray, predicted_N: IntArray, groups_N: IntArray) -> Interval:
    """`quadratic_weighted_kappa` with a 95 % interval: the jackknife over whole groups, on Fisher's z = artanh κ.

    κ with these weights is the concordance correlation coefficient, whose distribution z makes nearly normal
    (Lin 1989); the standard error is that of leaving each group out, with Student's quantile for their number. On
    simulated grades it held the truth in 93 to 98 % of samples of 100 groups (88 to 98 % of 30, the least with rare
    grades), where percentile and reflected bootstrap over groups fell to 90 and 85 % (76 and 72 %). With no
    disagreement, what so many groups can say of rare ones, each one grade off, bounds κ from below.
    """
    method = "jackknife 95 % over groups"
    _, group_N = np.unique(groups_N, return_inverse=True)
    moments_6G = _moments(grades_N, predicted_N, group_N)
    total_6 = moments_6G.sum(axis=1)
    disagreement, by_chance = _agreement(total_6)
    value = float(_kappa(disagreement, by_chance))
    n_groups = moments_6G.shape[1]
    if not np.isfinite(value) or n_groups < 2:
        return Interval(value, -1.0 if np.isfinite(value) else value, 1.0 if np.isfinite(value) else value, method)
    if disagreement == 0:
        return Interval(value, float(_kappa(wilson(0.0, n_groups).high, by_chance)), value, method)
    z_G = _fisher(total_6[:, None] - moments_6G)
    z_G = z_G[np.isfinite(z_G)]  # κ is undefined for a resample that lacks the only group of another grade
    if len(z_G) < 2:
        return Interval(value, -1.0, 1.0, method)
    from scipy.special import stdtrit  # heavy to import, and a predictor has no groups

    error = np.sqrt((len(z_G) - 1) * z_G.var()) * float(stdtrit(n_groups - 1, 0.975))
    z = _fisher(total_6)
    return Interval(value, min(float(np.tanh(z - error)), value), max(float(np.tanh(z + error)), value), method)


def _moments(grades_N: IntArray, predicted_N: IntArray, group_N: IntArray | None = None) -> Floats:
    """Sum over each group, (6, G): items, y, p, y², p², (y − p)², all that κ needs. Whole numbers, so exact."""
    y_N, p_N = np.asarray(grades_N, np.float64), np.asarray(predicted_N, np.float64)
    group = np.zeros(len(y_N), np.int64) if group_N is None else group_N
    columns = (np.ones(len(y_N)), y_N, p_N, y_N**2, p_N**2, (y_N - p_N) ** 2)
    return np.stack([np.bincount(group, weights=column, minlength=1) for column in columns])


def _agreement(moments_6: Floats) -> tuple[Floats, Floats]:
    """Return the mean squared difference of grade and prediction, and that of all pairs of a grade with a prediction."""
    n, y, p, yy, pp, squared = moments_6
    with np.errstate(divide="ignore", invalid="ignore"):
        return squared / n, (yy + pp) / n - 2 * y * p / n**2


def _kappa(disagreement: Floats | float, by_chance: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - disagreement / by_chance)


def _fisher(moments_6: Floats) -> Floats:
    disagreement, by_chance = _agreement(moments_6)
    with np.errstate(divide="ignore", invalid="ignore"):
        least = LEAST_DISAGREEMENT / moments_6[0]
        return np.asarray(np.arctanh(_kappa(np.maximum(disagreement, least), by_chance)))
