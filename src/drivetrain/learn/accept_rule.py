"""How sure answers are, whether they are wrong, and what a threshold would let pass. Shapes: J items judged, L labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.types import IntArray, Interval
from ..stats.metrics import Floats
from ..stats.mistakes import share
from .judged import Judged


def class_confidence(judged: Judged) -> tuple[Floats, Floats]:
    """Confidence of each answer, and 1 where it is wrong."""
    wrong_J = judged.answers_JO.argmax(axis=1) != judged.targets.values
    return judged.answers_JO.max(axis=1), wrong_J.astype(float)


def label_confidence(thresholds_L: Floats, judged: Judged) -> tuple[Floats, Floats]:
    """An answer is as sure as its least sure label, and wrong if one of the labels given or left out is."""
    confidence_J = np.maximum(judged.answers_JO, 1 - judged.answers_JO).min(axis=1)
    wrong_J = ((judged.answers_JO >= thresholds_L) != (judged.targets.values > 0.5)).any(axis=1)
    return confidence_J, wrong_J.astype(float)


def accept_rule(
    confidence_J: Floats, wrong_J: Any, groups_J: IntArray, threshold: float
) -> tuple[float, Interval | None]:
    """Share of items whose confidence reaches the threshold, and the error among them (Wilson)."""
    accepted = confidence_J >= threshold
    return float(accepted.mean()), share(wrong_J, accepted, groups_J)
