"""A hold: one reason for which a rollout is paused. It runs on when the last of them is released."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from .moments import of_text, to_text


class HoldKind(StrEnum):
    """The thing that holds a rollout; all but alarms are released when a person resumes it."""

    PERSON = "person"
    ALARM = "alarm"
    """A monitor's alarm: released when a person clears that alarm."""
    QUIET = "quiet"
    """No case, or no label, for too long."""
    EVIDENCE = "evidence"
    """The evidence itself: errors among audited cases, or shares of assignment that are not those of the policy."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason for which a rollout is paused."""

    kind: HoldKind
    words: str
    """One sentence for people."""
    at: datetime
    alarm_id: str | None = None
    by: str | None = None
    """The person who paused it."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that snapshots and APIs hold."""
        return {
            "kind": self.kind.value,
            "words": self.words,
            "at": to_text(self.at),
            "alarm_id": self.alarm_id,
            "by": self.by,
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Hold:
        """Read what `to_json` wrote."""
        return cls(
            HoldKind(document["kind"]),
            document["words"],
            of_text(document["at"]),
            document["alarm_id"],
            document["by"],
        )
