"""A model's mistakes: from labels and probabilities to the rows a person reads.

Shapes: N items, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.types import IntArray, Interval
from .metrics import CALIBRATION_BINS, Floats, confusion, effective_trials, losses, wilson


@dataclass(frozen=True)
class ClassRow:
    """One class: its number of items, and precision and recall (fractions) with 95 % intervals; None where undefined."""

    label: str
    count: int
    precision: Interval | None
    recall: Interval | None


@dataclass(frozen=True)
class ReliabilityBin:
    """Items whose confidence fell in one bin: mean confidence, and accuracy with its interval (fractions)."""

    confidence: float
    accuracy: Interval
    count: int


# A mistake counts as confident from the confidence at which answers are accepted unseen, but never below this.
CONFIDENT = 0.8


def class_rows(
    labels_N: IntArray, predicted_N: IntArray, groups_N: IntArray, classes: tuple[str, ...]
) -> tuple[ClassRow, ...]:
    """Precision and recall of each class with Wilson's intervals; None where nothing was there to count."""
    hits_N = labels_N == predicted_N
    return tuple(
        ClassRow(
            name,
            int((labels_N == c).sum()),
            precision=share(hits_N, predicted_N == c, groups_N),
            recall=share(hits_N, labels_N == c, groups_N),
        )
        for c, name in enumerate(classes)
    )


def share(hits_N: NDArray[np.bool_], inside_N: NDArray[np.bool_], groups_N: IntArray) -> Interval | None:
    """Share of hits among the items inside, for the number of independent trials they are worth; None for no items."""
    hits, n = hits_N[inside_N], int(inside_N.sum())
    if not n:
        return None
    effective = effective_trials(hits, groups_N[inside_N])
    return wilson(float(hits.mean()) * effective, effective)


def balanced_accuracy(labels_N: IntArray, predicted_N: IntArray, n_classes: int) -> float:
    """Mean recall over the classes that occur."""
    counts_CC = confusion(labels_N, predicted_N, n_classes)
    there_C = counts_CC.sum(axis=1)
    return float(np.mean(np.diag(counts_CC)[there_C > 0] / there_C[there_C > 0]))


def reliability(
    labels_N: IntArray, probs_NC: Floats, groups_N: IntArray, bins: int = CALIBRATION_BINS
) -> tuple[ReliabilityBin, ...]:
    """Equal-width bins of confidence that hold anything, with the accuracy inside."""
    confidence_N = probs_NC.max(axis=1)
    hits_N = probs_NC.argmax(axis=1) == labels_N
    bin_N = np.minimum((confidence_N * bins).astype(int), bins - 1)
    rows = []
    for b in np.unique(bin_N):
        inside = bin_N == b
        accuracy = share(hits_N, inside, groups_N)
        assert accuracy is not None  # the bin holds something
        rows.append(ReliabilityBin(float(confidence_N[inside].mean()), accuracy, int(inside.sum())))
    return tuple(rows)


def top_losses(
    labels_N: IntArray, probs_NC: Floats, count: int, without: NDArray[np.intp] | None = None
) -> NDArray[np.intp]:
    """Rows with the greatest loss, greatest first, right or wrong; those in ``without`` left out."""
    order: NDArray[np.intp] = np.argsort(-losses(labels_N, probs_NC), kind="stable")
    return (order if without is None else order[~np.isin(order, without)])[:count]


def confident_mistakes(labels_N: IntArray, probs_NC: Floats, least: float) -> NDArray[np.intp]:
    """Return the rows of wrong answers with a confidence of ``least`` or more, the most confident first."""
    confidence_N = probs_NC.max(axis=1)
    wrong = np.flatnonzero((probs_NC.argmax(axis=1) != labels_N) & (confidence_N >= least))
    order: NDArray[np.intp] = wrong[np.argsort(-confidence_N[wrong], kind="stable")]
    return order
