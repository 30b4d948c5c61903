"""The moment it is now, as far as a clock can be trusted with deleting things.

Clocks jump: a machine wakes with another year, somebody types a wrong date. What is kept for 30 days must not be deleted for
that. So a store remembers the last moment that was trusted, and believes a clock only as far as time has passed by a second clock
that nobody can set. A clock that says otherwise is believed once it has said so for days on end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# While a server runs, a clock may be off by this much and is still believed.
SLACK = timedelta(hours=1)

# A server may have been down this long, and the clock is still believed.
DOWN = timedelta(days=3)

# A clock that jumped is believed once it has said the same for this long, counted while servers run.
CONFIRMED = timedelta(days=3)

_NONE = timedelta()


@dataclass(frozen=True, slots=True)
class Calendar:
    """The trusted time: ``trusted`` is the moment known for sure; a doubted clock is ``ahead`` of it, and was for ``held``."""

    trusted: datetime
    ahead: timedelta = _NONE
    held: timedelta = _NONE

    @property
    def is_doubted(self) -> bool:
        """Tells whether the clock shows a time that is not believed."""
        return self.ahead != _NONE

    def look(self, now: datetime, passed: timedelta, slack: timedelta = SLACK) -> Calendar:
        """Return the calendar after ``passed`` time for sure, when the clock says ``now``.

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
        """Tells whether ``now`` is too far ahead to be believed where nobody knows how much time has passed."""
        return now - self.trusted > DOWN

    def earliest(self, now: datetime) -> datetime:
        """The moment to count ages back from: never later than the true one."""
        return min(now, self.trusted)
