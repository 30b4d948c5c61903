"""What a threshold on the confidence lets pass without a person. Shapes: J items judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.types import Interval
from ..draw.numbers import between, percent, with_interval
from ..stats.metrics import wilson
from ..stats.mistakes import share
from .judged import Judged


@dataclass(frozen=True)
class Accepted:
    """Answers that reach a threshold, and how many of them are wrong.

    Both intervals are Wilson's for the number of independent images that those in groups are worth, as that of the accuracy
    is.
    """

    threshold: float
    """Confidence from which on answers are accepted."""
    share: Interval
    """Of the images judged."""
    n: int
    wrong: int
    error: Interval
    """Wrong ones among those accepted; NaN within 0 to 1 where none is."""

    def lines(self) -> list[tuple[str, str]]:
        """Name and value, as the command line shows them."""
        if not self.n:
            return [
                ("Accepted", f"none: no answer reaches confidence {self.threshold:g}, so a person sees every image")
            ]
        error = self.error
        answers = "1 answer" if self.n == 1 else f"{self.n} answers"
        counts = f"{answers} of confidence {self.threshold:g} and more, {self.wrong or 'none'} of them wrong"
        wrong = f"{percent(error.value)} of these are wrong  ({between(error.low, error.high)})"
        return [("Accepted", f"{with_interval(self.share)}: {counts}"), ("", wrong)]

    def to_json(self) -> dict[str, Any]:
        """Its part of ``evaluate --json``."""
        error = {"value": self.error.value if self.n else None, "low": self.error.low, "high": self.error.high}
        return {"share": self.share.value, "n": self.n, "wrong": self.wrong, "error": error}


def accepted_of(judged: Judged, settings: Sequence[float], threshold: float) -> Accepted | None:
    """What is accepted from this confidence on; None for a kind whose answers never are.

    ``settings``: see `Figures.settings`.
    """
    known = judged.targets.confidence(judged.answers_JO, settings)
    if known is None:
        return None
    confidence_J, wrong_J = known
    inside_J = confidence_J >= threshold
    of_all = share(inside_J, np.ones(len(inside_J), np.bool_), judged.groups_J)
    assert of_all is not None  # something was judged
    error = share(wrong_J, inside_J, judged.groups_J) or wilson(0, 0)
    return Accepted(threshold, of_all, int(inside_J.sum()), int((inside_J & wrong_J).sum()), error)
