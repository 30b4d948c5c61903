"""Confident learning: which labels a model that has not seen the items confidently takes for others.

Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels". A model is confident of a class
where its probability reaches the mean of those that it gives to the items labelled so. Items lie in a cell of the confident
joint, label by class; those off its diagonal are flagged. Shapes: N items, C classes; probabilities in 0–1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.types import IntArray
from .metrics import Floats

ROUNDING = 1e-6
"""Probabilities this close are taken to be equal, in favour of the label that stands."""

NEVER = 2.0
"""The threshold of a class that no item is labelled with: no probability reaches it."""


def thresholds(labels_N: IntArray, probs_NC: Floats) -> Floats:
    """(C,) mean probability of each class over the items labelled so."""
    counts_C = np.bincount(labels_N, minlength=probs_NC.shape[1])
    own_N = probs_NC[np.arange(len(labels_N)), labels_N]
    sums_C = np.bincount(labels_N, weights=own_N, minlength=probs_NC.shape[1])
    means_C = np.where(counts_C > 0, sums_C / np.maximum(counts_C, 1), NEVER)
    floors_C: Floats = np.maximum(means_C, 2 * ROUNDING)
    return floors_C


def confident_classes(labels_N: IntArray, probs_NC: Floats) -> IntArray:
    """(N,) the likeliest of the classes that the model is confident of; −1 where it is of none."""
    reached_NC = probs_NC >= thresholds(labels_N, probs_NC) - ROUNDING
    # Where it is confident of several, the likeliest of all counts, be it one of them or not: the published program has it so.
    several_N = reached_NC.sum(axis=1) > 1
    guess_N = np.where(several_N, probs_NC.argmax(axis=1), reached_NC.argmax(axis=1))
    return np.where(reached_NC.any(axis=1), guess_N, -1).astype(np.int64)


def confident_joint(labels_N: IntArray, probs_NC: Floats) -> IntArray:
    """(C, C) items by their label (rows) and the class that the model is confident of (columns)."""
    width = probs_NC.shape[1]
    guess_N = confident_classes(labels_N, probs_NC)
    sure_N = guess_N >= 0
    cells_M = labels_N[sure_N] * width + guess_N[sure_N]
    joint_CC: IntArray = np.bincount(cells_M, minlength=width * width).reshape(width, width).astype(np.int64)
    return joint_CC


def flagged(labels_N: IntArray, probs_NC: Floats) -> NDArray[np.bool_]:
    """(N,) which items lie off the diagonal of the confident joint, and are not answered by their label."""
    guess_N = confident_classes(labels_N, probs_NC)
    flags_N: NDArray[np.bool_] = (guess_N >= 0) & (guess_N != labels_N) & (margins(labels_N, probs_NC) < -ROUNDING)
    return flags_N


def margins(labels_N: IntArray, probs_NC: Floats) -> Floats:
    """(N,) probability of the label less that of the likeliest other class, from −1 to 1.

    >>> margins(np.array([0, 1]), np.array([[0.7, 0.2, 0.1], [0.5, 0.2, 0.3]])).round(3).tolist()
    [0.5, -0.3]
    """
    rows_N = np.arange(len(labels_N))
    others_NC = probs_NC.astype(np.float64, copy=True)
    others_NC[rows_N, labels_N] = -np.inf
    best_N = others_NC.max(axis=1) if probs_NC.shape[1] > 1 else np.zeros(len(labels_N))
    margin_N: Floats = probs_NC[rows_N, labels_N] - best_N
    return margin_N


def doubts(labels_N: IntArray, probs_NC: Floats) -> Floats:
    """(N,) probability of the likeliest other class as a share of its and the label's, from 0 to 1: above ½ it is likelier.

    It orders as the margin of their logarithms does. Differences of probabilities call a label safe whose class has a little of a
    probability that is spread over many; odds do not.

    >>> doubts(np.array([0, 0]), np.array([[0.3, 0.2, 0.5], [0.06, 0.06, 0.88]])).round(3).tolist()
    [0.625, 0.936]
    """
    rows_N, other_N = np.arange(len(labels_N)), likeliest_others(labels_N, probs_NC)
    if probs_NC.shape[1] == 1:
        return np.zeros(len(labels_N))
    label_N = np.maximum(probs_NC[rows_N, labels_N], np.finfo(np.float64).tiny)
    return probs_NC[rows_N, other_N] / (probs_NC[rows_N, other_N] + label_N)


def likeliest_others(labels_N: IntArray, probs_NC: Floats) -> IntArray:
    """(N,) the likeliest class beside the label."""
    others_NC = probs_NC.astype(np.float64, copy=True)
    others_NC[np.arange(len(labels_N)), labels_N] = -np.inf
    best_N: IntArray = others_NC.argmax(axis=1).astype(np.int64)
    return best_N
