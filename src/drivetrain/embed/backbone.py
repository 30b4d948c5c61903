"""The backbone: a frozen network that turns a tensor into an embedding, with all it needs to be used.

An embedding is a row of blocks: the pooled last layer (``head``) and, where the network offers them, pooled outputs of
earlier stages, which help on textures and materials. Each block has unit length, so none drowns the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.preparation import Preparation

if TYPE_CHECKING:
    import onnx

# A block named after another with this ending holds the maxima over the map's places, of which the other holds the means.
MAXIMA = ".max"

INPUT = "pixels"
OUTPUT = "embedding"


@dataclass(frozen=True)
class Block:
    """A named range of the embedding's columns, L2-normalised by itself."""

    name: str
    width: int


@dataclass(frozen=True)
class Backbone:
    """A frozen network with its own preprocessing, licence and identity.

    ``build(blocks)`` gives the ONNX graph that maps ``pixels`` (N, 3, H, W), or the tensor that another input names, to
    ``embedding`` (N, D), D the sum of the
    widths of the named blocks, each block of unit length, in the order of ``self.blocks``.
    """

    name: str
    fingerprint: str
    """SHA-256 (hex) over the weights, by which caches and manifests know the backbone."""
    licence: str
    source: str
    preprocess: Preparation
    blocks: tuple[Block, ...]
    build: Callable[[tuple[str, ...]], onnx.ModelProto]
    imagenet_top1: float | None = None
    """Published accuracy in percent, where there is one."""

    @cached_property
    def block_names(self) -> tuple[str, ...]:
        """All blocks, in the order of the embedding's columns."""
        return tuple(block.name for block in self.blocks)

    def columns(self, blocks: tuple[str, ...]) -> NDArray[np.intp]:
        """Column indices of ``blocks`` within the embedding of all blocks."""
        chosen, start = [], 0
        for block in self.blocks:
            if block.name in blocks:
                chosen.append(np.arange(start, start + block.width))
            start += block.width
        return np.concatenate(chosen) if chosen else np.empty(0, np.intp)
