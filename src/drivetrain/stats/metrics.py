"""Figures of merit and their intervals. Shapes: N items, C classes; probabilities in 0–1, losses in nats."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray, IntArray, Interval

# Two-sided 95 %.
Z_95 = 1.959963984540054

# The least probability that counts: a zero for the true label would make the log-loss infinite on one item.
LEAST_PROBABILITY = 1e-7

# Bins of equal width, as in Guo et al. 2017, "On calibration of modern neural networks".
CALIBRATION_BINS = 15

Floats = NDArray[np.float64]


def wilson(successes: float, trials: float, method: str = "Wilson 95 %") -> Interval:
    """Wilson's score interval for a proportion; ``trials`` may be an effective, fractional number.

    Wilson 1927; with no trials the interval is 0–1.
    """
    if trials <= 0:
        return Interval(float("nan"), 0.0, 1.0, method)
    p = successes / trials
    denominator = 1 + Z_95**2 / trials
    centre = (p + Z_95**2 / (2 * trials)) / denominator
    half = Z_95 * np.sqrt(p * (1 - p) / trials + Z_95**2 / (4 * trials**2)) / denominator
    low, high = max(0.0, float(centre - half)), min(1.0, float(centre + half))
    return Interval(float(p), min(low, float(p)), max(high, float(p)), method)


def independent_trials(share: Interval) -> float:
    """The number of independent trials behind Wilson's 95 % interval, which `wilson` was given; infinite for a point.

    >>> round(independent_trials(wilson(18, 20)), 6)
    20.0
    """
    # The limit that lies farther off solves (p − limit)² = z² · limit · (1 − limit) / n without losing digits.
    far = share.low if share.value - share.low >= share.high - share.value else share.high
    gap = share.value - far
    return Z_95**2 * far * (1 - far) / gap**2 if gap else float("inf")


def clopper_pearson(successes: float, trials: float, tail: float) -> Interval:
    """The exact interval of a proportion, with ``tail`` beyond either limit; ``trials`` may be fractional (Korn and
    Graubard 1998). Clopper and Pearson 1934.
    """
    from scipy.special import betaincinv  # heavy to import, and a predictor has no use for it

    rest = trials - successes
    low = float(betaincinv(successes, rest + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, rest, 1 - tail)) if rest > 0 else 1.0
    return Interval(successes / trials, low, high, f"Clopper–Pearson {1 - 2 * tail:.1%}")


def difference(a: Interval, b: Interval) -> Interval:
    """a − b of two independent figures from their intervals alone.

    Newcombe 1998 ("Interval estimation for the difference between independent proportions: comparison of eleven methods",
    method 10), which Zou and Donner 2008 ("Construction of confidence limits about effect measures") showed to hold for
    any two figures with limits of their own. What the intervals know of groups, the difference knows.
    """
    value = a.value - b.value
    below, above = np.hypot(a.value - a.low, b.high - b.value), np.hypot(a.high - a.value, b.value - b.low)
    return Interval(value, value - float(below), value + float(above), "from both intervals (Newcombe; Zou and Donner)")


def effective_trials(hits_N: NDArray[np.bool_] | Floats, groups_N: IntArray) -> float:
    """Number of independent trials that N trials in groups are worth: N over the design effect (Rao and Scott 1992).

    ``hits_N`` may be any numbers of mean p and variance p · (1 − p), as those of trials are.

    The design effect is itself estimated from G groups, so the result is reduced by (z / t with G − 1 degrees of
    freedom)², after Korn and Graubard 1998. Never more than N; with every item a group of its own it is N.
    """
    n = len(hits_N)
    _, group_N = np.unique(groups_N, return_inverse=True)
    n_groups = int(group_N.max()) + 1 if n else 0
    p = float(hits_N.mean()) if n else 0.0
    if n_groups == n or n_groups < 2 or p in (0.0, 1.0):
        # With no or only errors the clustering of errors cannot be seen; the number of groups is the safe count.
        return float(n if n_groups == n else n_groups)
    residual_G = np.bincount(group_N, weights=hits_N - p)
    clustered = n_groups / (n_groups - 1) * float(residual_G @ residual_G) / n**2
    design_effect = max(1.0, clustered / (p * (1 - p) / n))
    from scipy.special import stdtrit  # heavy to import, and a predictor has no groups

    return n / design_effect * (Z_95 / float(stdtrit(n_groups - 1, 0.975))) ** 2


def accuracy(labels_N: IntArray, predicted_N: IntArray, groups_N: IntArray | None = None) -> Interval:
    """Share of right answers with Wilson's interval, for the number of independent trials."""
    hits_N = labels_N == predicted_N
    n = len(hits_N)
    effective = effective_trials(hits_N, groups_N) if groups_N is not None else float(n)
    method = "Wilson 95 %"
    if effective <= n - 0.5:
        method += f", {n} images counted as {effective:.0f} independent ones, since some belong together"
    p = float(hits_N.mean()) if n else float("nan")
    return wilson(p * effective if n else 0.0, effective, method)


def losses(labels_N: IntArray, probs_NC: Floats) -> Floats:
    """(N,) −log p(label)."""
    return -np.log(np.clip(probs_NC[np.arange(len(labels_N)), labels_N], LEAST_PROBABILITY, 1.0))


def log_loss(labels_N: IntArray, probs_NC: Floats) -> float:
    """Mean −log p(label)."""
    return float(losses(labels_N, probs_NC).mean())


def expected_calibration_error(labels_N: IntArray, probs_NC: Floats, bins: int = CALIBRATION_BINS) -> float:
    """Mean gap between confidence and accuracy over equal-width bins of confidence (Guo et al. 2017), a fraction."""
    confidence_N = probs_NC.max(axis=1)
    hits_N = probs_NC.argmax(axis=1) == labels_N
    bin_N = np.minimum((confidence_N * bins).astype(int), bins - 1)
    gap = np.bincount(bin_N, weights=hits_N - confidence_N, minlength=bins)
    return float(np.abs(gap).sum() / len(labels_N))


def auc(positive_N: NDArray[np.bool_], scores_N: Floats) -> float:
    """Area under the ROC curve: P(score of a positive > score of a negative), ties counted half. NaN with one class."""
    n_positive = int(positive_N.sum())
    n_negative = len(positive_N) - n_positive
    if not n_positive or not n_negative:
        return float("nan")
    _, inverse_N, counts = np.unique(scores_N, return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mid_rank[inverse_N][positive_N].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def confusion(labels_N: IntArray, predicted_N: IntArray, n_classes: int) -> IntArray:
    """(C, C) counts; rows are labels, columns predictions."""
    flat = np.bincount(labels_N * n_classes + predicted_N, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def bootstrap(
    groups_N: IntArray, figure: Callable[[NDArray[np.intp]], float], seed: int, resamples: int = 200
) -> tuple[float, float]:
    """95 % percentile interval of ``figure(rows)`` over resamples of whole groups."""
    rng = np.random.default_rng(seed)
    _, group_N = np.unique(groups_N, return_inverse=True)
    order = np.argsort(group_N, kind="stable")
    starts = np.searchsorted(group_N[order], np.arange(int(group_N.max()) + 2))
    members = [order[a:b] for a, b in pairwise(starts)]
    values = []
    for _ in range(resamples):
        drawn = rng.integers(len(members), size=len(members))
        values.append(figure(np.concatenate([members[group] for group in drawn])))
    finite = np.asarray(values)[np.isfinite(values)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [0.025, 0.975])
    return float(low), float(high)


def softmax(logits_NC: FloatArray | Floats, beta: float = 1.0) -> Floats:
    """(N, C) probabilities from logits, sharpened by ``beta`` = 1/temperature."""
    scaled = np.asarray(logits_NC, np.float64) * beta
    scaled -= scaled.max(axis=1, keepdims=True)
    exp_NC = np.exp(scaled)
    probs_NC: Floats = exp_NC / exp_NC.sum(axis=1, keepdims=True)
    return probs_NC
