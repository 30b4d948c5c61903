"""The check of the assignment: chance was to draw a unit with a stated probability, and does it?

An e-process: the likelihood ratio of draws whose odds are a multiple of the stated ones, averaged over multiples. The stated
probability may differ from unit to unit. A mismatch (keys that are not independent, lost cases) makes every comparison
of the drawn with the others doubtful, and so holds the stage. A sender that sends one piece of work under new keys until the
model acts on it is not seen: each key is drawn as it should be.
"""

from __future__ import annotations

import math
from typing import Any, Self

ODDS = (0.25, 0.5, 0.8, 1.25, 2.0, 4.0)
"""Multiples of the stated odds that are looked for."""
ALPHA = 0.001
"""The probability of ever holding a rollout whose assignment is right."""


class SampleRatio:
    """Units drawn, against those that were to be."""

    __slots__ = ("_wealth", "drawn", "expected", "n")

    def __init__(self) -> None:
        self._wealth = [0.0] * len(ODDS)
        self.n = 0
        self.drawn = 0
        self.expected = 0.0

    def take(self, probability: float, drawn: bool) -> None:
        """Take one unit; where the probability is 0 or 1 there was nothing to draw."""
        if not 0 < probability < 1:
            return
        self.n += 1
        self.drawn += drawn
        self.expected += probability
        for place, odds in enumerate(ODDS):
            # Odds are multiplied by rescaling both probabilities.
            by = (odds if drawn else 1.0) / (1 - probability + probability * odds)
            self._wealth[place] += math.log(by)

    @property
    def evidence(self) -> float:
        """The log-evidence of a mismatch."""
        top = max(self._wealth)
        return top + math.log(sum(math.exp(value - top) for value in self._wealth) / len(ODDS))

    @property
    def mismatch(self) -> bool:
        """Tells whether the drawn are too many, or too few, to be chance."""
        return self.evidence >= -math.log(ALPHA)

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        return {"wealth": list(self._wealth), "n": self.n, "drawn": self.drawn, "expected": self.expected}

    @classmethod
    def of_json(cls, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        ratio = cls()
        ratio._wealth = list(state["wealth"])
        ratio.n, ratio.drawn, ratio.expected = state["n"], state["drawn"], state["expected"]
        return ratio
