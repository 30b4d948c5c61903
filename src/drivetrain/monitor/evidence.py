"""The evidence that one stream has given for a change: the sum that alarms, and the run that says when it began."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from ..stats import e_cusum, jumper
from ..stats.jumper import START, Weights
from .exact import read, written
from .moment import Mark

Run = tuple[float, Mark | None]


class Evidence:
    """Shiryaev–Roberts sums, and beside each its e-CUSUM, for alternatives that are averaged."""

    __slots__ = ("_alternatives", "runs", "sums", "value")

    sums: list[float]
    runs: list[Run]
    value: float
    """The mean of the sums."""

    def __init__(self, alternatives: int) -> None:
        self._alternatives = alternatives
        self.reset()

    def reset(self) -> None:
        """Begin again, as though nothing had been seen."""
        self.sums = [0.0] * self._alternatives
        self.runs = [(0.0, None)] * self._alternatives
        self.value = 0.0

    def take(self, factors: Sequence[float], mark: Mark) -> None:
        """Take the factors of one vote."""
        sums, runs = self.sums, self.runs
        total = 0.0
        for place, factor in enumerate(factors):
            new = sums[place] = (sums[place] + 1.0) * factor
            total += new
            value, began = runs[place]
            runs[place] = (value * factor, began) if value > 1.0 else (factor, mark)
        self.value = total / len(sums)

    @property
    def began(self) -> Mark | None:
        """The vote with which the change began, by the strongest alternative; None before the first vote."""
        return max(self.runs, key=lambda run: run[0])[1]

    @property
    def run(self) -> float:
        """The mean of the e-CUSUMs."""
        return e_cusum.mean([value for value, _ in self.runs])

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "sums": written(self.sums),
            "runs": [[value.hex(), None if mark is None else list(mark)] for value, mark in self.runs],
            "value": self.value.hex(),
        }

    def load(self, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        self.sums = read(state["sums"])
        self.runs = [(float.fromhex(value), None if mark is None else Mark(*mark)) for value, mark in state["runs"]]
        self.value = float.fromhex(state["value"])
        return self


class Bets(Evidence):
    """The evidence of a jumper's bets on p-values."""

    __slots__ = ("weights",)

    weights: Weights

    def __init__(self) -> None:
        super().__init__(1)

    def reset(self) -> None:
        """Begin again, as though nothing had been seen."""
        super().reset()
        self.weights = START

    def bet(self, p: float, mark: Mark) -> None:
        """Take one p-value."""
        self.weights, factor = jumper.step(self.weights, p)
        self.take((factor,), mark)

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        return {**super().to_json(), "weights": written(self.weights)}

    def load(self, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        super().load(state)
        low, none, high = read(state["weights"])
        self.weights = (low, none, high)
        return self
