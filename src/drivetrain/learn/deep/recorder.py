"""The record of a training: a loss and a rate a step, losses and metrics an epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .plot import Line, chart

# Weight of the past in the smoothed training loss, as in fastai.
SMOOTHING = 0.98

# The number of losses that are smoothed: those further back weigh less than 0.00005.
RECENT = 500

# The most points of a curve in a figure, which is hardly wider in pixels.
POINTS = 500


@dataclass(frozen=True)
class EpochRecord:
    """The record of an epoch. Losses are means over the items; ``valid_loss`` is NaN without validation items."""

    epoch: int
    train_loss: float
    valid_loss: float
    metrics: Mapping[str, float]
    seconds: float
    steps: int = 0
    """The number of losses recorded by the end of the epoch."""

    def line(self) -> str:
        """Write the epoch on one line for a person."""
        figures = {"train": self.train_loss, "valid": self.valid_loss, **self.metrics}
        return ", ".join(f"{name} {value:.4f}" for name, value in figures.items()) + f", {self.seconds:.1f} s"


@dataclass
class Recorder:
    """The record, which grows while training. ``losses`` and ``rates`` (of the last group) have one entry a step of the
    optimiser."""

    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    epochs: list[EpochRecord] = field(default_factory=list)

    def smoothed(self) -> list[float]:
        """Losses as an exponential mean, corrected for its start."""
        return smooth(self.losses)

    def note(self) -> str:
        """The smoothed loss and the rate of now, in a few words; empty before the first step.

        >>> Recorder([0.5], [0.001]).note()
        'loss 0.500, rate 1.0e-03'
        """
        return f"loss {smooth(self.losses[-RECENT:])[-1]:.3f}, rate {self.rates[-1]:.1e}" if self.losses else ""

    def plot(self) -> str:
        """SVG: the training loss over steps, and the validation loss where epochs ended."""
        stride = -(-len(self.losses) // POINTS) or 1
        lines = [Line("train", range(1, len(self.losses) + 1, stride), self.smoothed()[::stride])]
        if self.epochs:
            ends = [record.steps for record in self.epochs]
            lines.append(Line("valid", ends, [record.valid_loss for record in self.epochs]))
        return chart(lines, "step", "loss")

    def _repr_svg_(self) -> str:
        return self.plot()

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
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
