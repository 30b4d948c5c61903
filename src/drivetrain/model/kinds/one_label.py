"""One label of several, as far as it is all the same whether the labels have an order. Shapes: N items, C labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...stats.metrics import Floats
from ..part import Calibration
from .kind import Answer, Kind, Said, Tensor


class OneLabelKind(Kind):
    """The kinds whose answer is one of several labels, with probabilities that add up to 1."""

    one_label: ClassVar[bool] = True
    targets_are: ClassVar[str] = "labels"
    """The word for targets in errors."""

    calibration: Calibration

    @property
    def calibrated(self) -> str:
        """Logits are calibrated by one factor."""
        return f"β = {self.calibration.beta:.3f}"

    @property
    def beta(self) -> float:
        """The calibration's factor."""
        return self.calibration.beta

    def recalibrated(self, beta: float, fitted_on: str) -> Self:
        """Return the kind with another β; of classes the most probable one stays the same."""
        return self.model_copy(update={"calibration": Calibration(beta=beta, fitted_on=fitted_on)})

    @classmethod
    def perfect_answers(cls, names: Sequence[str], targets_N: NDArray[Any]) -> Floats:
        """1 for the label, 0 for the others."""
        perfect_NC: Floats = np.eye(len(names))[targets_N]
        return perfect_NC

    def confidences(self, answers_NC: Floats) -> Floats:
        """The largest probability."""
        confidence_N: Floats = answers_NC.max(axis=1)
        return confidence_N

    @classmethod
    def answer_text(cls, said: Said, *, none: str = "–", ranges: bool = False) -> str:  # noqa: ARG003
        """The label."""
        return none if said.label is None else said.label

    @property
    def target_type(self) -> tuple[type[np.generic], tuple[int, ...]]:
        """The target is the label's number."""
        return np.int64, ()

    @classmethod
    def text_of(cls, names: Sequence[str], target: NDArray[Any]) -> str:
        """The label."""
        return names[int(target)]

    def target_fault(self, targets_N: NDArray[Any]) -> str | None:
        """Say whether a number is no label's."""
        most = len(self.outputs) - 1
        if len(targets_N) and not 0 <= targets_N.min() <= targets_N.max() <= most:
            return f"{self.targets_are} outside 0–{most}"
        return None

    def tensors(self) -> tuple[Tensor, ...]:
        """Give probabilities, and the most probable label."""
        return (*super().tensors(), Tensor("label", "BYTES", ()))

    def tensor_row(self, name: str, answer: Answer) -> Sequence[float | str | None]:
        """Return one item's part; the label is empty where an item cannot be read."""
        return [answer.label or ""] if name == "label" else super().tensor_row(name, answer)
