"""The alarms that stand, and how they change an answer: where one stands, nothing is accepted without a person.

Workers look at a snapshot that never changes, so an answer waits for nobody. The snapshot is read again every second (as keys
are), so that an alarm raised or cleared by any process soon counts in each, and at once in the process that did it.

What cannot be known is taken for the worse: as long as the store has never said which alarms stand, every answer is reviewed.
Where the store fails later, the alarms that were known stay.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from ...core.errors import StoreError
from ...core.records import Alarm, Context
from ...core.types import Prediction, Verdict
from ...core.verdict import Reason
from ...monitor.settings import OTHERS
from .alarm_words import MONITORS, day_and_time, where

log = logging.getLogger(__name__)

# Seconds between two readings of the alarms.
ALARMS_S = 1.0

# More standing alarms than this are not read: monitors follow a bounded number of sources, so this is many servers' worth.
MOST = 10_000

CODE = "alarm"
"""The code of the reason why an answer is not accepted."""

OnAlarm = Literal["review", "tell"]
"""``review``: an alarm turns accepted answers into reviewed ones; ``tell``: it is told, and changes nothing."""

Bundle = tuple[str, str]
"""A model's name and a bundle's id."""


@dataclass(frozen=True)
class Standing:
    """The alarms that stand, as they were read."""

    known: bool = False
    """Tells whether the store has ever said which alarms stand."""
    alarms: tuple[Alarm, ...] = ()
    """From the newest back."""
    oldest: Mapping[tuple[Bundle, str | None], Alarm] = field(default_factory=dict)
    """The alarm that has stood longest, of each bundle's sources, and of all together (None)."""

    @classmethod
    def of(cls, alarms: Sequence[Alarm]) -> Standing:
        """Sort out what was read, newest first."""
        oldest = {((alarm.model, alarm.bundle_id), alarm.source): alarm for alarm in alarms}
        return cls(True, tuple(alarms), oldest)

    def over(self, bundle: Bundle, source: str) -> Alarm | None:
        """Return the alarm that an answer of a source stands under, if there is one."""
        return self.oldest.get((bundle, source)) or self.oldest.get((bundle, None))


class AlarmStore(Protocol):
    """The part of a store that says which alarms stand."""

    def alarms(self, *, standing: bool | None = None, limit: int = 200) -> Sequence[Alarm]:
        """Return the alarms from the newest back, as `MonitorStore.alarms` does."""
        ...


class Alarms:
    """Knows the alarms that stand. Safe to use from several threads."""

    def __init__(self, store: AlarmStore, on_alarm: OnAlarm = "review") -> None:
        self._store = store
        self.on_alarm: OnAlarm = on_alarm
        self.standing = Standing()
        self.current = False
        """Tells whether the last reading went well."""
        self.watched: dict[Bundle, frozenset[str]] = {}
        """The sources that each bundle's monitor tells apart, as far as that is known; `Monitoring` keeps it."""
        self._said = ""
        self._turn = threading.Lock()
        self.refresh()

    def refresh(self) -> None:
        """Read the alarms again; those known stay where the store cannot be asked."""
        with self._turn:  # or an older reading could take the place of a newer one
            try:
                alarms = self._store.alarms(standing=True, limit=MOST)
            except StoreError as error:
                if str(error) != self._said:  # not every second while a database is gone
                    log.warning("the alarms cannot be read again, those known stay: %s", error)
                self._said, self.current = str(error), False
                return
            self.standing, self._said, self.current = Standing.of(alarms), "", True

    def judged(self, model: str, context: Context, prediction: Prediction) -> Prediction:
        """Return an answer as it may be given: one that would be accepted is reviewed where its source stands under an alarm."""
        if prediction.verdict is not Verdict.ACCEPT or self.on_alarm == "tell":
            return prediction
        reason = self._reason((model, prediction.bundle_id), source_of(context))
        if reason is None:
            return prediction
        return replace(prediction, verdict=Verdict.REVIEW, reasons=(*prediction.reasons, reason))

    def holds(self, bundle: Bundle, source: str) -> bool:
        """Tells whether a source's accepted answers become reviewed ones just now."""
        return self.on_alarm == "review" and self._reason(bundle, source) is not None

    def _reason(self, bundle: Bundle, source: str) -> Reason | None:
        standing = self.standing
        if not standing.known:
            return Reason(CODE, "the store has not said yet whether an alarm stands, so a person decides")
        alarm = standing.over(bundle, source) or self._over_others(standing, bundle, source)
        if alarm is None:
            return None
        monitor = MONITORS.get(alarm.monitor, alarm.monitor)
        since = day_and_time(alarm.raised)
        words = f"an alarm of the {monitor} stands for {where(alarm.source)} since {since}, until a person clears it"
        return Reason(CODE, words)

    def _over_others(self, standing: Standing, bundle: Bundle, source: str) -> Alarm | None:
        """The alarm of the sources that a monitor does not tell apart, if this is one of them or nobody knows."""
        alarm = standing.oldest.get((bundle, OTHERS))
        return None if alarm is None or source in self.watched.get(bundle, ()) else alarm


def source_of(context: Context) -> str:
    """Name the source of an input: its camera, else its site; empty where the caller named neither."""
    return context.camera or context.site or ""
