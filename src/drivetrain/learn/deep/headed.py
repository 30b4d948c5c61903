"""A network with a linear head on some of its embedding's blocks, trained as one.

Shapes: N batch, D features (columns of the chosen blocks), C outputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.types import FloatArray
from ..head import Head
from .network import Activation, Network


class HeadedNetwork(nn.Module):
    """outputs = features @ weight + bias, features being the blocks scaled to a mean square of 1.

    The scaling (√width a block of unit length) is what lets one learning rate suit head and network: with entries of a
    thirtieth, Adam's equal steps would move the head thirty times too little. It is undone in `weight_and_bias`.
    """

    def __init__(self, network: Network, n_outputs: int, blocks: Sequence[str] | None = None, *, seed: int = 0) -> None:
        """Make a network with a fresh head; ``blocks`` None is all of the embedding.

        Raises:
            UsageError: the network has no such block.
        """
        super().__init__()
        known = [block.name for block in network.about.blocks]
        self.blocks = tuple(known if blocks is None else [name for name in known if name in blocks])
        unknown = set(blocks or ()) - set(known)
        if unknown or not self.blocks:
            raise UsageError(
                f"{network.about.name} has the blocks {', '.join(known)}, not {', '.join(unknown) or 'none'}"
            )
        self.network = network
        columns, gains, start = [], [], 0
        for block in network.about.blocks:
            if block.name in self.blocks:
                columns.append(torch.arange(start, start + block.width))
                gains.append(torch.full((block.width,), math.sqrt(block.width)))
            start += block.width
        self.columns = torch.cat(columns)
        self.gain_D: Tensor
        self.register_buffer("gain_D", torch.cat(gains), persistent=False)
        generator = torch.Generator().manual_seed(seed)
        bound = 1 / math.sqrt(len(self.columns))  # torch's own linear layer begins with this bound
        weight_CD = (2 * torch.rand(n_outputs, len(self.columns), generator=generator) - 1) * bound
        self.weight_CD = nn.Parameter(weight_CD)
        self.bias_C = nn.Parameter(torch.zeros(n_outputs))
        self.fitted = False

    @classmethod
    def from_head(cls, network: Network, head: Head, blocks: Sequence[str] | None = None) -> HeadedNetwork:
        """Linear probing, then fine-tuning (Kumar et al. 2022): begin where the fitted head is, with equal logits.

        Raises:
            UsageError: the head was fitted on other features than these blocks.
        """
        model = cls(network, head.weight_DC.shape[1], blocks)
        model.put(head)
        return model

    def widened(self, maxima: Sequence[str]) -> HeadedNetwork:
        """Add blocks of maxima (`Network.add_maxima`) whose weights begin at 0, so that outputs stay the same.

        Raises:
            UsageError: the network has no such blocks.
        """
        wider = type(self)(self.network, len(self.bias_C), (*self.blocks, *maxima))
        with torch.no_grad():
            # Maxima come last in the embedding, so the other blocks keep their columns.
            wider.weight_CD.zero_()
            wider.weight_CD[:, : len(self.columns)] = self.weight_CD
            wider.bias_C.copy_(self.bias_C)
        wider.fitted = self.fitted
        return wider

    def put(self, head: Head) -> None:
        """Take the weights of a fitted head.

        Raises:
            UsageError: it was fitted on other features than these blocks, or for other outputs.
        """
        if head.weight_DC.shape != (len(self.columns), len(self.bias_C)):
            raise UsageError(
                f"the head was fitted on {head.weight_DC.shape[0]} features for {head.weight_DC.shape[1]} outputs; "
                f"the blocks {', '.join(self.blocks)} have {len(self.columns)}, the model {len(self.bias_C)} outputs"
            )
        device = self.weight_CD.device
        with torch.no_grad():
            self._take(
                torch.from_numpy(head.weight_DC.T.copy()).to(device) / self.gain_D,
                torch.from_numpy(np.asarray(head.bias_C, np.float32)).to(device),
            )
        self.fitted = True

    def _take(self, weight_CD: Tensor, bias_C: Tensor) -> None:
        """Set the parameters so that `linear` gives these weights and biases."""
        self.weight_CD.copy_(weight_CD)
        self.bias_C.copy_(bias_C)

    def linear(self) -> tuple[Tensor, Tensor]:
        """Compute (C, D) weights and (C,) biases on the scaled features from the parameters."""
        return self.weight_CD, self.bias_C

    def forward(self, batch: Tensor | Activation) -> Tensor:
        """(N, 3, H, W) normalised images, or an activation → (N, C), float32 whatever the network ran in."""
        return self.outputs(self.network(batch))

    def outputs(self, embedding: Tensor) -> Tensor:
        """Turn the network's embeddings of images, all of its blocks, into outputs (N, C), float32."""
        with torch.autocast(embedding.device.type, enabled=False):
            if len(self.columns) < embedding.shape[1]:
                embedding = embedding[:, self.columns.to(embedding.device)]
            return nn.functional.linear(embedding * self.gain_D, *self.linear())

    def groups(self) -> list[list[nn.Parameter]]:
        """The network's groups from its input on, then the head."""
        return [*self.network.groups(), [self.weight_CD, self.bias_C]]

    def weight_and_bias(self) -> tuple[FloatArray, FloatArray]:
        """(D, C) and (C,) for the embedding as it is, as `learn.head.Head` has them."""
        weight_CD, bias_C = self.linear()
        weights = (weight_CD * self.gain_D).detach().cpu().numpy()
        return np.ascontiguousarray(weights.T), bias_C.detach().cpu().numpy().copy()
