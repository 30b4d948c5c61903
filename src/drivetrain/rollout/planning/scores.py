"""The scores of a bundle as a plan draws cases from them: answers to images that the model had not seen.

Shapes: M answers, C outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...core.errors import UsageError
from ...model.arrays import TrainingArrays
from ...model.manifest import Manifest
from ..fitted_policy import checked_accept

MOST = 5_000
"""Answers that cases are drawn from; more would shape nothing."""


class Bundle(Protocol):
    """The part of a loaded bundle that scores are taken from."""

    @property
    def manifest(self) -> Manifest: ...

    def arrays(self) -> TrainingArrays: ...


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """An answer to one image that the model had not seen."""

    label: str
    second: str | None
    confidence: float
    sure: bool
    """Sure enough for the accept rule."""
    right: bool


@dataclass(frozen=True)
class Scores:
    """All of a bundle's scores."""

    bundle_id: str
    labels: tuple[str, ...]
    answers: tuple[ScoredAnswer, ...]
    out_of_domain: float
    """The share of images like those trained on that the gate turns away."""

    @classmethod
    def of(cls, bundle: Bundle, path: str) -> Scores:
        """Take the scores of a bundle.

        Raises:
            UsageError: a rollout cannot be of it, or none of its answers is sure enough.
        """
        manifest, arrays = bundle.manifest, bundle.arrays()
        accept = checked_accept(manifest, path)
        kind, least = manifest.kind, accept.confidence or 0.0
        answers_MC = kind.answers(arrays.unseen_logits_MC[:MOST])
        confidence_M = kind.confidences(answers_MC)
        answers = []
        for row, answers_C in enumerate(answers_MC):
            target = kind.target_text(arrays.targets_N[arrays.unseen_rows_M[row]])
            label = kind.answered(answers_C).label or ""
            second = _second(manifest.outputs, answers_C, label)
            confidence = float(confidence_M[row])
            answers.append(ScoredAnswer(label, second, confidence, confidence >= least, label == target))
        if not any(one.sure for one in answers):
            raise UsageError(
                f"none of the {len(answers)} answers that {path} keeps of images it had not seen reaches confidence {least:g}, "
                "so that nothing would be compared; train it on more images, or certify another threshold"
            )
        gate = manifest.gate
        return cls(manifest.bundle_id, manifest.outputs, tuple(answers), 0.0 if gate is None else gate.false_alarm)

    @property
    def certified(self) -> float:
        """The share of cases whose answer would be certified."""
        return (1 - self.out_of_domain) * float(np.mean([one.sure for one in self.answers]))

    def error(self, *, sure: bool) -> float:
        """Return the error among the answers that are sure enough, or among the others; by Laplace, so never 0."""
        wrong = [not one.right for one in self.answers if one.sure is sure]
        return (sum(wrong) + 1) / (len(wrong) + 2)


def _second(outputs: Sequence[str], answers_C: np.ndarray, label: str) -> str | None:
    """Return the output that is next likely."""
    order = [outputs[column] for column in np.argsort(-answers_C[: len(outputs)])]
    return next((name for name in order if name != label), None)
