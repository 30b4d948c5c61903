"""The task to be learnt: the loss, the meaning of outputs, and the figures shown while training.

Shapes: N items, C classes or numbers; ``outputs_NC`` are logits, or the numbers themselves for regression. Of ordered
grades they are K cumulative logits, one fewer than there are grades, as in `stats.ordinal`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...core.types import FloatArray
from ...stats.ordinal import grade_probabilities
from .headed import HeadedNetwork
from .ordered import LEAST_GAP, OrderedNetwork

Metric = Callable[[FloatArray, NDArray[Any]], float]


@dataclass(frozen=True)
class Objective:
    """A loss, and metrics by name. ``losses`` gives that of each item, (N,) or (N, C), from (outputs, targets).

    ``headed`` is the network whose outputs suit the loss.
    """

    name: str
    losses: Callable[[Tensor, Tensor], Tensor]
    target_type: torch.dtype
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    headed: type[HeadedNetwork] = HeadedNetwork

    def target(self, y: NDArray[Any], device: torch.device) -> Tensor:
        """Shape targets for the loss; numbers to predict get the axis they may lack."""
        target = torch.as_tensor(np.asarray(y), dtype=self.target_type)
        if self.target_type.is_floating_point and target.ndim == 1:
            target = target[:, None]
        return target.to(device, non_blocking=True)

    def loss(self, outputs_NC: Tensor, target: Tensor, weights_N: Tensor | None = None) -> Tensor:
        """Mean over the items, each times its weight. Not over the weights: batches of light items are to weigh less."""
        losses = self.losses(outputs_NC, target)
        losses_N = losses.mean(1) if losses.ndim > 1 else losses
        return losses_N.mean() if weights_N is None else (losses_N * weights_N).mean()


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
    """The mean absolute error in the numbers' own unit."""
    return float(np.mean(np.abs(outputs_NC - numbers_NC.reshape(outputs_NC.shape))))


def grade_losses(outputs_NK: Tensor, grades_N: Tensor) -> Tensor:
    """(N,) −log p(grade) of cumulative logits, as `stats.ordinal.log_grade_probabilities` has it.

    Outputs nearer than `LEAST_GAP`, or out of order, are pushed apart again rather than infinitely wrong.
    """
    last = outputs_NK.shape[1]
    below_N1, own_N1 = (grades_N - 1).clamp(min=0)[:, None], grades_N.clamp(max=last - 1)[:, None]
    over_N, above_N = outputs_NK.gather(1, below_N1)[:, 0], outputs_NK.gather(1, own_N1)[:, 0]
    gap_N = (over_N - above_N).clamp(min=LEAST_GAP)
    nothing_N = torch.zeros_like(over_N)
    return (
        torch.where(grades_N > 0, functional.softplus(-over_N), nothing_N)
        + torch.where(grades_N < last, functional.softplus(above_N), nothing_N)
        - torch.where((grades_N > 0) & (grades_N < last), torch.log(-torch.expm1(-gap_N)), nothing_N)
    )


def grade_accuracy(outputs_NK: FloatArray, grades_N: NDArray[Any]) -> float:
    """Share of items whose most probable grade is their own."""
    return float(np.mean(grade_probabilities(outputs_NK).argmax(axis=1) == grades_N))


def grades_off(outputs_NK: FloatArray, grades_N: NDArray[Any]) -> float:
    """Mean distance of the most probable grade from the item's own, in grades."""
    return float(np.mean(np.abs(grade_probabilities(outputs_NK).argmax(axis=1) - grades_N)))


def _each(loss: Callable[..., Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Turn a loss of torch into one that gives each item's loss instead of their mean."""
    return partial(loss, reduction="none")


SINGLE_LABEL = Objective("single-label", _each(functional.cross_entropy), torch.int64, {"accuracy": accuracy})
MULTI_LABEL = Objective(
    "multi-label", _each(functional.binary_cross_entropy_with_logits), torch.float32, {"label accuracy": label_accuracy}
)
# Less moved by a few wrong targets than the squared error, and as smooth near zero. Targets of about unit spread.
REGRESSION = Objective(
    "regression", _each(functional.smooth_l1_loss), torch.float32, {"mean error": mean_absolute_error}
)
SQUARED_REGRESSION = Objective(
    "regression", _each(functional.mse_loss), torch.float32, {"mean error": mean_absolute_error}
)
ORDINAL = Objective(
    "ordinal", grade_losses, torch.int64, {"accuracy": grade_accuracy, "grades off": grades_off}, OrderedNetwork
)
