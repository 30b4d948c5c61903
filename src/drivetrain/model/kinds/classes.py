"""One label of several: probabilities = softmax(β · logits). Shapes: N items, C classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from ...core.figure import Figure
from ...core.types import FloatArray
from ...stats.metrics import Floats, softmax
from ..constant_answer import always_naming
from ..part import Fraction, Name, Part, Share
from .kind import Answer, Words
from .old_figures import metrics_by_slug, random_split, row
from .one_label import OneLabelKind
from .tasks import TaskName

BALANCED = "mean recall over the classes"
CALIBRATION = "mean gap between confidence and accuracy"
AUC = "0.5: no better than guessing; 1: no mistake"


class ClassMetrics(Part):
    """The metrics of a classifier in versions 1 and 2 of the manifest."""

    accuracy: Share
    accuracy_random_split: Fraction | None
    accuracy_with_leak: Fraction | None = None
    """Accuracy with the leaking items left in, where a given split leaked."""
    balanced_accuracy: Fraction
    log_loss: float = Field(ge=0)
    ece: Fraction
    auc: Fraction | None = None
    how: str


class ClassKind(OneLabelKind):
    """The kind whose answer is one of several classes."""

    task: ClassVar[TaskName] = "classification"
    words: ClassVar[Words] = Words(
        model="An image classifier with {count} classes",
        tells="Tells which of these an image shows: {names}.",
        asks="Which of these does a picture show: {names}?",
        output="class",
        outputs="Classes",
        gives="One label of several",
        hub_tag="image-classification",
        hub_metric="accuracy",
    )
    old_metrics: ClassVar[type[Part] | None] = ClassMetrics

    classes: tuple[Name, ...] = Field(min_length=2)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The classes."""
        return self.classes

    @classmethod
    def calibrated_answers(cls, logits_NW: FloatArray, beta: float) -> Floats:
        """(N, C) probabilities that add up to 1."""
        return softmax(logits_NW, beta)

    def answered(self, answers_C: Floats) -> Answer:
        """The most probable class; its probability is the confidence."""
        return likeliest(self.classes, answers_C)

    def guessed(
        self, figures: Sequence[Figure], counts: Mapping[str, int], shown: Callable[[str], str]
    ) -> tuple[str, float] | None:
        """Always naming the commonest class."""
        if not counts or any(figure.slug == "baseline" for figure in figures):
            return None
        return always_naming(counts, shown), max(counts.values()) / sum(counts.values())

    def lifted(self, metrics: Part) -> tuple[Figure, ...]:
        """Lift the rows, accuracy first."""
        assert isinstance(metrics, ClassMetrics)
        m, how = metrics, metrics.how
        rows = [
            row("accuracy", "accuracy", m.accuracy, "percent", "higher", how),
            *random_split(m.accuracy_random_split, "accuracy", "percent", how),
        ]
        if m.accuracy_with_leak is not None:
            name, note = "accuracy with the leak", "what it would be with the leaking images left in"
            rows.append(row("accuracy-with-leak", name, m.accuracy_with_leak, "percent", None, how, note=note))
        rows += [
            row("balanced-accuracy", "balanced accuracy", m.balanced_accuracy, "percent", "higher", how, note=BALANCED),
            row("log-loss", "log-loss", m.log_loss, "decimals", "lower", how, note="0: sure and right every time"),
            row("calibration-error", "calibration error", m.ece, "points", "lower", how, note=CALIBRATION),
        ]
        if m.auc is not None:
            rows.append(row("auc", "area under the ROC curve", m.auc, "decimals", "higher", how, note=AUC))
        return tuple(rows)

    def metrics(self, figures: Sequence[Figure]) -> dict[str, Any]:
        """Return the metrics as versions 1 and 2 have them."""
        slugs = {field: field.replace("_", "-") for field in ClassMetrics.model_fields} | {"ece": "calibration-error"}
        return metrics_by_slug(figures, slugs, ClassMetrics)


def likeliest(names: tuple[str, ...], probs_C: Floats) -> Answer:
    """The most probable of several; its probability is the confidence."""
    best = int(probs_C.argmax())
    return Answer(names[best], float(probs_C[best]), {name: float(p) for name, p in zip(names, probs_C, strict=True)})
