"""Suspects: items that a person should look at, each with its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LABEL = "label"
CONTRADICTORY = "contradictory-copy"
NEAR_DUPLICATE = "near-duplicate"
OUTLIER = "outlier"
NEAR_BLACK = "near-black"
BLURRED = "blurred"
TINY = "tiny"
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Ground:
    """One reason for suspicion: a code that never changes, and a sentence."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Suspect:
    """An item with the grounds on which it is suspected."""

    name: str
    label: str | None
    suggested: str | None
    """The label that the other items suggest; None where they suggest no other."""
    score: float
    """From 0 to 1: the larger, the more suspicious."""
    grounds: tuple[Ground, ...]
    """The strongest first."""
    neighbours: tuple[str, ...] = ()
    """Names of the items that made it suspicious: its nearest ones, or the other copies of the picture."""

    def to_json(self) -> dict[str, Any]:
        """Return an entry of the list that ``suspects --json`` prints."""
        return {
            "path": self.name,
            "label": self.label,
            "suggested": self.suggested,
            "score": self.score,
            "reasons": [{"code": ground.code, "text": ground.words} for ground in self.grounds],
            "neighbours": list(self.neighbours),
        }
