"""The outcome of fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from .ready import Tuned


@dataclass(frozen=True)
class Outcome:
    """The decision whether the fine-tuned network is used, and the losses that decided it."""

    kept: bool
    loss: float
    """Held-out loss of the fine-tuned network."""
    frozen_loss: float
    """Held-out loss of a head on the frozen network, trained and judged on the same images."""
    error: float
    """Standard error of the difference between the two."""
    trained: str
    """The part that was trained, in words."""
    epochs: int

    @classmethod
    def of(cls, attempt: Tuned, *, kept: bool) -> Self:
        """Make the outcome of an attempt."""
        return cls(kept, attempt.loss, attempt.frozen_loss, attempt.error, attempt.trained, attempt.tuning.epochs)

    @property
    def words(self) -> str:
        """Write the outcome for a person."""
        losses = f"held-out loss {self.loss:.4f} against {self.frozen_loss:.4f} frozen"
        spread = f"(smaller is better; standard error of the difference {self.error:.4f})"
        if not self.kept:
            return f"left out: it did not help, {losses} {spread}; the frozen network stands"
        return f"{self.trained}, {self.epochs} epoch{'s' * (self.epochs > 1)}: {losses} {spread}"
