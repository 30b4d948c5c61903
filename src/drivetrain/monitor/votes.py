"""The rule by which pictures become votes: one a source and minute, or one a group.

Frames of one event resemble each other, and counted one by one they would pass for as many independent observations.
"""

from __future__ import annotations

from typing import Any

MINUTE_US = 60_000_000
# Groups that may be in the works at once at one source.
KEPT_GROUPS = 8


class Votes:
    """The votes of one source: the present minute, and the latest groups."""

    __slots__ = ("groups", "minute")

    def __init__(self, minute: int | None = None, groups: list[str] | None = None) -> None:
        self.minute = minute
        self.groups = groups or []

    def counts(self, at_us: int, group: str | None) -> bool:
        """Tells whether an observation is a vote, and remembers it. A clock that goes backwards counts as the present minute.

        >>> votes = Votes()
        >>> [votes.counts(at * 1_000_000, None) for at in (0, 30, 61, 10, 119, 120)]
        [True, False, True, False, False, True]
        """
        if group is not None:
            if group in self.groups:
                return False
            self.groups = [*self.groups, group][-KEPT_GROUPS:]
        minute = at_us // MINUTE_US
        if self.minute is not None and minute <= self.minute:
            # A further group is a further event, even within the minute.
            return group is not None
        self.minute = minute
        return True

    def to_json(self) -> list[Any]:
        """Return the state."""
        return [self.minute, self.groups]

    @classmethod
    def of_json(cls, state: list[Any]) -> Votes:
        """Go on from a state."""
        return cls(state[0], list(state[1]))
