"""Items with a model's doubts about their labels: what there is to clean. Shapes: C classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.types import Item
from ..data.image.render import SRGB, Render
from ..draw.numbers import nearly
from ..stats.metrics import Floats

TRAIN, VALID, LEFT_OUT = "Train", "Valid", "Left out"
SIDES = (TRAIN, VALID, LEFT_OUT)
"""The sides of a split as menus name them, and the items on neither, since an edit removed them or they cannot be read."""

# The least probability that a loss is taken of: an answer is never so sure that no other could be surer.
LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Doubted:
    """An item as it lies in its source, with the loss of its label."""

    item: Item
    side: str
    loss: float | None = None
    """The loss of the model's answer for the label as it lies, −log p; None where nothing can be said of it."""
    answer: str = ""
    """The model's answer in words."""


@dataclass(frozen=True, eq=False)
class Doubts:
    """All items of a source, those that edits removed as well, in an order that stays as it is."""

    source: str | Path
    items: tuple[Doubted, ...]
    classes: tuple[str, ...]
    how: Mapping[str, str]
    """A sentence for each side: by which answers it is ordered."""
    render: Render = SRGB
    """The way in which values and colours are shown."""
    unpacked: Path | None = None
    """The folder that holds copies of what is inside archives and tables."""


def doubted(item: Item, side: str, classes: Sequence[str], probs_C: Floats | NDArray[np.float32] | None) -> Doubted:
    """Doubt an item by the probabilities that a model gives ``classes``; None of one that it has no answer for.

    >>> doubted(Item(Path("a.jpg"), "a.jpg", "cat"), VALID, ("cat", "dog"), np.array([0.25, 0.75])).answer
    'dog 75.0 %'
    """
    if probs_C is None:
        return Doubted(item, side)
    best = int(np.argmax(probs_C))
    answer = f"{classes[best]} {nearly(float(probs_C[best]))}"
    if item.label not in classes:
        return Doubted(item, side, None, answer)
    return Doubted(item, side, -math.log(max(float(probs_C[classes.index(item.label)]), LEAST)), answer)
