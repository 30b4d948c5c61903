"""What is to be predicted, for each kind of task: how a head is fitted for it, and what its outputs mean.

One label of several, any number of labels, or numbers. All that differs between them in a training run stands here, so
that the run itself is one path. Shapes: N items, D features, C classes, L labels, M numbers, O outputs (C, L or M).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray, IntArray
from ..stats import metrics
from ..stats.calibrate import fit_beta
from ..stats.calibrate_binary import fit_beta_binary
from ..stats.label_metrics import binary_losses, sigmoid
from ..stats.metrics import Floats, softmax
from .balance import Balance
from .crossval import CrossValidation, OutOfFold, quick_look
from .head import FittedHead, class_weights, fit_head
from .labels_head import fit_labels_head, look_labels, rarest_labels
from .logistic import Axes
from .numbers_head import fit_numbers_head, look_numbers, rank_strata

Rows = NDArray[np.intp] | NDArray[np.bool_]


class Targets(ABC):
    """The targets of N items."""

    task: ClassVar[str]
    """As the manifest names it."""
    names: tuple[str, ...]
    """Of the outputs, in their order."""
    values: NDArray[Any]
    """(N,) or (N, O), as the bundle keeps them."""

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Rows) -> Self:
        """Those at ``rows``."""
        return self.with_values(self.values[rows])

    def with_values(self, values: NDArray[Any]) -> Self:
        """Other targets with the same names."""
        return replace(self, values=values)  # type: ignore[type-var]  # every kind is a dataclass

    @property
    @abstractmethod
    def strata_N(self) -> IntArray:
        """(N,) what folds and samples keep in proportion."""

    @abstractmethod
    def text(self, row: int) -> str:
        """One item's target, as people read it."""

    def weights(self, weights_N: FloatArray, balance: Balance, groups_N: IntArray) -> FloatArray:  # noqa: ARG002
        """(N,) item weights of mean 1; only classes compete, and so are balanced."""
        return np.asarray(weights_N / weights_N.mean(), np.float32)

    @abstractmethod
    def fit(
        self, features_ND: FloatArray, groups_N: IntArray, weights_N: FloatArray, *, seed: int, threads: int
    ) -> FittedHead:
        """The head with its out-of-fold evidence.

        Raises:
            DataError: fewer than two groups.
        """

    @abstractmethod
    def look(self, features_ND: FloatArray, folds_N: IntArray, weights_N: FloatArray) -> OutOfFold:
        """A quick out-of-fold result: enough to compare features."""

    @abstractmethod
    def answers(self, logits_NO: FloatArray, beta: float) -> Floats:
        """(N, O) probabilities or numbers."""

    @abstractmethod
    def losses(self, answers_NO: Floats) -> Floats:
        """(N,) how wrong each answer is."""

    @abstractmethod
    def beta(self, logits_NO: FloatArray) -> float:
        """What calibrates these logits; 1 where there is nothing to calibrate."""


@dataclass(frozen=True, eq=False)
class ClassTargets(Targets):
    """One label of several; ``values`` (N,) int64 class numbers. The loss is −log p(label), in nats."""

    task: ClassVar[str] = "classification"
    names: tuple[str, ...]
    values: IntArray

    @property
    def strata_N(self) -> IntArray:
        return self.values

    def text(self, row: int) -> str:
        return self.names[int(self.values[row])]

    def weights(self, weights_N: FloatArray, balance: Balance, groups_N: IntArray) -> FloatArray:
        return class_weights(self.values, weights_N, balance, groups_N)

    def fit(
        self, features_ND: FloatArray, groups_N: IntArray, weights_N: FloatArray, *, seed: int, threads: int
    ) -> FittedHead:
        return fit_head(
            features_ND, self.values, groups_N, weights_N, n_classes=len(self.names), seed=seed, threads=threads
        )

    def look(self, features_ND: FloatArray, folds_N: IntArray, weights_N: FloatArray) -> OutOfFold:
        # A sample may lack a class.
        present, dense_N = np.unique(self.values, return_inverse=True)
        validation = CrossValidation(
            Axes.of(features_ND), dense_N.astype(np.int64), folds_N, len(present), weights_N, threads=1
        )
        return quick_look(validation)

    def answers(self, logits_NO: FloatArray, beta: float) -> Floats:
        return softmax(logits_NO, beta)

    def losses(self, answers_NO: Floats) -> Floats:
        return metrics.losses(self.values, answers_NO)

    def beta(self, logits_NO: FloatArray) -> float:
        return fit_beta(logits_NO, self.values)


@dataclass(frozen=True, eq=False)
class LabelTargets(Targets):
    """Any number of labels; ``values`` (N, L) float32, 0 or 1. The loss is the mean over labels of −log p, in nats."""

    task: ClassVar[str] = "multi-label"
    names: tuple[str, ...]
    values: FloatArray

    @property
    def strata_N(self) -> IntArray:
        return rarest_labels(self.values)

    def text(self, row: int) -> str:
        return ", ".join(name for name, on in zip(self.names, self.values[row], strict=True) if on) or "–"

    def fit(
        self, features_ND: FloatArray, groups_N: IntArray, weights_N: FloatArray, *, seed: int, threads: int
    ) -> FittedHead:
        return fit_labels_head(features_ND, self.values, groups_N, weights_N, seed=seed, threads=threads)

    def look(self, features_ND: FloatArray, folds_N: IntArray, weights_N: FloatArray) -> OutOfFold:
        return look_labels(features_ND, self.values, folds_N, weights_N)

    def answers(self, logits_NO: FloatArray, beta: float) -> Floats:
        return sigmoid(logits_NO, beta)

    def losses(self, answers_NO: Floats) -> Floats:
        return binary_losses(self.values, answers_NO)

    def beta(self, logits_NO: FloatArray) -> float:
        return fit_beta_binary(logits_NO, self.values)


@dataclass(frozen=True, eq=False)
class NumberTargets(Targets):
    """Numbers; ``values`` (N, M) float32. The loss is the squared error in variances of the numbers, mean over them."""

    task: ClassVar[str] = "regression"
    names: tuple[str, ...]
    values: FloatArray

    @property
    def strata_N(self) -> IntArray:
        return rank_strata(self.values)

    def text(self, row: int) -> str:
        return ", ".join(f"{number:.4g}" for number in self.values[row])

    def fit(
        self, features_ND: FloatArray, groups_N: IntArray, weights_N: FloatArray, *, seed: int, threads: int
    ) -> FittedHead:
        return fit_numbers_head(features_ND, self.values, groups_N, weights_N, seed=seed, threads=threads)

    def look(self, features_ND: FloatArray, folds_N: IntArray, weights_N: FloatArray) -> OutOfFold:
        return look_numbers(features_ND, self.values, folds_N, weights_N)

    def answers(self, logits_NO: FloatArray, beta: float) -> Floats:  # noqa: ARG002  # numbers need no calibration
        return np.asarray(logits_NO, np.float64)

    def losses(self, answers_NO: Floats) -> Floats:
        variance_M = self.values.var(axis=0, dtype=np.float64)
        # Of equal numbers nothing is explained; their errors count as they are.
        errors_NM = (answers_NO - self.values) ** 2 / np.where(variance_M > 0, variance_M, 1.0)
        losses_N: Floats = errors_NM.mean(axis=1)
        return losses_N

    def beta(self, logits_NO: FloatArray) -> float:  # noqa: ARG002
        return 1.0
