"""A tally of what a server made of what was sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

SHOWN = 100
"""Refusals that are told one by one."""

IN_A_ROW = 25
"""So many refusals for one reason, one after the other, are no matter of single cases."""


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """A case, decision or outcome that the server did not take."""

    key: str
    why: str


@dataclass
class Tally:
    """Counts of what was sent, as it goes on."""

    sent: int = 0
    """Taken by the server in this run."""
    waiting: int = 0
    """Cases among them that wait for a person."""
    decided: int = 0
    """Cases among them that are decided already."""
    before: int = 0
    """Sent in an earlier run, by the journal: not sent again."""
    refused: int = 0
    growing: tuple[str, ...] = ()
    """Files left out, as they were still being written in the end."""
    refusals: list[RefusedItem] = field(default_factory=list)
    _in_a_row: Counter[str] = field(default_factory=Counter)

    def took(self, status: str | None = None) -> None:
        """Count one that was taken; ``status`` is that of a case."""
        self._in_a_row.clear()
        self.sent += 1
        self.waiting += status == "waiting"
        self.decided += status == "decided"

    def refuse(self, key: str, why: str) -> bool:
        """Count one that was refused; tells whether it is no use going on."""
        self.refused += 1
        if len(self.refusals) < SHOWN:
            self.refusals.append(RefusedItem(key, why))
        if why not in self._in_a_row:
            self._in_a_row.clear()
        self._in_a_row[why] += 1
        return self._in_a_row[why] >= IN_A_ROW

    @property
    def is_whole(self) -> bool:
        """Tells whether everything was taken."""
        return not self.refused and not self.growing

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``cases send --json``."""
        return {
            "sent": self.sent,
            "waiting": self.waiting,
            "decided": self.decided,
            "before": self.before,
            "refused": self.refused,
            "refusals": [{"key": one.key, "why": one.why} for one in self.refusals],
            "growing": list(self.growing),
        }
