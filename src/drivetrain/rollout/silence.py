"""Silence: how long it is since a case came, or a label that tests the model. It may pause a rollout, and never advances it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .moments import of_text, to_text


@dataclass(slots=True)
class Silence:
    """The moments at which the last case and the last label came; both begin anew when a stage does, or a person resumes."""

    allowed: timedelta
    case: datetime
    label: datetime

    def begin(self, at: datetime) -> None:
        """Count from here."""
        self.case = self.label = at

    @property
    def until(self) -> datetime:
        """The moment at which it has been too quiet."""
        return min(self.case, self.label) + self.allowed

    def words(self) -> str:
        """Say which is missing, and since when."""
        said, at = ("case has come", self.case) if self.case <= self.label else ("label has come", self.label)
        return f"no {said} since {at:%Y-%m-%d %H:%M} UTC, for {self.allowed / timedelta(days=1):g} days"

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {"case": to_text(self.case), "label": to_text(self.label)}

    @classmethod
    def of_json(cls, allowed: timedelta, state: Mapping[str, Any]) -> Silence:
        """Go on from a state."""
        return cls(allowed, of_text(state["case"]), of_text(state["label"]))
