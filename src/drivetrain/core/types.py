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
"""What reading an input taught about it and a record keeps: a few plain values by name, such as ``width`` and ``height``."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its two-sided interval, all in the figure's own unit."""

    value: float
    low: float
    high: float
    method: str


@dataclass(frozen=True, slots=True)
class ItemId:
    """What an item is known by, wherever its source lies: its name within that, and what it holds."""

    name: str
    sha256: str | None
    """Of its bytes; None as long as nobody has read them."""


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled (or unlabelled) input."""

    reference: Reference
    """Where its bytes are: a path, or anything else that gives bytes."""
    name: str
    """As the source calls it, with forward slashes; what people and reports see."""
    label: str | None = None
    group: str | None = None
    """Items of one group (a video, a patient, a camera) never stand on both sides of a split."""
    split: str | None = None
    """``train``, ``valid`` or ``test`` where the source says so."""
    weight: float = 1.0
    sha256: str | None = None
    """Of its bytes, once they have been read."""

    @property
    def id(self) -> ItemId:
        """The same for the same bytes of the same name, on every machine."""
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
class ItemFacts:
    """What reading an item once taught about it."""

    sha256: str
    """Of its bytes."""
    content_sha256: str
    """Of what they hold, however it is written: of an image the decoded pixels with their size, which are equal for
    re-encodes without loss."""
    details: Facts
    """By name, as the input states it: of an image ``width``, ``height``, ``format``, ``mode`` and ``reduced``."""
    fingerprint: bytes | None = None
    """By which copies that are not equal are found, where the input has such a thing."""


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
        """The usable ones among the items that were embedded, with the hashes that are known of them now."""
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
