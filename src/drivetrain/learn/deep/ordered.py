"""A network with a cumulative-logit head: outputs that never increase from left to right.

Shapes: N batch, D features, K outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .headed import HeadedNetwork
from .network import Network

# Thresholds of a fitted head may be closer than single precision can tell; their logarithm must be finite.
LEAST_GAP = 1e-6


class OrderedNetwork(HeadedNetwork):
    """One row of weights for all outputs, and biases that fall, whatever is learnt.

    The rows of a fitted cumulative-logit head are equal; were each trained by itself, outputs would cross for some images,
    and a grade between them would have a negative probability. Clipping would hide that from the image and from the loss.
    So ``weight_CD`` has one row, and ``bias_C`` holds the first bias and the logarithms of the steps down to the next
    ones, which no rate can make negative.
    """

    def __init__(self, network: Network, n_outputs: int, blocks: Sequence[str] | None = None, *, seed: int = 0) -> None:
        super().__init__(network, n_outputs, blocks, seed=seed)
        self.weight_CD = nn.Parameter(self.weight_CD.detach()[:1].clone())
        with torch.no_grad():
            self.bias_C[0] = (n_outputs - 1) / 2  # steps of 1, evenly about 0

    def linear(self) -> tuple[Tensor, Tensor]:
        steps_K = torch.cat([torch.zeros_like(self.bias_C[:1]), self.bias_C[1:].exp()])
        bias_K = self.bias_C[0] - steps_K.cumsum(0)
        return self.weight_CD.expand(len(bias_K), -1), bias_K

    def _take(self, weight_CD: Tensor, bias_C: Tensor) -> None:
        self.weight_CD.copy_(weight_CD.mean(0, keepdim=True))
        self.bias_C[0] = bias_C[0]
        self.bias_C[1:] = (bias_C[:-1] - bias_C[1:]).clamp(min=LEAST_GAP).log()
