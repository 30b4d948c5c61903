"""Any number of labels: probabilities = sigmoid(β · logits). Shapes: N items, L labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ...core.figure import Figure
from ...core.types import FloatArray
from ...stats.label_metrics import sigmoid
from ...stats.metrics import Floats
from ..part import Calibration, Fraction, Name, Part, Share, check_length
from .kind import Answer, Kind, Said, Words
from .old_figures import metrics_by_slug, random_split, row
from .tasks import TaskName

LOG_LOSS = "mean over the labels; 0: sure and right every time"


class LabelMetrics(Part):
    """The metrics of a model that gives any number of labels, in version 2 of the manifest."""

    mean_average_precision: Share
    mean_average_precision_random_split: Fraction | None
    exact: Share
    """Share of items all of whose labels are right."""
    log_loss: float = Field(ge=0)
    """The log-loss as a mean over items and labels."""
    how: str


class LabelKind(Kind):
    """The kind whose answer is any of several labels."""

    task: ClassVar[TaskName] = "multi-label"
    words: ClassVar[Words] = Words(
        model="A model that gives an image any of {count} labels",
        tells="Tells which of these, if any, an image shows: {names}.",
        asks="Which of these, if any, does a picture show: {names}?",
        output="label",
        outputs="Labels",
        gives="Any number of labels",
        hub_tag="multi-label-image-classification",
        hub_metric="mean_average_precision",
    )
    overlapping: ClassVar[bool] = True
    rightly: ClassVar[str] = "right in every label for"
    old_metrics: ClassVar[type[Part] | None] = LabelMetrics

    labels: tuple[Name, ...] = Field(min_length=1)
    thresholds: tuple[Fraction, ...]
    """The probability from which on each label is given; chosen for the best F1 of each on held-out answers."""
    calibration: Calibration

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        check_length(self.thresholds, "thresholds", len(self.labels))
        return self

    @property
    def outputs(self) -> tuple[str, ...]:
        """The labels."""
        return self.labels

    @property
    def calibrated(self) -> str:
        """Logits are calibrated by one factor."""
        return f"β = {self.calibration.beta:.3f}"

    @classmethod
    def calibrated_answers(cls, logits_NW: FloatArray, beta: float) -> Floats:
        """(N, L) probabilities, each by itself."""
        return sigmoid(logits_NW, beta)

    @property
    def beta(self) -> float:
        """The calibration's factor."""
        return self.calibration.beta

    def answered(self, answers_C: Floats) -> Answer:
        """The labels whose probability reaches their threshold."""
        return some_labels(self.labels, answers_C, np.asarray(self.thresholds))

    def recalibrated(self, beta: float, fitted_on: str) -> Self:
        """Return the kind with another β, and with thresholds that lie at the same logits as before."""
        moved = []
        for threshold in self.thresholds:
            odds = (threshold / (1 - threshold)) ** (beta / self.beta) if threshold < 1 else float("inf")
            moved.append(1.0 if odds == float("inf") else odds / (1 + odds))
        calibration = Calibration(beta=beta, fitted_on=fitted_on)
        return self.model_copy(update={"calibration": calibration, "thresholds": tuple(moved)})

    def confidences(self, answers_NC: Floats) -> Floats:
        """That of the least certain label."""
        confidence_N: Floats = np.maximum(answers_NC, 1 - answers_NC).min(axis=1)
        return confidence_N

    @classmethod
    def answer_text(cls, said: Said, *, none: str = "–", ranges: bool = False) -> str:  # noqa: ARG003
        """The labels that are given."""
        return ", ".join(said.labels) or none

    @property
    def target_type(self) -> tuple[type[np.generic], tuple[int, ...]]:
        """The target is 0 or 1 for each label."""
        return np.float32, (len(self.labels),)

    @classmethod
    def text_of(cls, names: Sequence[str], target: NDArray[Any]) -> str:
        """The labels that are there; a dash for none."""
        return ", ".join(name for name, there in zip(names, target, strict=True) if there) or "–"

    def target_fault(self, targets_N: NDArray[Any]) -> str | None:
        """Say whether a value is neither 0 nor 1."""
        return None if np.isin(targets_N, (0, 1)).all() else "more than 0 and 1"

    def on_the_line(self, logits_W: FloatArray, rounding: float) -> bool:
        """Tells whether a label stands on its threshold, so that it may be given or not."""
        probs_L = self.answers(logits_W[None])[0]
        return bool((np.abs(probs_L - np.asarray(self.thresholds)) <= rounding).any())

    def marks(self) -> Mapping[str, float]:
        """Return the thresholds."""
        return dict(zip(self.labels, self.thresholds, strict=True))

    def lifted(self, metrics: Part) -> tuple[Figure, ...]:
        """Lift the rows, mean average precision first."""
        assert isinstance(metrics, LabelMetrics)
        m, how, mean = metrics, metrics.how, "mean average precision"
        return (
            row("mean-average-precision", mean, m.mean_average_precision, "decimals", "higher", how),
            *random_split(m.mean_average_precision_random_split, mean, "decimals", how),
            row("all-labels-right", "all labels right", m.exact, "percent", "higher", how),
            row("log-loss", "log-loss", m.log_loss, "decimals", "lower", how, note=LOG_LOSS),
        )

    def metrics(self, figures: Sequence[Figure]) -> dict[str, Any]:
        """Return the metrics as version 2 has them."""
        slugs = {field: field.replace("_", "-") for field in LabelMetrics.model_fields} | {"exact": "all-labels-right"}
        return metrics_by_slug(figures, slugs, LabelMetrics)


def some_labels(names: tuple[str, ...], probs_L: Floats, thresholds_L: Floats) -> Answer:
    """Answer with the labels whose probability reaches their threshold; the confidence is that of the least certain label."""
    return Answer(
        confidence=float(np.maximum(probs_L, 1 - probs_L).min()),
        probs={name: float(p) for name, p in zip(names, probs_L, strict=True)},
        labels=tuple(name for name, there in zip(names, probs_L >= thresholds_L, strict=True) if there),
    )
