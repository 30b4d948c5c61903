"""A count of what was asked for one class, what came of it, and why the rest did not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tally:
    """The count of one class; it grows while the run goes on."""

    label: str
    query: str | None
    wanted: int | None
    """The most pictures that were wanted; None: all that are found."""
    had: int = 0
    """Pictures that earlier runs had brought."""
    asked: int = 0
    """Addresses that were asked for in this run."""
    got: int = 0
    """Pictures that this run has brought."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Addresses that gave no picture, in this run and, where they are not asked again, before: reason → count."""
    problem: str | None = None
    """The sentence of a source that could not be asked further."""

    @property
    def is_full(self) -> bool:
        """Tells whether all that was wanted is there."""
        return self.wanted is not None and self.had + self.got >= self.wanted

    def to_json(self) -> dict[str, Any]:
        """Return an entry of the document that ``gather --json`` prints."""
        return {
            "label": self.label,
            "query": self.query,
            "wanted": self.wanted,
            "had": self.had,
            "asked": self.asked,
            "got": self.got,
            "dropped": dict(self.dropped.most_common()),
            "problem": self.problem,
        }
