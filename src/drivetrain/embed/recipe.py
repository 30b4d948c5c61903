"""A recipe: one backbone looking at one view of an image. What a cached embedding is keyed by."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data.image import preprocess
from .backbone import Backbone

# Part of every cache key: bump it when the same recipe would give other numbers than before.
RECIPE_VERSION = 1


class View(StrEnum):
    """How the image is shown to the network."""

    PLAIN = "plain"
    MIRROR = "mirror"
    """Left and right exchanged."""
    FLIP = "flip"
    """Top and bottom exchanged."""
    HALF_TURN = "half-turn"
    """Both."""
    PROBE = "probe"
    """A slightly cropped, re-encoded copy: how far an embedding moves when the picture stays the same."""

    @property
    def reversed_axes(self) -> tuple[int, ...]:
        """Which of the axes of an (N, 3, H, W) tensor run backwards."""
        return {View.MIRROR: (3,), View.FLIP: (2,), View.HALF_TURN: (2, 3)}.get(self, ())


@dataclass(frozen=True)
class Recipe:
    """One backbone looking at one view."""

    backbone: Backbone
    view: View = View.PLAIN

    @cached_property
    def key(self) -> str:
        """32 hex digits: equal keys give equal embeddings of equal bytes."""
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

    def tensor(self, image: Image.Image) -> NDArray[np.float32]:
        """Upright RGB image → the network's input, (3, H, W) float32."""
        if self.view is View.PROBE:
            image = _perturbed(image)
        tensor = preprocess.apply(image, self.backbone.preprocess)
        return np.ascontiguousarray(np.flip(tensor[None], self.view.reversed_axes)[0])


def _perturbed(image: Image.Image) -> Image.Image:
    """The middle 95 % of the picture, saved once more as a JPEG: what copies on the web have been through."""
    width, height = image.size
    margin_x, margin_y = width // 40, height // 40
    cropped = image.crop((margin_x, margin_y, width - margin_x, height - margin_y))
    buffer = io.BytesIO()
    cropped.save(buffer, "JPEG", quality=75)
    return Image.open(buffer, formats=("JPEG",)).convert("RGB")
