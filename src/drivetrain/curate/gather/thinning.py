"""Thinning: of the frames of a video, those in which something has changed since the last one that was kept.

A camera trap's background stands still while an animal of a few per cent of the picture walks through it, so that a mean over the
picture would miss it: blocks are compared, each for itself. Shapes: B × B blocks.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from ...core.types import FloatArray

# Blocks a side, and grey levels (of 255) by which a block's mean has changed: noise and compression move it by 1 or 2.
BLOCKS = 16
CHANGED = 8.0
LEAST_SHARE = 0.02
"""The share of blocks that have to have changed: 6 of 256, a subject of 2 % of the picture."""


class Thinning:
    """Remembers the last frame that was kept."""

    def __init__(self) -> None:
        self._last_BB: FloatArray | None = None

    def is_new(self, image: Image.Image) -> bool:
        """Tell whether a frame differs enough from the last one kept; it is then the one to compare with."""
        grey_BB = np.asarray(image.convert("L").resize((BLOCKS, BLOCKS), Image.Resampling.BOX), np.float32)
        if self._last_BB is not None and _share_changed(self._last_BB, grey_BB) < LEAST_SHARE:
            return False
        self._last_BB = grey_BB
        return True


def _share_changed(one_BB: FloatArray, other_BB: FloatArray) -> float:
    """The share of blocks that have changed; brightness that moved everywhere alike, as a cloud does it, is no change."""
    difference_BB = other_BB - one_BB
    return float((np.abs(difference_BB - np.median(difference_BB)) > CHANGED).mean())
