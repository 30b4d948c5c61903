"""The answers that a run is judged by, to images whose group it has not seen. Shapes: J images judged, W logits, O outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray, IntArray, Item
from ..data.preparation import Preparation
from ..stats.metrics import Floats
from .figures import Figures
from .kinds.answered import Answered
from .kinds.targets import AnyInterpretation, Targets
from .sections import AnswerSections, ConfidentFrom
from .suspicion import Suspicion
from .worst import Worst


@dataclass(frozen=True, eq=False)
class Judged:
    """Answers with the truth, and how they were obtained."""

    rows_J: NDArray[np.intp]
    """Positions among all usable images."""
    targets: Targets
    groups_J: IntArray
    logits_JW: FloatArray
    answers_JO: Floats
    """The answers: calibrated probabilities, or numbers."""
    how: str

    @property
    def losses_J(self) -> Floats:
        """The loss of each answer, see `Targets.losses`."""
        return self.targets.losses(self.answers_JO)

    def figures(self, seed: int, settings: Sequence[float] | None = None, random_split: float | None = None) -> Figures:
        """Return the figures of the answers, see `Targets.figures`."""
        return self.targets.figures(self._answered(seed), settings, random_split)

    def worst(self, seed: int) -> Worst | None:
        """Return the part that is answered worst, see `Targets.worst`."""
        return self.targets.worst(self._answered(seed))

    def suspicion(self) -> Suspicion:
        """Return how likely each target is wrong, see `Targets.suspicion`."""
        return self.targets.suspicion(self._answered())

    def interpretation(
        self, items: Sequence[Item], settings: Sequence[float], preparation: Preparation
    ) -> AnyInterpretation:
        """Return the mistakes among the answers to ``items``, to look at; ``preparation``: that of the network."""
        return replace(self.targets.interpretation(items, self._answered(), settings), preparation=preparation)

    def sections(self, items: Sequence[Item], settings: Sequence[float], confident: ConfidentFrom) -> AnswerSections:
        """Make what a report shows of the answers to ``items``; see `Targets.sections`."""
        return self.targets.sections(items, self._answered(), settings, confident)

    def _answered(self, seed: int = 0) -> Answered:
        return Answered(self.answers_JO, self.groups_J, self.how, seed)
