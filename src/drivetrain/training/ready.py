"""The start and the result of fine-tuning. Shapes: A usable images, N of them trained on, D embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray
from ..embed.recipe import View
from ..learn.head import FittedHead
from ..learn.judged import Judged
from .features import Chosen
from .holdout import HeldOut
from .options import TrainOptions, Tuning
from .sample import Sample


@dataclass(frozen=True, eq=False)
class Ready:
    """All that fine-tuning starts from."""

    sample: Sample
    """All A usable images."""
    training: NDArray[np.intp]
    """(N,) rows of those trained on."""
    held: HeldOut | None
    """A split given with the data."""
    judged: Judged
    chosen: Chosen
    fitted: FittedHead
    options: TrainOptions


@dataclass(frozen=True, eq=False)
class Tuned:
    """A network that was trained itself."""

    tuning: Tuning
    name: str
    fingerprint: str
    views: tuple[View, ...]
    """The views that an answer is the mean of."""
    model: bytes
    """The ONNX graph, head included."""
    embeddings_AD: FloatArray
    """The embeddings of all usable images, as the graph gives them."""
    beta: float
    judged: Judged
    loss: float
    frozen_loss: float
    """Held-out loss of a head on the frozen network, trained and judged on the same images."""
    error: float
    """Standard error of the difference between the two."""
    trained: str
    """The part that was trained, in words."""
    images: int
    """The number of images trained on."""
    curve: str
    """Losses over the run, as SVG."""
