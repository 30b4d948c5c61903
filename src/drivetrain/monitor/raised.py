"""An alarm as a watch raises it, before a store gives it an id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Monitor(StrEnum):
    """The monitors of a watch."""

    RATE = "out-of-domain-rate"
    CONFIDENCE = "confidence"
    SCORE = "score"
    ERROR = "audited-error"
    CERTIFICATE = "certificate"


class LooksLike(StrEnum):
    """The kinds of change that an alarm may look like."""

    CAMERA = "camera-or-processing"
    MIX = "class-mix"
    NEW_CLASS = "new-class"
    HARDER = "harder-cases"
    ERRORS = "errors"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm of one stream. It stands until it is cleared."""

    monitor: Monitor
    source: str | None
    """None: all sources together."""
    began: datetime
    """The moment at which the change began, as estimated."""
    raised: datetime
    looks_like: LooksLike
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Figures as JSON holds them; ``images``: the ids of the observations that drove it, newest first."""

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``monitor --json``."""
        return {
            "source": self.source,
            "monitor": str(self.monitor),
            "began": self.began.isoformat(),
            "raised": self.raised.isoformat(),
            "looks_like": str(self.looks_like),
            "evidence": dict(self.evidence),
        }

    @classmethod
    def of_json(cls, state: Mapping[str, Any]) -> Raised:
        """Read it again."""
        return cls(
            monitor=Monitor(state["monitor"]),
            source=state["source"],
            began=datetime.fromisoformat(state["began"]),
            raised=datetime.fromisoformat(state["raised"]),
            looks_like=LooksLike(state["looks_like"]),
            evidence=state["evidence"],
        )
