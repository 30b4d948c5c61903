"""What a run is judged by: answers to images whose group it has not seen. Shapes: J images judged, O outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray, IntArray
from ..stats.metrics import Floats
from .targets import Targets


@dataclass(frozen=True, eq=False)
class Judged:
    """Answers with the truth, and how they were obtained."""

    rows_J: NDArray[np.intp]
    """Positions among all usable images."""
    targets: Targets
    groups_J: IntArray
    logits_JO: FloatArray
    answers_JO: Floats
    """Calibrated probabilities, or numbers."""
    how: str

    @property
    def losses_J(self) -> Floats:
        """How wrong each answer is, see `Targets.losses`."""
        return self.targets.losses(self.answers_JO)
