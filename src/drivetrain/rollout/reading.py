"""The reading of a gate: what is known so far, against what has to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class GateVerdict(StrEnum):
    """The outcome of a gate just now."""

    PASS = "pass"
    FAIL = "fail"
    NOT_YET = "not-yet"


@dataclass(frozen=True, slots=True)
class GateReading:
    """One gate, of everything or of one slice."""

    gate: str
    """A code that never changes: ``non-inferior``, ``risk``, ``override-rate``, ``out-of-domain``, ``latency``, ``cases``,
    ``audits``, ``days``, ``sample-ratio``, ``alarms``, ``unresolved``, ``automation-bias``, ``seeded``."""
    slice: str | None
    """``site=north``; None: all cases together."""
    value: float | None
    """The estimate, in the gate's own unit; None: nothing is known yet."""
    bound: float | None
    """The one-sided confidence bound that is held against the threshold, valid at any time; None where it has none."""
    threshold: float
    n: int
    """The cases, or labelled units, it rests on."""
    verdict: GateVerdict
    expected_more: int | None = None
    """Labelled cases still to be expected until it passes, went things on as they have; None: unknown, or none."""
    words: str = ""
    """One sentence for people."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that APIs, reports and the log hold."""
        return {
            "gate": self.gate,
            "slice": self.slice,
            "value": self.value,
            "bound": self.bound,
            "threshold": self.threshold,
            "n": self.n,
            "verdict": self.verdict.value,
            "expected_more": self.expected_more,
            "words": self.words,
        }
