"""Ordered grades: probabilities from cumulative logits β · logits. Shapes: N items, C grades, W = C − 1 logits.

Column k of the logits is the log-odds of “above grade k”; see `stats.ordinal`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from ...core.types import FloatArray, Interval
from ...draw.numbers import whole_percent
from ...stats.metrics import Floats
from ...stats.ordinal import expected_grade, grade_probabilities, likely_grades
from ..part import Name
from .kind import Answer, Tensor, Words
from .one_label import OneLabelKind
from .tasks import TaskName

EXPECTED = "expected grade"

# Probability of the grades that are given as the range of the expected one.
LIKELY = 0.9


class OrdinalKind(OneLabelKind):
    """One of several grades that have an order."""

    task: ClassVar[TaskName] = "ordinal"
    ordered: ClassVar[bool] = True
    words: ClassVar[Words] = Words(
        model="An image classifier with {count} ordered grades",
        tells="Tells which of these grades an image has, from the lowest to the highest: {names}.",
        asks="Which of these grades does a picture have: {names}?",
        output="grade",
        outputs="Grades",
        gives="One grade of several, in their order",
        hub_tag="image-classification",
        hub_metric="accuracy",
    )

    targets_are: ClassVar[str] = "grades"

    grades: tuple[Name, ...] = Field(min_length=2)
    """From the lowest to the highest."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The grades."""
        return self.grades

    @classmethod
    def width_of(cls, outputs: int) -> int:
        """One threshold between each grade and the next."""
        return outputs - 1

    @classmethod
    def calibrated_answers(cls, logits_NW: FloatArray, beta: float) -> Floats:
        """(N, C) probabilities that add up to 1."""
        return grade_probabilities(logits_NW, beta)

    def answered(self, answers_C: Floats) -> Answer:
        """The most probable grade, whose probability is the confidence, and the expected one with the likely range."""
        return graded(self.grades, answers_C)

    @property
    def evidence_WC(self) -> Floats:
        """For a grade speaks what speaks for it or a higher one; for the lowest, what speaks against any higher one."""
        mix_WC = np.eye(self.width, len(self.grades), k=1)
        mix_WC[0, 0] = -1.0
        return mix_WC

    def tensors(self) -> tuple[Tensor, ...]:
        """Probabilities, the expected grade, and the most probable one."""
        *probabilities, label = super().tensors()
        return (*probabilities, Tensor("expected_grade", "FP32", ()), label)

    def tensor_row(self, name: str, answer: Answer) -> Sequence[float | str | None]:
        """Return one item's part; without an answer there is no expected grade."""
        if name == "expected_grade":
            return [answer.values[EXPECTED].value if EXPECTED in answer.values else None]
        return super().tensor_row(name, answer)


def graded(grades: tuple[str, ...], probs_C: Floats) -> Answer:
    """The answer that follows from the probabilities of the grades."""
    best, places_C = int(probs_C.argmax()), places_of(grades)
    expected = float(expected_grade(probs_C[None], places_C)[0])
    ends = sorted([expected, *(float(places_C[grade]) for grade in likely_grades(probs_C, LIKELY))])
    return Answer(
        grades[best],
        float(probs_C[best]),
        {name: float(p) for name, p in zip(grades, probs_C, strict=True)},
        values={EXPECTED: Interval(expected, ends[0], ends[-1], f"likely grades, {whole_percent(LIKELY)}")},
    )


def places_of(grades: tuple[str, ...]) -> Floats:
    """(C,) where each grade stands: the numbers that they are, else 1, 2, 3 …

    >>> places_of(("0", ".33", "1")).tolist(), places_of(("low", "middle", "high")).tolist()
    ([0.0, 0.33, 1.0], [1.0, 2.0, 3.0])
    """
    try:
        numbers_C = np.asarray([float(grade) for grade in grades])
    except ValueError:
        numbers_C = np.full(1, np.nan)
    return numbers_C if np.isfinite(numbers_C).all() else np.arange(1.0, len(grades) + 1)
