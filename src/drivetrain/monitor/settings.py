"""The settings of a watch."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Settings:
    """The error rates a watch keeps, and how far ahead."""

    alpha: float = 0.01
    """The probability of any false alarm of the monitors without labels within the horizon: half of it is for the
    out-of-domain rate, a quarter each for confidence and score."""
    horizon: int = 20_000
    """Votes of all sources together."""
    multiples: tuple[float, ...] = (1.5, 2.0, 3.0, 6.0)
    """The out-of-domain rates that are looked for, as multiples of the highest in-domain rate."""
    rate_confidence: float = 0.99
    """The confidence of that highest rate, which the gate's calibration bounds."""
    error_multiples: tuple[float, ...] = (3.0, 6.0)
    """The error rates that are looked for, as multiples of the bound."""
    error_level: float = 1000.0
    """The e-CUSUM's level: one false alarm in at least so many audits."""

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise UsageError(f"alpha is {self.alpha}; give a probability between 0 and 1, such as 0.01")
        if self.horizon < 1:
            raise UsageError(f"the horizon is {self.horizon} votes; give 1 or more")


MOST_SOURCES = 64
"""Sources that are watched apart; those that come later share `OTHERS`."""
OTHERS = "(other sources)"
"""The name of the bucket of all further sources."""
KEPT_IDS = 12
"""Ids that are kept of each stream's most conspicuous images."""
KEPT_AUDITS = 500
"""Audited predictions that are remembered, so that a second truth told of one does not count again."""
BINS = 20
"""Bins of confidence and of the score."""
