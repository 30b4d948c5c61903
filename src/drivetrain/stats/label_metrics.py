"""Figures of merit where an item may have any of the labels, or none.

Shapes: N items, L labels, K distinct scores; ``present_NL`` is 0 or 1, probabilities lie in 0–1, losses are in nats.
A label is predicted where its probability is at least its threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.types import FloatArray, IntArray, Interval
from .metrics import LEAST_PROBABILITY, Floats, bootstrap, effective_trials, wilson

DEFAULT_THRESHOLD = 0.5
"""The threshold of a label of which nothing can be learned, as no item has it, or all have it."""


@dataclass(frozen=True)
class LabelRow:
    """The figures of one label; None where there was nothing to count."""

    label: str
    count: int
    """The number of items that have the label."""
    threshold: float
    precision: Interval | None
    recall: Interval | None
    average_precision: float | None


def sigmoid(logits_NL: FloatArray | Floats, beta: float = 1.0) -> Floats:
    """(N, L) probabilities from logits, each label by itself, sharpened by ``beta`` = 1/temperature.

    Small probabilities keep their relative precision, so that very negative logits are not tied.
    """
    probs_NL: Floats = np.exp(-np.logaddexp(0.0, np.asarray(logits_NL, np.float64) * -beta))
    return probs_NL


def binary_losses(present_NL: FloatArray, probs_NL: Floats) -> Floats:
    """(N,) binary cross-entropy of each item, averaged over the labels."""
    happened_NL = np.where(np.asarray(present_NL) > 0.5, probs_NL, 1 - np.asarray(probs_NL, np.float64))
    losses_N: Floats = -np.log(np.clip(happened_NL, LEAST_PROBABILITY, 1.0)).mean(axis=1)
    return losses_N


def binary_log_loss(present_NL: FloatArray, probs_NL: Floats) -> float:
    """Mean binary cross-entropy over items and labels."""
    return float(binary_losses(present_NL, probs_NL).mean())


def average_precision(present_N: NDArray[np.generic], scores_N: Floats) -> float:
    """Area below the steps of precision over recall: Σ (recall_k − recall_k−1) · precision_k, k by falling score.

    Items of equal score come in one step, as scikit-learn's ``average_precision_score`` has it. NaN where no item has
    the label.
    """
    hits_K, claims_K, _ = _steps(present_N, scores_N)
    if not len(hits_K) or not hits_K[-1]:
        return float("nan")
    return float(np.sum(np.diff(hits_K, prepend=0) * (hits_K / claims_K)) / hits_K[-1])


def mean_average_precision(present_NL: FloatArray, scores_NL: FloatArray | Floats) -> float:
    """Mean of the average precision over the labels that occur, each counting the same. NaN where none occurs."""
    each = [
        average_precision(np.asarray(present_NL)[:, label], np.asarray(scores_NL, np.float64)[:, label])
        for label in np.flatnonzero(np.asarray(present_NL).max(axis=0, initial=0) > 0)
    ]
    return float(np.mean(each)) if each else float("nan")


def mean_average_precision_interval(
    present_NL: FloatArray, scores_NL: FloatArray | Floats, groups_N: IntArray, seed: int, resamples: int = 200
) -> Interval:
    """`mean_average_precision` with its 95 % bootstrap interval over whole groups.

    Few positives flatter average precision, and a resample, which repeats some and lacks others, has fewer still: its
    figure lies above that of the items by about as much as that above the truth. So the percentiles are reflected about
    the figure (the basic bootstrap; Davison and Hinkley 1997, section 5.2), on the scale arcsin √x, on which the spread
    of a share does not depend on the share. NaN where no label occurs.
    """
    mean = mean_average_precision(present_NL, scores_NL)
    method = "reflected bootstrap 95 % over groups"
    if not np.isfinite(mean):
        return Interval(mean, mean, mean, method)
    present, scores = np.asarray(present_NL), np.asarray(scores_NL, np.float64)
    low, high = bootstrap(groups_N, lambda rows: mean_average_precision(present[rows], scores[rows]), seed, resamples)
    middle, below, above = (float(np.arcsin(np.sqrt(share))) for share in (mean, low, high))
    reflected = (np.sin(np.clip(2 * middle - end, 0, np.pi / 2)) ** 2 for end in (above, below))
    low, high = (float(end) for end in reflected)
    return Interval(mean, min(low, mean), max(high, mean), method)


def best_thresholds(present_NL: FloatArray, probs_NL: FloatArray | Floats) -> Floats:
    """(L,) threshold of each label that maximises F1 = 2 · precision · recall / (precision + recall).

    It stands half way between the two neighbouring scores, the lowest half way to 0. Of thresholds with the same F1
    the highest, which claims least. 0.5 where a label has no positive or no negative. Figures at these thresholds on
    the same items are a little too good, the more so the rarer the label.
    """
    present, probs = np.asarray(present_NL), np.asarray(probs_NL, np.float64)
    return np.asarray([_best_threshold(present[:, label], probs[:, label]) for label in range(present.shape[1])])


def _best_threshold(present_N: NDArray[np.generic], probs_N: Floats) -> float:
    hits_K, claims_K, scores_K = _steps(present_N, probs_N)
    if not len(hits_K) or hits_K[-1] in (0, claims_K[-1]):
        return DEFAULT_THRESHOLD
    # Equal fractions divide to equal floats, so ties are exact, and argmax takes the first: the highest score.
    k = int(np.argmax(2 * hits_K / (claims_K + hits_K[-1])))
    above, below = float(scores_K[k]), float(scores_K[k + 1]) if k + 1 < len(scores_K) else 0.0
    middle = (above + below) / 2
    return middle if middle > below else above  # neighbouring floats have nothing between them


def _steps(present_N: NDArray[np.generic], scores_N: Floats) -> tuple[IntArray, IntArray, Floats]:
    """Count right and all claims, (K,) each, with each distinct score as threshold, highest first; also returns the scores."""
    order = np.argsort(-np.asarray(scores_N, np.float64), kind="stable")
    scores, hits = np.asarray(scores_N, np.float64)[order], np.cumsum(np.asarray(present_N)[order] > 0.5)
    last_K = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.zeros(0, np.intp)
    return hits[last_K].astype(np.int64), (last_K + 1).astype(np.int64), scores[last_K]


def label_rows(
    present_NL: FloatArray,
    probs_NL: FloatArray | Floats,
    thresholds_L: Sequence[float] | Floats,
    groups_N: IntArray,
    labels: Sequence[str],
) -> tuple[LabelRow, ...]:
    """Precision, recall and average precision of each label, with Wilson's intervals for the independent trials.

    Raises:
        DataError: labels, thresholds and columns differ in number.
    """
    present, probs = np.asarray(present_NL) > 0.5, np.asarray(probs_NL, np.float64)
    if not (present.shape == probs.shape and present.shape[1] == len(labels) == len(thresholds_L)):
        raise DataError(
            f"received {len(labels)} labels, {len(thresholds_L)} thresholds, truths of shape {present.shape} and "
            f"probabilities of shape {probs.shape}; give one threshold and one column a label"
        )
    rows = []
    for column, (label, threshold) in enumerate(zip(labels, thresholds_L, strict=True)):
        there_N, claimed_N = present[:, column], probs[:, column] >= threshold
        ranked = average_precision(there_N, probs[:, column])
        rows.append(
            LabelRow(
                label,
                int(there_N.sum()),
                float(threshold),
                precision=_share(there_N, claimed_N, groups_N),
                recall=_share(claimed_N, there_N, groups_N),
                average_precision=None if np.isnan(ranked) else ranked,
            )
        )
    return tuple(rows)


def _share(hits_N: NDArray[np.bool_], inside_N: NDArray[np.bool_], groups_N: IntArray) -> Interval | None:
    """Share of hits among the items inside, for the number of independent trials they are worth; None for no items."""
    if not inside_N.any():
        return None
    hits = hits_N[inside_N]
    effective = effective_trials(hits, groups_N[inside_N])
    return wilson(float(hits.mean()) * effective, effective)
