"""What is to be learnt: the loss, what outputs mean, and which figures are shown while training.

Shapes: N items, C classes or numbers; ``outputs_NC`` are logits, or the numbers themselves for regression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...core.types import FloatArray

Metric = Callable[[FloatArray, NDArray[Any]], float]


@dataclass(frozen=True)
class Task:
    """A loss over (outputs, targets), mean over the batch, and metrics by name."""

    name: str
    loss: Callable[[Tensor, Tensor], Tensor]
    target_type: torch.dtype
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def target(self, y: NDArray[Any], device: torch.device) -> Tensor:
        """Targets as the loss reads them; numbers to predict get the axis they may lack."""
        target = torch.as_tensor(np.asarray(y), dtype=self.target_type)
        if self.target_type.is_floating_point and target.ndim == 1:
            target = target[:, None]
        return target.to(device, non_blocking=True)


def weighted(task: Task, weight_C: FloatArray) -> Task:
    """The single-label task with a weight for each class."""
    weight = torch.from_numpy(weight_C.copy())

    def loss(logits_NC: Tensor, labels_N: Tensor) -> Tensor:
        return functional.cross_entropy(logits_NC, labels_N, weight=weight.to(logits_NC.device))

    return replace(task, loss=loss)


def accuracy(outputs_NC: FloatArray, labels_N: NDArray[Any]) -> float:
    """Share of items whose largest output is their label's."""
    return float(np.mean(outputs_NC.argmax(axis=1) == labels_N))


def error_rate(outputs_NC: FloatArray, labels_N: NDArray[Any]) -> float:
    """1 − accuracy."""
    return 1 - accuracy(outputs_NC, labels_N)


def label_accuracy(outputs_NC: FloatArray, present_NC: NDArray[Any]) -> float:
    """Share of (item, label) pairs that are right at a probability of one half."""
    return float(np.mean((outputs_NC > 0) == (present_NC > 0.5)))


def mean_absolute_error(outputs_NC: FloatArray, numbers_NC: NDArray[Any]) -> float:
    """In the numbers' own unit."""
    return float(np.mean(np.abs(outputs_NC - numbers_NC.reshape(outputs_NC.shape))))


SINGLE_LABEL = Task("single-label", functional.cross_entropy, torch.int64, {"accuracy": accuracy})
MULTI_LABEL = Task(
    "multi-label", functional.binary_cross_entropy_with_logits, torch.float32, {"label accuracy": label_accuracy}
)
# Less moved by a few wrong targets than the squared error, and as smooth near zero. Targets of about unit spread.
REGRESSION = Task("regression", functional.smooth_l1_loss, torch.float32, {"mean error": mean_absolute_error})
SQUARED_REGRESSION = Task("regression", functional.mse_loss, torch.float32, {"mean error": mean_absolute_error})
