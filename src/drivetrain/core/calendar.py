"""Which moment it is, as far as can be trusted with deleting things.

Clocks jump: a machine wakes with another year, somebody types a wrong date. What is kept for 30 days must not be deleted for
that. So a store remembers the last moment that was trusted, and of what a clock says only so much is believed as time has passed
by a clock that cannot be set. A clock that says otherwise is believed once it has said so for days on end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# By so much a clock may be off without any doubt, while a server runs.
SLACK = timedelta(hours=1)

# As long a server may have been down without any doubt.
DOWN = timedelta(days=3)

# A clock that jumped is believed when it has said the same for so long, counted while servers run.
CONFIRMED = timedelta(days=3)

_NONE = timedelta()


@dataclass(frozen=True, slots=True)
class Calendar:
    """``trusted`` is the moment it is for sure; ``ahead`` is by how much the clock says otherwise, and ``held`` for how long."""

    trusted: datetime
    ahead: timedelta = _NONE
    held: timedelta = _NONE

    @property
    def is_doubted(self) -> bool:
        """Whether the clock says something that is not believed."""
        return self.ahead != _NONE

    def look(self, now: datetime, passed: timedelta, slack: timedelta = SLACK) -> Calendar:
        """After so much time has ``passed`` for sure, the clock says ``now``.

        >>> from datetime import UTC
        >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
        >>> an_hour, a_month = timedelta(hours=1), timedelta(days=30)
        >>> Calendar(noon).look(noon + an_hour, an_hour).trusted == noon + an_hour
        True
        >>> doubted = Calendar(noon).look(noon + a_month, an_hour)
        >>> doubted.is_doubted, doubted.trusted == noon + an_hour
        (True, True)
        """
        expected = self.trusted + passed
        ahead = now - expected
        if abs(ahead) <= slack:
            return Calendar(now)
        same = self.is_doubted and abs(ahead - self.ahead) <= DOWN
        held = self.held + passed if same else _NONE
        return Calendar(now) if held >= CONFIRMED else Calendar(expected, ahead, held)

    def is_far_ahead(self, now: datetime) -> bool:
        """Whether a clock that says ``now`` is not to be believed by one who cannot know how much time has passed."""
        return now - self.trusted > DOWN

    def earliest(self, now: datetime) -> datetime:
        """No later than what it is: the moment to count back from."""
        return min(now, self.trusted)
