"""The nouns of the first half of the flow, in its order: items, facts, embeddings, predictions.

Plain frozen data; what is done with them stands in the packages above. Shape suffixes: N items, D features, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .verdict import Reason, Verdict

__all__ = [
    "Dataset",
    "Embeddings",
    "Facts",
    "FloatArray",
    "ImageFacts",
    "IntArray",
    "Interval",
    "Item",
    "Prediction",
    "Reason",
    "Skipped",
    "Verdict",
]

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]

Facts = Mapping[str, int | float | str]
"""What reading an input taught about it and a record keeps: a few plain values by name, such as ``width`` and ``height``."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its two-sided interval, all in the figure's own unit."""

    value: float
    low: float
    high: float
    method: str


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled (or unlabelled) file."""

    path: Path
    name: str
    """As the source calls it, with forward slashes; what people and reports see."""
    label: str | None = None
    group: str | None = None
    """Items of one group (a video, a patient, a camera) never stand on both sides of a split."""
    split: str | None = None
    """``train``, ``valid`` or ``test`` where the source says so."""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or row that could not be used; ``reason`` is a short stable code, ``detail`` a sentence."""

    name: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a source held."""

    source: str
    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Sorted distinct labels."""
        return tuple(sorted({item.label for item in self.items if item.label is not None}))

    def select(self, rows: NDArray[np.intp]) -> Dataset:
        """The items at ``rows``; what was skipped stays on record."""
        return Dataset(self.source, tuple(self.items[row] for row in rows), self.skipped)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What one decode of a file taught about it."""

    sha256: str
    """Of the file's bytes."""
    width: int
    height: int
    """Upright, in pixels, before any reduced-scale decoding."""
    format: str
    mode: str
    """As stored: ``JPEG`` and ``RGB``, ``PNG`` and ``P``, …"""
    reduced: int
    """Decoded at 1/reduced of the stored size."""
    pixels_sha256: str
    """Of the decoded RGB pixels with their size: equal for re-encodes without loss."""
    dct: bytes
    """16×16 float16 low frequencies of the grey thumbnail: the perceptual fingerprint."""


@dataclass(frozen=True)
class Embeddings:
    """Features of the usable items of a data set, in the data set's order.

    ``features_ND`` float32; ``rows_N`` the item's position in the data set it was made from.
    """

    features_ND: FloatArray
    rows_N: NDArray[np.intp]
    facts: tuple[ImageFacts, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """A bundle's answer for one item.

    One label of several: ``label``, and ``probs`` that are calibrated and sum to 1; ``confidence`` is the largest.
    Any number of labels: ``labels``, and ``probs`` of each for itself; ``confidence`` is that of the least certain, the
    larger of p and 1 − p. Numbers: ``values`` with their intervals; there is no confidence then (0). Beside a label they
    say more of it.
    All are empty when the item is unreadable. ``p_in_domain`` is None until the bundle carries an out-of-domain gate.
    """

    path: str
    label: str | None
    confidence: float
    probs: Mapping[str, float]
    verdict: Verdict
    bundle_id: str
    error: str | None = None
    p_in_domain: float | None = None
    labels: tuple[str, ...] = ()
    values: Mapping[str, Interval] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    """Why it is not accepted; empty where it is."""

    @property
    def of_numbers(self) -> bool:
        """Whether numbers are the answer, rather than something that is said beside a label."""
        return self.label is None and bool(self.values)

    def to_json(self) -> dict[str, Any]:
        """What ``predict --json`` prints and the server answers."""
        return {
            "path": self.path,
            "label": self.label,
            "confidence": self.confidence,
            "probs": dict(self.probs),
            "labels": list(self.labels),
            "values": {
                name: {"value": value.value, "low": value.low, "high": value.high}
                for name, value in self.values.items()
            },
            "verdict": str(self.verdict),
            "reasons": [{"code": reason.code, "words": reason.words} for reason in self.reasons],
            "error": self.error,
        }
