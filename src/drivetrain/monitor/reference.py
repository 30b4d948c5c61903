"""The state of things at training, against which production is watched.

Shapes: M items with honest logits, C outputs, B = `settings.BINS` bins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np

from ..model.arrays import TrainingArrays
from ..model.kinds.kind import Said
from ..model.manifest import Accept, Manifest
from ..stats.metrics import Floats
from .certified_mix import CertifiedMix
from .settings import BINS

# Answers by which the mix of predicted labels is known; more would not change what is said of it.
MIX_ROWS = 5_000
LEAST_ERROR, MOST_ERROR = 0.005, 0.5


class Bundle(Protocol):
    """The part of a loaded bundle that a reference is made of."""

    @property
    def manifest(self) -> Manifest: ...

    def arrays(self) -> TrainingArrays: ...


@dataclass(frozen=True, slots=True)
class GateReference:
    """The gate's rule and the scores behind it."""

    level: float
    calibrated_on: int

    @property
    def counts(self) -> tuple[int, ...]:
        """(B,) the calibration's own p-values in bins of equal width: i/(n + 1) for i from 1 to n."""
        n = self.calibrated_on
        places = np.minimum((np.arange(1, n + 1) * BINS) // (n + 1), BINS - 1)
        return tuple(np.bincount(places, minlength=BINS).tolist())


@dataclass(frozen=True, slots=True)
class ConfidenceReference:
    """Confidences of answers to images the model had not seen."""

    edges: tuple[float, ...]
    """(B − 1,) ascending; quantiles of these."""
    counts: tuple[int, ...]
    """(B,)"""
    means: tuple[float, ...]
    """(B,) the mean confidence within each bin; its middle where it is empty."""

    @property
    def mean(self) -> float:
        """The mean confidence."""
        total = sum(self.counts)
        return sum(n * mean for n, mean in zip(self.counts, self.means, strict=True)) / max(total, 1)

    @classmethod
    def of(cls, confidence_M: Floats) -> ConfidenceReference:
        """Count confidences in bins that hold about as many each; bins of equal values fall together."""
        finite_M = confidence_M[np.isfinite(confidence_M)]
        edges = np.quantile(finite_M, np.arange(1, BINS) / BINS)
        places_M = np.searchsorted(edges, finite_M, side="right")
        counts = np.bincount(places_M, minlength=BINS)
        sums = np.bincount(places_M, weights=finite_M, minlength=BINS)
        ends = [0.0, *edges.tolist(), 1.0]
        middles = [(low + high) / 2 for low, high in pairwise(ends)]
        means = [float(s / n) if n else m for s, n, m in zip(sums, counts, middles, strict=True)]
        return cls(tuple(edges.tolist()), tuple(counts.tolist()), tuple(means))


@dataclass(frozen=True)
class Reference:
    """Everything that a watch compares with. Make one with `of`, or by hand where there is no bundle."""

    bundle_id: str
    gate: GateReference | None = None
    """None where the bundle has no gate: then neither the out-of-domain rate nor the score is watched."""
    confidence: ConfidenceReference | None = None
    """None where answers have no confidence."""
    mix: Mapping[str, float] = field(default_factory=dict)
    """The shares of predicted labels."""
    accuracy: float | None = None
    judged: int = 0
    """The answers that ``mix``, ``confidence`` and ``accuracy`` are known from."""
    error_bound: float | None = None
    """The error among accepted answers above which an audit alarms; None where nothing is accepted."""
    certificate: CertifiedMix | None = None
    """None where the bundle has no certificate that could expire."""

    @classmethod
    def of(cls, bundle: Bundle) -> Reference:
        """The reference that a bundle carries."""
        manifest, arrays = bundle.manifest, bundle.arrays()
        kind, gate = manifest.kind, manifest.gate
        answers_MC = kind.answers(arrays.unseen_logits_MC)
        judged = len(answers_MC)
        with_confidence = kind.has_confidence and judged >= 2
        confidence = ConfidenceReference.of(kind.confidences(answers_MC)) if with_confidence else None
        accuracy = manifest.figure("accuracy")
        return cls(
            bundle_id=manifest.bundle_id,
            gate=None if gate is None else GateReference(gate.level, gate.calibrated_on),
            confidence=confidence,
            mix=_mix(kind.answered(row_C) for row_C in answers_MC[:MIX_ROWS]) if with_confidence else {},
            accuracy=None if accuracy is None else accuracy.value,
            judged=judged,
            error_bound=_error_bound(manifest.accept),
            certificate=CertifiedMix.of(manifest),
        )


def _mix(answers: Iterable[Said]) -> dict[str, float]:
    counts = Counter(answer.label if answer.label is not None else ", ".join(answer.labels) for answer in answers)
    total = counts.total()
    return {label: n / total for label, n in counts.most_common()}


def _error_bound(accept: Accept | None) -> float | None:
    """The error that was promised, or else the upper limit of what training found."""
    if accept is None or accept.confidence is None:
        return None
    if accept.bound is not None:
        return min(max(accept.bound.max_error, LEAST_ERROR), MOST_ERROR)
    return None if accept.error is None else min(max(accept.error.high, LEAST_ERROR), MOST_ERROR)
