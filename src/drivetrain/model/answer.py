"""From a graph's outputs to an answer: what they mean depends on the bundle's task, and stands in its manifest.

Shapes: N items, C outputs (classes, labels or numbers).
"""

from __future__ import annotations

import numpy as np

from ..core.types import FloatArray, Interval, Prediction, Verdict
from ..stats.label_metrics import sigmoid
from ..stats.metrics import Floats, softmax
from .manifest import ClassManifest, LabelManifest, Manifest, NumberManifest


def answers(manifest: Manifest, logits_NC: FloatArray) -> Floats:
    """(N, C) calibrated probabilities, or the numbers themselves."""
    match manifest:
        case ClassManifest():
            return softmax(logits_NC, manifest.calibration.beta)
        case LabelManifest():
            return sigmoid(logits_NC, manifest.calibration.beta)
        case NumberManifest():
            return np.asarray(logits_NC, np.float64)


def comparable(manifest: Manifest, logits_NC: FloatArray) -> Floats:
    """(N, C) answers in a unit in which a difference of 0.01 is small: probabilities, or spreads of the training data."""
    answers_NC = answers(manifest, logits_NC)
    return answers_NC / np.asarray(manifest.spreads) if isinstance(manifest, NumberManifest) else answers_NC


def judge(manifest: Manifest, path: str, logits_C: FloatArray) -> Prediction:
    """One item's answer and its verdict."""
    answers_C = answers(manifest, logits_C[None])[0]
    match manifest:
        case ClassManifest():
            return _one_label(manifest, path, answers_C)
        case LabelManifest(labels=names, accept=rule):
            thresholds = np.asarray(manifest.thresholds)
            return some_labels(path, names, answers_C, thresholds, rule.confidence, manifest.bundle_id)
        case NumberManifest():
            return _numbers(manifest, path, answers_C)


def _one_label(manifest: ClassManifest, path: str, probs_C: Floats) -> Prediction:
    best = int(probs_C.argmax())
    confidence = float(probs_C[best])
    return Prediction(
        path=path,
        label=manifest.classes[best],
        confidence=confidence,
        probs=_named(manifest.classes, probs_C),
        verdict=_verdict(confidence, manifest.accept.confidence),
        bundle_id=manifest.bundle_id,
    )


def some_labels(
    path: str, names: tuple[str, ...], probs_L: Floats, thresholds_L: Floats, least: float, bundle_id: str
) -> Prediction:
    """The labels whose probability reaches their threshold; accepted from the confidence ``least`` on."""
    confidence = float(np.maximum(probs_L, 1 - probs_L).min())
    return Prediction(
        path=path,
        label=None,
        confidence=confidence,
        probs=_named(names, probs_L),
        verdict=_verdict(confidence, least),
        bundle_id=bundle_id,
        labels=tuple(name for name, there in zip(names, probs_L >= thresholds_L, strict=True) if there),
    )


def _numbers(manifest: NumberManifest, path: str, numbers_C: Floats) -> Prediction:
    method = f"split-conformal, {manifest.coverage:.0%}"
    values = {
        name: Interval(float(number), float(number - half), float(number + half), method)
        for name, number, half in zip(manifest.targets, numbers_C, manifest.half_widths, strict=True)
    }
    # Nothing says yet which error may pass without a person, so every number goes before one.
    return Prediction(path, None, 0.0, {}, Verdict.REVIEW, manifest.bundle_id, values=values)


def _named(names: tuple[str, ...], probs_C: Floats) -> dict[str, float]:
    return {name: float(p) for name, p in zip(names, probs_C, strict=True)}


def _verdict(confidence: float, least: float) -> Verdict:
    return Verdict.ACCEPT if confidence >= least else Verdict.REVIEW
