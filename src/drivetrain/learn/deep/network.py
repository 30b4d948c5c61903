"""The trainable network: stages in a row, some of them tapped, and the same embedding as its ONNX twin.

Shapes: N batch, K channels, H and W pixels, D embedding. Stages count from the input; an `Activation` is a batch on its
way, so that what frozen stages compute can be kept and only the rest be run again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.modules.batchnorm import _BatchNorm

from ...core.errors import UsageError
from ...data.image.preprocess import Preprocess
from ...embed.backbone import Block

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Activation:
    """A batch that has passed the first ``stage`` stages.

    ``x_NKHW`` is what the next stage reads; ``pooled`` the pooled output (N, width) of each tap passed, by block.
    """

    stage: int
    x_NKHW: Tensor
    pooled: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x_NKHW)


Prefix = Callable[[Tensor], Activation]
"""Turns normalised images into the first stages' activation, without gradients."""


@dataclass(frozen=True)
class About:
    """A network's name, and the preparation of its images.

    ``fingerprint`` is the SHA-256 of the weights it was made from, as its ONNX twin has it; empty for random weights.
    """

    name: str
    licence: str
    source: str
    preprocess: Preprocess
    blocks: tuple[Block, ...]
    fingerprint: str = ""


class Network(nn.Module, ABC):
    """A backbone that can be trained. In training mode the statistics of batch norm stay as they were learnt.

    A few hundred images of one's own say less about them than the pretraining did, and small batches say it with noise.
    """

    def __init__(self, about: About) -> None:
        super().__init__()
        self.about = about

    @property
    @abstractmethod
    def n_stages(self) -> int:
        """Number of stages an activation passes."""

    @abstractmethod
    def run_stage(self, activation: Activation) -> Activation:
        """The activation one stage on."""

    @abstractmethod
    def groups(self) -> list[list[nn.Parameter]]:
        """All parameters, from input to output, in the groups that are frozen and given a rate together."""

    @abstractmethod
    def prefix(self, stage: int, size: tuple[int, int]) -> Prefix:
        """The first ``stage`` stages with the weights of now, for (N, K, H, W) images of ``size``, as fast as it goes."""

    @abstractmethod
    def graph(self, blocks: tuple[str, ...]) -> onnx.ModelProto:
        """The weights of now as an inference graph: ``pixels`` (N, 3, H, W) → ``embedding`` (N, D) of these blocks."""

    def prepare(self, preprocess: Preprocess) -> None:
        """Take images prepared in another way.

        Raises:
            UsageError: they would have a size that the network cannot take.
        """
        own = self.about.preprocess.resize.size
        if preprocess.resize.size != own:
            height, width = preprocess.resize.size
            raise UsageError(f"{self.about.name} takes images of {own[1]}×{own[0]} pixels, not {width}×{height}")
        self.about = replace(self.about, preprocess=preprocess)

    def add_maxima(self, blocks: tuple[str, ...]) -> tuple[str, ...]:
        """Pool these blocks by their largest value too; returns the names of the blocks that are added to the embedding.

        Raises:
            UsageError: the network pools by the mean only.
        """
        raise UsageError(f"{self.about.name} pools by the mean only, so there are no maxima over places of {blocks[0]}")

    def advance(self, activation: Activation, stop: int) -> Activation:
        """Run stages until an activation has passed ``stop`` of them.

        Raises:
            UsageError: there is no such stage, or it has been passed already.
        """
        if not activation.stage <= stop <= self.n_stages:
            raise UsageError(
                f"{self.about.name} has stages 0 to {self.n_stages}; cannot go from {activation.stage} to {stop}"
            )
        while activation.stage < stop:
            activation = self.run_stage(activation)
        return activation

    def embedding(self, activation: Activation) -> Tensor:
        """(N, D) of an activation that has passed every stage: the blocks side by side, each of unit length."""
        # Pooling is in float32 whatever the stages ran in: a mean and a norm over hundreds of numbers need the digits.
        with torch.autocast(activation.x_NKHW.device.type, enabled=False):
            units = [normalize(activation.pooled[block.name].float(), dim=1) for block in self.about.blocks]
            return torch.cat(units, dim=1)

    def forward(self, batch: Tensor | Activation) -> Tensor:
        """(N, K, H, W) normalised images, or an activation of an earlier stage → (N, D) embedding."""
        activation = batch if isinstance(batch, Activation) else Activation(0, batch)
        return self.embedding(self.advance(activation, self.n_stages))

    def train(self, mode: bool = True) -> Network:
        """Training mode for all but batch norm."""
        super().train(mode)
        for module in self.batch_norms():
            module.eval()
        return self

    def batch_norms(self) -> Iterator[nn.Module]:
        """Yield every batch norm."""
        return (module for module in self.modules() if isinstance(module, _BatchNorm))


def max_pool(x_NKHW: Tensor) -> Tensor:
    """(N, K, H, W) → (N, K), in float32."""
    return x_NKHW.amax((2, 3)).float()


def mean_pool(x_NKHW: Tensor) -> Tensor:
    """(N, K, H, W) → (N, K), in float32."""
    return x_NKHW.mean((2, 3), dtype=torch.float32)
