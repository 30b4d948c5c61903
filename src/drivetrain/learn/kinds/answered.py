"""Answers that are judged. Shapes: J items, O outputs that people read."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.types import IntArray
from ...stats.metrics import Floats


@dataclass(frozen=True, eq=False)
class Answered:
    """Answers to J items, from which figures, reports and thresholds are reckoned."""

    values_JO: Floats
    """The answers: calibrated probabilities, or numbers."""
    groups_J: IntArray
    how: str
    """The way the answers were obtained, in words."""
    seed: int = 0
    """The seed of intervals by bootstrap."""
