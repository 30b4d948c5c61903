"""Out-of-fold logits: the head's logits for each item when it has not seen the item's group.

All that is reported, calibrated or flagged comes from these. Shapes: N items, D features, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from ..core.types import FloatArray, IntArray
from ..stats.calibrate import fit_beta
from ..stats.metrics import Floats, losses, softmax
from . import logistic
from .logistic import Axes, Solution


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold results at one penalty: ``logits_NC``, the β calibrated on them, the losses that follow."""

    penalty: float
    logits_NC: FloatArray
    beta: float
    losses_N: Floats
    loss: float
    """The weighted mean of the losses, in nats."""

    @property
    def probs_NC(self) -> Floats:
        """Calibrated probabilities, (N, C), of one label of several; see `learn.kinds` for the other kinds."""
        return softmax(self.logits_NC, self.beta)


T = TypeVar("T")


def in_every_fold(n_folds: int, threads: int, one: Callable[[int], T]) -> list[T]:
    """Call ``one`` for every fold, ``threads`` at a time, and return the results in the order of the folds.

    Each fold has one BLAS thread: the matrices are thin, so that two folds side by side use two cores better, and results
    are the same to the bit whatever the number of threads.
    """
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(n_folds)))


@dataclass
class CrossValidation:
    """Fits one matrix of features on all folds; each penalty starts from the neighbouring penalty's solutions."""

    axes: Axes
    labels_N: IntArray
    folds_N: IntArray
    n_classes: int
    weights_N: FloatArray
    threads: int
    _solutions: dict[int, tuple[float, Solution]] = field(default_factory=dict)

    def at(self, penalty: float) -> OutOfFold:
        """Out-of-fold logits with this penalty, calibrated."""
        logits_NC = np.empty((len(self.labels_N), self.n_classes), np.float32)

        def one(fold: int) -> None:
            known = self._solutions.get(fold)
            training = np.flatnonzero(self.folds_N != fold)
            held_out = self.folds_N == fold
            solution = logistic.fit(
                self.axes,
                self.labels_N,
                self.n_classes,
                penalty,
                rows=training,
                weights_N=self.weights_N,
                start=known[1] if known else None,
            )
            self._solutions[fold] = (penalty, solution)
            logits_NC[held_out] = solution.logits(self.axes.coordinates_NR[held_out])

        in_every_fold(int(self.folds_N.max()) + 1, self.threads, one)
        beta = fit_beta(logits_NC, self.labels_N, self.weights_N)
        losses_N = losses(self.labels_N, softmax(logits_NC, beta))
        return OutOfFold(penalty, logits_NC, beta, losses_N, float(np.average(losses_N, weights=self.weights_N)))

    def begin_with(self, other: Validation) -> None:
        if isinstance(other, CrossValidation) and other.n_classes == self.n_classes:
            self._solutions = dict(other._solutions)


# Penalties are a half-decade grid; feature rows have unit length, so the same values suit every backbone.
PENALTIES = tuple(float(c) for c in np.logspace(-2, 3, 11).round(3))
START = 4
"""Index of C = 1: where the walk over the grid begins."""
# The loss is flat around its minimum; of penalties this close the strongest does best on photos of another source.
NEARLY_BEST = 1.01
FEWEST_GROUPS = 20
QUICK_PENALTIES = (PENALTIES[5], PENALTIES[7])


class Validation(Protocol):
    """An interface for all that can be cross-validated at a penalty."""

    def at(self, penalty: float) -> OutOfFold:
        """Out-of-fold results with this penalty."""
        ...

    def begin_with(self, other: Validation) -> None:
        """Start from the solutions of another validation of the same features, where it has as many outputs."""
        ...


def best_penalty(validation: Validation) -> tuple[OutOfFold, list[OutOfFold]]:
    """Find the most regularised penalty whose calibrated loss is within 1 % of the best; also returns all that were tried.

    The walk leaves C = 1 upwards until the loss has grown twice in a row, then downwards until it has left the band.
    """
    tried: dict[int, OutOfFold] = {}
    best, worse = START, 0
    for index in range(START, len(PENALTIES)):
        tried[index] = validation.at(PENALTIES[index])
        worse = worse + 1 if tried[index].loss > tried[best].loss else 0
        best = index if tried[index].loss < tried[best].loss else best
        if worse == 2:
            break
    for index in range(START - 1, -1, -1):
        tried[index] = validation.at(PENALTIES[index])
        best = index if tried[index].loss < tried[best].loss else best
        if tried[index].loss > tried[best].loss * NEARLY_BEST:
            break
    simplest = min(i for i in tried if tried[i].loss <= tried[best].loss * NEARLY_BEST)
    return tried[simplest], [tried[i] for i in sorted(tried)]


def paired_difference(a_N: Floats, b_N: Floats, groups_N: IntArray, weights_N: FloatArray) -> tuple[float, float]:
    """Weighted mean of a − b and its standard error, with groups as the units.

    With fewer than 20 groups the spread between them cannot be estimated; items are the units then.
    """
    weight_N = weights_N / weights_N.sum()
    _, group_N = np.unique(groups_N, return_inverse=True)
    if int(group_N.max()) + 1 < FEWEST_GROUPS:
        group_N = np.arange(len(a_N))
    difference_N = a_N - b_N
    mean = float(weight_N @ difference_N)
    by_group = np.bincount(group_N, weights=weight_N * (difference_N - mean))
    n_groups = len(by_group)
    return mean, float(np.sqrt(n_groups / max(n_groups - 1, 1) * (by_group @ by_group)))


def standard_error(losses_N: Floats, groups_N: IntArray, weights_N: FloatArray) -> float:
    """Standard error of the weighted mean loss, with groups as the units."""
    return paired_difference(losses_N, np.zeros_like(losses_N), groups_N, weights_N)[1]


def on_random_folds(shuffled: Validation, chosen: OutOfFold) -> OutOfFold:
    """Compute the figure that a random split would have claimed; ``chosen`` is the grouped result.

    Copies across folds reward memory, so a random split would also have preferred a weaker penalty.
    """
    weaker = [penalty for penalty in PENALTIES if chosen.penalty <= penalty <= 100 * chosen.penalty][::2]
    return min((shuffled.at(penalty) for penalty in weaker), key=lambda result: result.loss)


def quick_look(validation: Validation) -> OutOfFold:
    """Return the better of two penalties a decade apart, which is enough to compare features."""
    return min((validation.at(penalty) for penalty in QUICK_PENALTIES), key=lambda result: result.loss)
