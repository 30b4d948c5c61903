"""One step of training on one device (loss, gradients, update), which runs and rate searches repeat; and evaluation.

Shapes: N items, C outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.errors import UsageError
from ...core.types import FloatArray
from .distributed import Team
from .feed import Fed
from .headed import HeadedNetwork
from .memory import is_out_of_memory, largest_that_fits, release
from .objective import Objective

# fastai's settings for Adam: a longer memory for squares would lag behind a one-cycle rate, and the larger ε damps the noise of
# parameters whose gradients are nearly zero.
SQUARES_MEMORY, EPSILON = 0.99, 1e-5


class MemoryFullError(UsageError):
    """A batch does not fit into memory."""


@dataclass(frozen=True)
class Options:
    """The settings of training."""

    weight_decay: float = 0.01
    """Decoupled (Loshchilov and Hutter 2019), for matrices and filters only."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: on CUDA bf16, or fp16 with scaled losses where there is none; fp32 elsewhere. On a CPU with AVX-512 BF16 a
    step of EfficientNet-Lite0 was hardly faster in bf16 (28.8 against 27.6 images/s; one run, median of three steps, on a
    machine that was not quiet), so it has to be asked for."""
    channels_last: bool = True
    accumulate: int = 1
    """The number of batches a step, over which gradients are averaged."""
    clip: float | None = None
    """The largest norm of all gradients together."""
    patience: int | None = None
    """The number of epochs without a lower validation loss after which training stops and goes back to the best."""
    swa: float | None = None
    """Stochastic weight averaging (Izmailov et al. 2018, arXiv 1803.05407): after this share of the last phase's steps the
    weights of every step are averaged, and the mean is what is judged and kept. None: the weights of the last step are."""
    seed: int = 0
    checkpoints: Path | None = None
    """The folder for checkpoints, from which an interrupted run goes on; None: none are written."""
    checkpoint_steps: int | None = None
    """The number of steps after which a checkpoint is written, too, not only after each epoch."""

    def __post_init__(self) -> None:
        for name in ("accumulate", "patience", "checkpoint_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}; it must be at least 1")
        if self.swa is not None and not 0 <= self.swa < 1:
            raise UsageError(f"swa is {self.swa}; it must be a share of the steps, 0 or more and below 1")


@dataclass(frozen=True)
class Validation:
    """Outputs with their targets, in the order of the batches; ``loss`` is NaN where there are no items."""

    outputs_NC: FloatArray
    y: NDArray[Any]
    rows_N: NDArray[np.intp]
    loss: float


def autocast_type(precision: str, device: torch.device) -> torch.dtype | None:
    """The type that matrix products run in; None is float32."""
    if precision == "auto":
        if device.type != "cuda":
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


class Stepper:
    """Owns the optimiser of the groups that are not frozen."""

    def __init__(
        self,
        model: HeadedNetwork,
        objective: Objective,
        options: Options,
        device: torch.device,
        rates: tuple[float, ...],
        team: Team | None = None,
        weights: Tensor | None = None,
    ) -> None:
        """``rates``: the peak rate of each group of the model; frozen parameters have none. ``team`` None: alone.

        ``weights``: what each item counts in the loss, by its row in the data set; None: all the same.
        """
        self.model, self.objective, self.device = model, objective, device
        self.team = team or Team(device)
        self._weights = weights
        self._clip = options.clip
        self._autocast = autocast_type(options.precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self._autocast is torch.float16)
        groups = []
        for rate, parameters in zip(rates, model.groups(), strict=True):
            trained = [parameter for parameter in parameters if parameter.requires_grad]
            # Shifts and factors of batch norm do not decay, as they are not what makes a network complicated.
            for decay, some in (
                (options.weight_decay, [p for p in trained if p.ndim > 1]),
                (0.0, [p for p in trained if p.ndim <= 1]),
            ):
                if some:
                    groups.append({"params": some, "lr": rate, "peak": rate, "weight_decay": decay})
        if not groups:
            raise UsageError("every group is frozen; unfreeze some before training")
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, SQUARES_MEMORY), eps=EPSILON, fused=True)

    @property
    def peak_rate(self) -> float:
        """The peak rate of the last group, the head."""
        return float(self.optimiser.param_groups[-1]["peak"])

    def loss(self, fed: Fed) -> Tensor:
        """Compute the mean loss of a batch, with its graph."""
        outputs_NC = self._outputs(fed)
        weights_N = None if self._weights is None else self._weights[fed.rows_N].to(self.device)
        return self.objective.loss(outputs_NC, self.objective.target(fed.y, self.device), weights_N)

    def backward(self, fed: Fed, share: float) -> tuple[Tensor, int]:
        """Add ``share`` of the batch's gradients to those there are; returns the loss, without its graph, and the items.

        Where several processes share a batch, the items are those of all, and the losses add up to the batch's. A loss
        that is not finite leaves the gradients alone where looking at it costs nothing (on a CPU).

        Raises:
            MemoryFullError: memory ran out; the message says which batch size fits.
        """
        items = int(self.team.sums([len(fed)])[0])
        if not len(fed):
            return torch.zeros(()), items
        own = len(fed) / items
        try:
            return self._backward(fed, share * own) * own, items
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # This happens outside the handler, as the error holds on to the graph that filled the memory.
        self.optimiser.zero_grad(set_to_none=True)
        fits = largest_that_fits(lambda size: self._try(fed.first(size)), len(fed))
        self.optimiser.zero_grad(set_to_none=True)
        release()
        what = f"a batch of {len(fed)} does not fit into the memory of {self.device.type}"
        if not fits:
            raise MemoryFullError(f"{what}, and neither does one image; use a smaller network or image size")
        raise MemoryFullError(
            f"{what}; {fits} fit: use a batch size of {fits * self.team.share.size}, "
            f"with accumulate={-(-len(fed) // fits)} for equal steps"
        )

    def _backward(self, fed: Fed, share: float) -> Tensor:
        loss = self.loss(fed)
        if self.device.type != "cpu" or bool(torch.isfinite(loss)):
            self.scaler.scale(loss * share).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _try(self, fed: Fed) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        self._backward(fed, 1.0)

    def update(self, factor: float, momentum: float) -> None:
        """Step at ``factor`` of each group's peak rate, and drop the gradients, which are added up over the processes."""
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * factor
            group["betas"] = (momentum, SQUARES_MEMORY)
        parameters = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        if not self.team.add_gradients(parameters):
            return
        if self._clip is not None:
            self.scaler.unscale_(self.optimiser)
            torch.nn.utils.clip_grad_norm_(parameters, self._clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)

    def _outputs(self, fed: Fed) -> Tensor:
        with autocast(self._autocast, self.device):
            outputs_NC: Tensor = self.model(fed.inputs)
        return outputs_NC


def autocast(dtype: torch.dtype | None, device: torch.device) -> AbstractContextManager[Any]:
    """Run operations in ``dtype`` where they may."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)


def evaluate(
    model: HeadedNetwork,
    objective: Objective,
    batches: Iterable[Fed],
    device: torch.device,
    dtype: torch.dtype | None,
    team: Team | None = None,
) -> Validation:
    """The model's outputs for batches, in evaluation mode; the mode before is put back.

    Where several processes have shares of the batches, each gets the outputs of all, as if there were one.
    """
    team = team or Team(device)
    was_training = model.training
    model.eval()
    outputs: list[Tensor] = []
    targets: list[NDArray[Any]] = []
    rows: list[NDArray[np.intp]] = []
    counts: list[int] = []
    try:
        with torch.no_grad(), autocast(dtype, device):
            for fed in batches:
                team.sums([])
                counts.append(len(fed))
                if len(fed):
                    outputs.append(model(fed.inputs).float())
                    targets.append(fed.y)
                    rows.append(fed.rows_N)
    finally:
        model.train(was_training)
    order = None
    if team.share.size > 1:
        own = (counts, torch.cat(outputs).cpu(), np.concatenate(targets), np.concatenate(rows)) if outputs else None
        parts = [part for part in team.gather(own) if part is not None]
        # Results are ordered by batch, and within a batch by process, as a single process has them.
        order = np.argsort(np.concatenate([_numbers(part[0]) for part in parts]), kind="stable") if parts else None
        outputs, targets, rows = [part[1] for part in parts], [part[2] for part in parts], [part[3] for part in parts]
    if not outputs:
        nothing = np.empty((0, len(model.bias_C)), np.float32)
        return Validation(nothing, np.empty(0), np.empty(0, np.intp), float("nan"))
    y, all_outputs, all_rows = np.concatenate(targets), torch.cat(outputs), np.concatenate(rows)
    if order is not None:
        y, all_outputs, all_rows = y[order], all_outputs[torch.from_numpy(order)].to(device), all_rows[order]
    loss = float(objective.loss(all_outputs, objective.target(y, device)))
    return Validation(all_outputs.cpu().numpy(), y, all_rows, loss)


def _numbers(counts: Sequence[int]) -> NDArray[np.intp]:
    """The number of each item's batch."""
    return np.repeat(np.arange(len(counts)), counts)
