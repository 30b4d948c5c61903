"""A live rollout, as one process carries it on."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...core.rollout_records import RolloutRow
from ...rollout.live import Live
from .key_turns import KeyTurns
from .log_follower import LogFollower


@dataclass(eq=False)
class Carried:
    """A live rollout."""

    row: RolloutRow
    live: Live
    follower: LogFollower
    seen_s: float
    """The moment this process first saw it, on the monotonic clock."""
    keys: KeyTurns = field(default_factory=KeyTurns)
    """The keys of cases that are on their way in."""
    told: set[str] = field(default_factory=set)
    """The alarms it was told of by this process."""
    has_read: bool = True
    """All lines of its champion are read, where it has one; until then no time passes for it, as silence is judged by them."""
    tick_s: float = float("-inf")
    """The moment it was last told that time passes."""
    problem: str | None = None
    """The reason why it is not carried on just now."""
    unread: str | None = None
    """The reason why it does not read its champion's lines just now."""

    @property
    def name(self) -> str:
        """The rollout's name."""
        return self.row.name
