"""The nouns of the first half of the flow, in its order: items, facts, embeddings, predictions.

Plain frozen data; what is done with them stands in the packages above. Shape suffixes: N items, D features, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError
from .reference import Reference
from .verdict import Reason, Verdict

__all__ = [
    "Dataset",
    "Doubt",
    "Embeddings",
    "Facts",
    "FloatArray",
    "IntArray",
    "Interval",
    "Item",
    "ItemFacts",
    "ItemId",
    "Prediction",
    "Reason",
    "Skipped",
    "Verdict",
]

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]

Facts = Mapping[str, int | float | str]
"""Facts learned by reading an input, which a record keeps: a few plain values by name, such as ``width`` and ``height``."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its two-sided interval, all in the figure's own unit."""

    value: float
    low: float
    high: float
    method: str


@dataclass(frozen=True, slots=True)
class ItemId:
    """An item's identity, wherever its source lies: its name within the source, and the hash of its content."""

    name: str
    sha256: str | None
    """SHA-256 of the bytes; None as long as nobody has read them."""


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled (or unlabelled) input."""

    reference: Reference
    """The place of the bytes: a path, or anything else that gives bytes."""
    name: str
    """The source's name for the item, with forward slashes, which people and reports see."""
    label: str | None = None
    group: str | None = None
    """Items of one group (a video, a patient, a camera) never stand on both sides of a split."""
    split: str | None = None
    """The split, ``train``, ``valid`` or ``test``, where the source names one."""
    weight: float = 1.0
    sha256: str | None = None
    """SHA-256 of the bytes, once they have been read."""
    labels: tuple[str, ...] | None = None
    """The labels, where the source lists them one by one; ``label`` is then all of them in one text."""

    @property
    def id(self) -> ItemId:
        """The item's identity: the same for the same bytes of the same name, on every machine."""
        return ItemId(self.name, self.sha256)

    @property
    def path(self) -> Path:
        """The file on this machine.

        Raises:
            UsageError: it is none.
        """
        if isinstance(self.reference, Path):
            return self.reference
        raise UsageError(f"{self.name} is no file on this machine; read it with read_reference(item.reference)")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or row that could not be used; ``reason`` is a short stable code, ``detail`` a sentence."""

    name: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """A question that a source leaves open to its owner; ``code`` is that of the finding that it becomes."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """The content of a source."""

    source: str
    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences about how the source was taken, where that was not the only way: what was taken for a split, or for a label."""
    doubts: tuple[Doubt, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Sorted distinct labels."""
        lists = (item.labels if item.labels is not None else (item.label,) for item in self.items)
        return tuple(sorted({label for labels in lists for label in labels if label is not None}))

    def select(self, rows: NDArray[np.intp]) -> Dataset:
        """Return the items at ``rows``; the skipped files stay on record, and so does what was noted."""
        return replace(self, items=tuple(self.items[row] for row in rows))

    def noting(self, *notes: str) -> Dataset:
        """Return the same content with further notes."""
        return replace(self, notes=(*self.notes, *notes))


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """Facts learned by reading an item once."""

    sha256: str
    """SHA-256 of the bytes."""
    content_sha256: str
    """SHA-256 of the content, however it is encoded: of an image's decoded pixels and size, so that a lossless re-encode has the
    same."""
    details: Facts
    """Facts by the names that the input states: for an image ``width``, ``height``, ``format``, ``mode`` and ``reduced``."""
    fingerprint: bytes | None = None
    """A perceptual fingerprint, by which altered copies are found; None where the input has no such thing."""


@dataclass(frozen=True)
class Embeddings:
    """Features of the usable items of a data set, in the data set's order.

    ``features_ND`` float32; ``rows_N`` the item's position in the data set it was made from.
    """

    features_ND: FloatArray
    rows_N: NDArray[np.intp]
    facts: tuple[ItemFacts, ...]
    skipped: tuple[Skipped, ...]

    def of(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """The usable items among ``items``, which were embedded, each with the hash of its bytes."""
        return tuple(
            replace(items[row], sha256=facts.sha256) for row, facts in zip(self.rows_N, self.facts, strict=True)
        )


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
    """The reasons why the answer is not accepted; empty where it is."""
    facts: Facts = field(default_factory=dict, compare=False)
    """Facts learned by reading the item, as a record keeps them beside the answer; no part of the answer itself."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``predict --json`` prints and the server answers."""
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
            "p_in_domain": self.p_in_domain,
            "reasons": [{"code": reason.code, "text": reason.words} for reason in self.reasons],
            "error": self.error,
        }
