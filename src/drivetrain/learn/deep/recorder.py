"""What happened during training: a loss and a rate a step, losses and metrics an epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .plot import Line, chart

# Weight of the past in the smoothed training loss, as in fastai.
SMOOTHING = 0.98


@dataclass(frozen=True)
class EpochRecord:
    """Losses are means over the items; ``valid_loss`` is NaN without validation items."""

    epoch: int
    train_loss: float
    valid_loss: float
    metrics: Mapping[str, float]
    seconds: float

    def line(self) -> str:
        """One line for a person."""
        figures = {"train": self.train_loss, "valid": self.valid_loss, **self.metrics}
        return ", ".join(f"{name} {value:.4f}" for name, value in figures.items()) + f", {self.seconds:.1f} s"


@dataclass
class Recorder:
    """Grows while training. ``losses`` and ``rates`` (of the last group) have one entry a step of the optimiser."""

    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    epochs: list[EpochRecord] = field(default_factory=list)

    def smoothed(self) -> list[float]:
        """Losses as an exponential mean, corrected for its start."""
        return smooth(self.losses)

    def plot(self) -> str:
        """SVG: the training loss over steps, and the validation loss where epochs ended."""
        ends = [len(self.losses) * (i + 1) / len(self.epochs) for i in range(len(self.epochs))]
        lines = [Line("train", range(1, len(self.losses) + 1), self.smoothed())]
        if self.epochs:
            lines.append(Line("valid", ends, [record.valid_loss for record in self.epochs]))
        return chart(lines, "step", "loss")

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Recorder:
        return cls(
            list(document["losses"]),
            list(document["rates"]),
            [EpochRecord(**record) for record in document["epochs"]],
        )


def smooth(values: list[float], weight: float = SMOOTHING) -> list[float]:
    """Exponential means m_t = (1 − w)·Σ w^(t−s)·v_s / (1 − w^(t+1))."""
    mean, smoothed = 0.0, []
    for step, value in enumerate(values, start=1):
        mean = weight * mean + (1 - weight) * value
        smoothed.append(mean / (1 - weight**step))
    return smoothed
