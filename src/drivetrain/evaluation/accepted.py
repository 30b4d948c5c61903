"""What a bundle would have let pass without a person, on labelled images. Shapes: J images judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.types import Interval
from ..learn.accept_rule import class_confidence, label_confidence
from ..learn.judged import Judged
from ..model.kinds.classes import ClassKind
from ..model.kinds.labels import LabelKind
from ..model.manifest import Manifest
from ..stats.metrics import wilson
from ..stats.mistakes import share


@dataclass(frozen=True)
class Accepted:
    """Answers that reach the bundle's threshold, and how many of them are wrong."""

    threshold: float
    """Confidence from which on the bundle accepts."""
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
        share, error = self.share, self.error
        passed = f"{_percent(share.value)}  ({_percent(share.low)} to {_percent(share.high)})"
        wrong = f"{_percent(error.value)} of these are wrong  ({_percent(error.low)} to {_percent(error.high)})"
        counts = f"{_answers(self.n)} of confidence {self.threshold:g} and more, {self.wrong or 'none'} of them wrong"
        return [("Accepted", f"{passed}: {counts}"), ("", wrong)]

    def to_json(self) -> dict[str, Any]:
        """Its part of ``evaluate --json``."""
        error = {"value": self.error.value if self.n else None, "low": self.error.low, "high": self.error.high}
        return {"share": self.share.value, "n": self.n, "wrong": self.wrong, "error": error}


def accepted_of(judged: Judged, manifest: Manifest) -> Accepted | None:
    """By the bundle's own rule; None for numbers, which are never accepted without a person.

    Both intervals are Wilson's for the number of independent images that those in groups are worth, as that of the
    accuracy is. An answer of several labels is as sure as its least sure label, and wrong if one of them is.
    """
    if manifest.accept is None:
        return None
    match manifest.kind:
        case ClassKind():
            confidence_J, wrong_J = class_confidence(judged)
        case LabelKind(thresholds=thresholds):
            confidence_J, wrong_J = label_confidence(np.asarray(thresholds), judged)
        case _:
            return None
    inside_J = confidence_J >= manifest.accept.confidence
    of_all = share(inside_J, np.ones(len(inside_J), np.bool_), judged.groups_J)
    assert of_all is not None  # something was judged
    error = share(wrong_J > 0, inside_J, judged.groups_J) or wilson(0, 0)
    n, wrong = int(inside_J.sum()), int((inside_J & (wrong_J > 0)).sum())
    return Accepted(manifest.accept.confidence, of_all, n, wrong, error)


def _answers(n: int) -> str:
    return "1 answer" if n == 1 else f"{n} answers"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
