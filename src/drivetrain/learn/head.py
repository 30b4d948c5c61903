"""The head that is learnt on top of frozen features, with the out-of-fold evidence for it.

Shapes: N items, D features, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from ..core.types import FloatArray, IntArray
from ..stats.folds import fold_count, grouped_folds, random_folds
from . import logistic
from .balance import Balance
from .crossval import CrossValidation, OutOfFold, best_penalty, on_random_folds
from .logistic import Axes

# A group's shares of the classes are mixed with those of this many further images with the shares of all data: in a group
# of three that happens to hold one class, nothing is known of what it would hold, and a single image stands for itself.
GROUP_PRIOR = 8.0


@dataclass(frozen=True)
class Head:
    """Linear layer on the features: logits = features @ weight_DC + bias_C; probabilities = softmax(β · logits)."""

    weight_DC: FloatArray
    bias_C: FloatArray
    beta: float
    penalty: float

    def logits(self, features_ND: FloatArray) -> FloatArray:
        """Turn (N, D) features into (N, C) logits."""
        logits_NC: FloatArray = features_ND @ self.weight_DC + self.bias_C
        return logits_NC


@dataclass(frozen=True)
class FittedHead:
    """A head with its evidence: out-of-fold results on grouped folds, and the figure that random folds would have claimed."""

    head: Head
    out_of_fold: OutOfFold
    folds_N: IntArray
    n_folds: int
    random_split: float
    """The headline figure with random folds: accuracy, mean average precision or mean absolute error."""
    penalties: tuple[tuple[float, float], ...]
    """(C, out-of-fold log-loss) of each penalty tried."""


def class_weights(
    labels_N: IntArray, weights_N: FloatArray, balance: Balance, groups_N: IntArray | None = None
) -> FloatArray:
    """(N,) item weights with mean 1: ``none`` as given; ``classes`` every class weighs the same; ``sqrt`` half way.

    ``groups``: every class weighs the same within every one of ``groups_N`` (all data, where None), so that the group an
    image comes from says nothing about its class (Idrissi et al. 2022, "Simple data balancing achieves competitive
    worst-group-accuracy"); a model that could learn the look of a group would otherwise learn its share of each class.
    """
    if balance == "groups":
        groups = np.zeros(len(labels_N), np.int64) if groups_N is None else groups_N
        return _weights_within(labels_N, weights_N, groups)
    totals_C = np.bincount(labels_N, weights=weights_N)
    power = {"none": 0.0, "sqrt": 0.5, "classes": 1.0}[balance]
    weighted = weights_N / totals_C[labels_N] ** power
    scaled: FloatArray = (weighted / weighted.mean()).astype(np.float32)
    return scaled


def _weights_within(labels_N: IntArray, weights_N: FloatArray, groups_N: IntArray) -> FloatArray:
    _, group_N = np.unique(groups_N, return_inverse=True)
    counted_N = weights_N / weights_N.mean()
    found_GC = np.zeros((group_N.max() + 1, labels_N.max() + 1))
    np.add.at(found_GC, (group_N, labels_N), counted_N)
    overall_C = found_GC.sum(axis=0) / found_GC.sum()
    share_GC = (found_GC + GROUP_PRIOR * overall_C) / (found_GC.sum(axis=1, keepdims=True) + GROUP_PRIOR)
    weighted_N = counted_N / share_GC[group_N, labels_N]
    scaled: FloatArray = (weighted_N / weighted_N.mean()).astype(np.float32)
    return scaled


def fit_head(
    features_ND: FloatArray,
    labels_N: IntArray,
    groups_N: IntArray,
    weights_N: FloatArray,
    *,
    n_classes: int,
    seed: int,
    threads: int,
) -> FittedHead:
    """Choose the penalty, calibrate and fit: grouped, stratified folds for all evidence, every item for the head.

    Deterministic for a seed. The temperature is fitted on out-of-fold logits, as are all figures.

    Raises:
        DataError: fewer than two groups.
    """
    n_folds = fold_count(labels_N, groups_N)
    folds_N = grouped_folds(labels_N, groups_N, n_folds, seed)
    with threadpool_limits(
        1, user_api="blas"
    ):  # one thread makes the same sums, to the bit, whatever the number of cores
        axes = Axes.of(features_ND)
    validation = CrossValidation(axes, labels_N, folds_N, n_classes, weights_N, threads)
    chosen, tried = best_penalty(validation)
    grouped = len(np.unique(groups_N)) < len(groups_N)
    random_split = chosen
    if grouped:
        shuffled_N = random_folds(labels_N, n_folds, seed)
        shuffled = CrossValidation(axes, labels_N, shuffled_N, n_classes, weights_N, threads)
        random_split = on_random_folds(shuffled, chosen)
    with threadpool_limits(1, user_api="blas"):
        solution = logistic.fit(
            axes, labels_N, n_classes, chosen.penalty, weights_N=weights_N, tolerance=1e-4, dtype=np.float64
        )
        weight_DC, bias_C = solution.in_features(axes)
    head = Head(weight_DC.astype(np.float32), bias_C.astype(np.float32), chosen.beta, chosen.penalty)
    return FittedHead(
        head=head,
        out_of_fold=chosen,
        folds_N=folds_N,
        n_folds=n_folds,
        random_split=float(np.mean(random_split.probs_NC.argmax(axis=1) == labels_N)),
        penalties=tuple((result.penalty, result.loss) for result in tried),
    )
