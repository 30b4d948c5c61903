"""The extent of a picture's subject, as a heat map has it: the part of the picture in which the evidence for the answer lies.

Evidence is what the places say for the answer rather than for the mean of all classes, where that is positive. A map of 7 × 7
places is coarse, and shows what the model goes by rather than where a subject ends. So extents are compared with each other, and
never stated in pixels. Shapes: C classes, h and w places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .heatmap import HeatMap


@dataclass(frozen=True, slots=True)
class Extent:
    """Two shares in 0–1."""

    size: float
    """The share of the places that evidence is spread over: 1 where it is the same everywhere, 1 / (h · w) where it lies in one
    place (the square of its sum over the sum of its squares)."""
    at_edge: float
    """The share of the evidence that lies in the outermost places."""


def extent_of(heat: HeatMap) -> Extent | None:
    """Return the extent of what speaks for the answer; None where nothing does more than for the other classes."""
    lead_hw = heat.contributions_Chw[heat.winner].astype(np.float64) - heat.contributions_Chw.mean(axis=0)
    evidence_hw = np.maximum(lead_hw, 0)
    total = float(evidence_hw.sum())
    if total <= 0:
        return None
    size = total**2 / (evidence_hw.size * float((evidence_hw**2).sum()))
    inner = float(evidence_hw[1:-1, 1:-1].sum())
    return Extent(size, 1 - inner / total)
