"""The merit of each answer, by which a set before and after cleaning is compared. Shapes: J items judged, O outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..learn.judged import Judged
from ..learn.kinds.targets import Targets
from ..stats.metrics import Floats

NAMES = {"all-labels-right": "images with all labels right"}


@dataclass(frozen=True)
class Merit:
    """A figure that is a mean over items."""

    name: str
    is_share: bool
    """True where an answer is right or wrong, so that more is better; else it is a loss."""
    settings: tuple[float, ...] = ()

    @classmethod
    def of(cls, judged: Judged, seed: int) -> Merit:
        """The figure by which answers of this kind are compared. What has to be set on answers is set on these, for good."""
        targets = judged.targets
        if not targets.counted:
            return cls(targets.loss_is[0].lower(), is_share=False)
        settings = judged.figures(seed).settings if targets.delimited else ()
        return cls(NAMES.get(targets.compared[0], targets.compared[0].replace("-", " ")), True, settings)

    def of_each(self, targets: Targets, answers_JO: Floats) -> Floats:
        """(J,) 1 for a right answer and 0 for a wrong one; or the loss of each."""
        if not self.is_share:
            return targets.losses(answers_JO)
        wrong_J = targets.wrong(answers_JO, self.settings)
        assert wrong_J is not None, "answers that are labels are right or wrong"
        return np.asarray(~wrong_J, np.float64)
