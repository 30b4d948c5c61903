"""Images that were kept for their days are deleted, by a calendar that no jump of the clock can hurry.

Where the rule keeps none, those that had to be kept for people to decide on are deleted once their cases are done.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ...core.calendar import CONFIRMED, DOWN, SLACK, Calendar
from ...core.errors import StoreError
from ...core.ports import Store
from ...core.retention import Retention

log = logging.getLogger(__name__)

# Seconds from one deletion to the next.
FORGET_S = 600.0


def running_s() -> float:
    """Seconds by a clock that nobody can set; where the system has one, it goes on while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def _wall() -> datetime:
    return datetime.now(UTC)


class Forgetting:
    """Deletes images whose days are over, on behalf of one server process."""

    def __init__(
        self,
        store: Store,
        retention: Retention,
        now: Callable[[], datetime] = _wall,
        seconds: Callable[[], float] = running_s,
    ) -> None:
        """``now`` may jump, ``seconds`` may not."""
        self._store, self._retention = store, retention
        self._now, self._seconds = now, seconds
        self._written: Calendar | None = None
        self._at_s = 0.0

    def forget(self) -> None:
        """Look at the clock, delete what is too old for sure, and say so."""
        try:
            self._forget()
        except StoreError as error:
            log.warning("no image was deleted this time: %s", error)

    def _forget(self) -> None:
        now, at_s = self._now(), self._seconds()
        before, passed, slack = self._before(now, at_s)
        calendar = before.look(now, passed, slack)
        self._store.set_calendar(calendar)
        self._tell(before, calendar, now)
        self._written, self._at_s = calendar, at_s
        limit = self._retention.oldest(calendar.earliest(now))
        if not self._retention.keeps_input:
            self._forget_cases()
        if limit is None:
            return
        done = self._store.prune(inputs_older_than=limit)
        if done.inputs:
            log.info(
                "deleted %d images (%.1f MB) last sent before %s, the first %s and the last %s",
                done.inputs, done.input_bytes / 1e6, _minute(limit), _minute(done.oldest), _minute(done.newest),
            )  # fmt: skip

    def _forget_cases(self) -> None:
        """Delete what was kept only for people to decide on."""
        done = self._store.forget_case_inputs()
        if done.inputs:
            log.info("deleted %d images (%.1f MB) of cases that are done", done.inputs, done.input_bytes / 1e6)

    def _before(self, now: datetime, at_s: float) -> tuple[Calendar, timedelta, timedelta]:
        """The calendar of the last time, how much time has passed since for sure, and how much more may have."""
        stored = self._store.calendar()
        if stored is None:
            return Calendar(now), timedelta(), SLACK  # of an empty store nothing can be deleted
        if self._written is None:
            return stored, timedelta(), DOWN
        if stored != self._written and not stored.is_doubted:
            # Another process or a person has trusted the clock, or has one that says what is expected.
            return stored, timedelta(), SLACK
        return self._written, timedelta(seconds=at_s - self._at_s), SLACK

    def _tell(self, before: Calendar, calendar: Calendar, now: datetime) -> None:
        if calendar.is_doubted and (self._written is None or not before.is_doubted):
            way = "ahead of" if calendar.ahead > timedelta() else "behind"
            log.warning(
                "the clock says %s, %s %s what this store knows: until it has said so for %d days, images are deleted as if "
                "it were %s; if it is right, say so: drivetrain store prune --trust-clock",
                _minute(now), _span(calendar.ahead), way, CONFIRMED.days, _minute(calendar.trusted),
            )  # fmt: skip
        elif before.is_doubted and not calendar.is_doubted:
            log.warning("the clock is trusted again: it is %s", _minute(now))


def _span(length: timedelta) -> str:
    hours = abs(length) / timedelta(hours=1)
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"


def _minute(at: datetime | None) -> str:
    return "" if at is None else at.strftime("%Y-%m-%d %H:%M UTC")
