"""The rule by which pictures become votes: one a source and minute, or one a group.

Frames of one event resemble each other, and counted one by one they would pass for as many independent observations.
"""

from __future__ import annotations

from typing import Any

MINUTE_US = 60_000_000
# A clock that goes back by less is taken to have been corrected; by more, to have been set back, or to be another one: that of a
# card that is read late, say. Were its votes not counted, a camera that lost its clock would be watched by nobody for years.
BACK = 24 * 60
# Clocks of one source that are remembered at once.
KEPT_CLOCKS = 8
# Groups that may be in the works at once at one source.
KEPT_GROUPS = 8


class Votes:
    """The votes of one source: the present minute of each of its clocks, mostly one, and the latest groups."""

    __slots__ = ("groups", "minutes")

    def __init__(self, minutes: list[int] | None = None, groups: list[str] | None = None) -> None:
        self.minutes = minutes or []
        """The clock that moved last stands last."""
        self.groups = groups or []

    def counts(self, at_us: int, group: str | None) -> bool:
        """Tells whether an observation is a vote, and remembers it. A clock that goes back by up to a day counts as the present
        minute; what is older is of a clock of its own.

        >>> votes = Votes()
        >>> [votes.counts(at * 1_000_000, None) for at in (0, 30, 61, 10, 119, 120)]
        [True, False, True, False, False, True]
        >>> [votes.counts((at - 30 * 86_400) * 1_000_000, None) for at in (0, 60, 60, 30 * 86_400 + 61)]
        [True, True, False, False]
        """
        if group is not None:
            if group in self.groups:
                return False
            self.groups = [*self.groups, group][-KEPT_GROUPS:]
        minute = at_us // MINUTE_US
        if any(minute <= present <= minute + BACK for present in self.minutes):
            # A further group is a further event, even within the minute.
            return group is not None
        self._move(minute)
        return True

    def _move(self, minute: int) -> None:
        """Set the nearest clock behind the minute to it, or take it for a new one where there is none behind."""
        behind = max((present for present in self.minutes if present < minute), default=None)
        others = [present for present in self.minutes if present != behind]
        self.minutes = [*others, minute][-KEPT_CLOCKS:]

    def to_json(self) -> list[Any]:
        """Return the state."""
        return [self.minutes, self.groups]

    @classmethod
    def of_json(cls, state: list[Any]) -> Votes:
        """Go on from a state."""
        return cls(list(state[0]), list(state[1]))
