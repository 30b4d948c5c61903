"""A recipe: one backbone looking at one view of an input. Cached embeddings are kept under its key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from ..core.types import FloatArray
from .backbone import Backbone

# Part of every cache key: bump it when the same recipe would give other numbers than before.
RECIPE_VERSION = 1


class View(StrEnum):
    """The way an input is shown to the network; all views but the plain one are of images."""

    PLAIN = "plain"
    MIRROR = "mirror"
    """Left and right exchanged."""
    FLIP = "flip"
    """Top and bottom exchanged."""
    HALF_TURN = "half-turn"
    """Left and right, and top and bottom, exchanged."""
    PROBE = "probe"
    """A slightly cropped, re-encoded copy: how far an embedding moves when the picture stays the same."""

    @property
    def reversed_axes(self) -> tuple[int, ...]:
        """The axes of an (N, 3, H, W) tensor that run backwards."""
        return {View.MIRROR: (3,), View.FLIP: (2,), View.HALF_TURN: (2, 3)}.get(self, ())


@dataclass(frozen=True)
class Recipe:
    """One backbone looking at one view."""

    backbone: Backbone
    view: View = View.PLAIN

    @cached_property
    def key(self) -> str:
        """The recipe's key of 32 hex digits: equal keys give equal embeddings of equal bytes."""
        parts = {
            "version": RECIPE_VERSION,
            "weights": self.backbone.fingerprint,
            "blocks": self.backbone.block_names,
            "preprocess": self.backbone.preprocess.model_dump(mode="json"),
            "view": self.view,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def width(self) -> int:
        """Length of the embedding."""
        return sum(block.width for block in self.backbone.blocks)

    def tensor(self, content: Any) -> FloatArray:
        """Turn the content that the backbone's preparation has read into the network's input, float32 of the shape it states."""
        preparation = self.backbone.preprocess
        tensor = preparation.tensor(preparation.altered(content) if self.view is View.PROBE else content)
        return np.ascontiguousarray(np.flip(tensor[None], self.view.reversed_axes)[0])
