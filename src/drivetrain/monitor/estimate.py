"""The accuracy in production as it may be estimated without labels: a figure to look at, never a ground for an alarm.

Without labels it cannot be known in general (Garg et al. 2022, "Leveraging unlabeled data to predict out-of-distribution
performance"): cases may become harder while the model stays as sure as it was. Three estimates differ in what they assume, and
the band covers all of them with their sampling errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..stats.metrics import wilson
from .reference import ConfidenceReference, Reference

LEAST_VOTES = 30
"""Votes below which nothing is said."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated accuracy with a band, in 0–1."""

    value: float
    low: float
    high: float
    votes: int

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``monitor --json``."""
        how = "estimated from confidences without labels; it cannot see every change, and no alarm rests on it"
        return {"value": self.value, "low": self.low, "high": self.high, "votes": self.votes, "how": how}


def estimated_accuracy(reference: Reference, confidences: Sequence[int]) -> Estimate | None:
    """Estimate the accuracy from counts of confidences in the reference's bins; None where it cannot be.

    Average confidence (corrected by the difference between training's own confidence and accuracy, Guillory et al. 2021) and
    average thresholded confidence (Garg et al. 2022).
    """
    known, accuracy, n = reference.confidence, reference.accuracy, sum(confidences)
    if known is None or accuracy is None or n < LEAST_VOTES:
        return None
    mean = sum(count * value for count, value in zip(confidences, known.means, strict=True)) / n
    methods = (mean, accuracy + mean - known.mean, _thresholded(known, accuracy, confidences))
    values = [min(max(value, 0.0), 1.0) for value in methods]
    middle = sorted(values)[1]
    limits = [wilson(value * n, n) for value in values]
    return Estimate(middle, min(limit.low for limit in limits), max(limit.high for limit in limits), n)


def _thresholded(known: ConfidenceReference, accuracy: float, confidences: Sequence[int]) -> float:
    """The share of confidences above the one that as large a share as ``accuracy`` exceeded in training; within the bin that
    it lies in by proportion."""
    above, total, n = 0.0, sum(known.counts), sum(confidences)
    found = 0.0
    for count, seen in zip(reversed(known.counts), reversed(confidences), strict=True):
        missing = accuracy * total - above
        if count >= missing:
            return (found + seen * (missing / count if count else 0.0)) / n
        above += count
        found += seen
    return found / n
