"""Targets as a network learns them: numbers in standard deviations from their mean. Shapes: D features, O outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray
from .head import Head


@dataclass(frozen=True)
class Scale:
    """Numbers are learnt in standard deviations from their mean, so that rates suit them; everything else as it is."""

    mean_O: FloatArray | None = None
    spread_O: FloatArray | None = None

    @classmethod
    def of(cls, values_NO: FloatArray) -> Scale:
        """Take the scale from the numbers trained on, (N, O)."""
        spread_O = values_NO.std(axis=0)
        return cls(values_NO.mean(axis=0), np.where(spread_O > 0, spread_O, 1).astype(np.float32))

    def encode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Turn targets into the scale in which they are learnt."""
        if self.mean_O is None or self.spread_O is None:
            return values
        return np.asarray((values - self.mean_O) / self.spread_O, np.float32)

    def decode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Turn outputs back into the targets' own units."""
        if self.mean_O is None or self.spread_O is None:
            return values
        return np.asarray(values * self.spread_O + self.mean_O)

    def inward(self, head: Head) -> Head:
        """Turn a head's outputs into the scale in which they are learnt."""
        if self.mean_O is None or self.spread_O is None:
            return head
        return replace(
            head, weight_DC=head.weight_DC / self.spread_O, bias_C=(head.bias_C - self.mean_O) / self.spread_O
        )

    def outward(self, weight_DO: FloatArray, bias_O: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Turn weights and bias so that outputs are the numbers themselves."""
        if self.mean_O is None or self.spread_O is None:
            return weight_DO, bias_O
        return weight_DO * self.spread_O, bias_O * self.spread_O + self.mean_O
