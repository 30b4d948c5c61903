"""The receipt of a case: all that its sender may learn. Nothing of the model's answer, but where the model acted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .moments import to_text


@dataclass(frozen=True, slots=True)
class Taken:
    """The decision of a case that took effect."""

    label: str | None
    """None: nobody could tell."""
    how: str
    """``blind``, ``assisted`` or ``model``."""
    at: datetime

    def to_json(self) -> dict[str, Any]:
        """Return the object that the API answers with."""
        return {"label": self.label, "how": self.how, "at": to_text(self.at)}


@dataclass(frozen=True, slots=True)
class Receipt:
    """A case as its sender sees it."""

    case_id: str
    key: str
    rollout: str
    """The rollout's name."""
    decision: Taken | None = None
    """None: it waits for a person."""
    fresh: bool = True
    """The case came for the first time; otherwise it had come before, and this is the same receipt."""

    @property
    def status(self) -> str:
        """``waiting`` or ``decided``."""
        return "waiting" if self.decision is None else "decided"

    def to_json(self) -> dict[str, Any]:
        """Return the object that the API answers with."""
        return {
            "id": self.case_id,
            "key": self.key,
            "rollout": self.rollout,
            "status": self.status,
            "decision": None if self.decision is None else self.decision.to_json(),
        }
