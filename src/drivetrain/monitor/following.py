"""A watch that is told what a store holds, one entry after the other, and which alarms people cleared in between.

A server that follows its store and a replay of the same store tell a watch the same: `tell` is the one way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..core.records import Alarm, Fed
from .observation import Audit, Observation
from .raised import Monitor, Raised
from .watch import Watch

Bundle = tuple[str, str]
"""A model's name and the bundle's id."""

_Key = tuple[Monitor, str | None]
"""A monitor and the source of an alarm, as `Watch.clear` takes them."""


class Alarms(Protocol):
    """The part of a store that knows what became of an alarm."""

    def alarm(self, alarm_id: str) -> Alarm | None: ...


@dataclass(frozen=True)
class Told:
    """The number of entries that a watch was told, and the alarms that it raised."""

    count: int
    raised: tuple[Raised, ...]


def tell(watch: Watch, bundle: Bundle, entries: Sequence[Fed], store: Alarms) -> Told:
    """Tell a watch what happened, alarms that were cleared in between included, each at its place in the feed.

    Whatever was cleared before the last of ``entries`` can be seen by now, so that a watch that reads the store anew clears each
    alarm between the same two entries.
    """
    count = 0
    raised: list[Raised] = []
    clearings = _clearings(bundle, watch.standing.values(), store)
    for entry in entries:
        told = told_of(bundle, entry)
        if told is None:
            continue
        for key, position in sorted(clearings.items(), key=lambda item: item[1]):
            if position < entry.position:
                watch.clear(*key)
                del clearings[key]
        new = watch.update(told)
        if new:
            raised += new
            clearings |= _clearings(bundle, new, store)
        count += 1
    return Told(count, tuple(raised))


def _clearings(bundle: Bundle, standing: Iterable[Raised], store: Alarms) -> dict[_Key, int]:
    """The positions at which those of the alarms were cleared that a person has cleared."""
    found: dict[_Key, int] = {}
    for raised in standing:
        alarm = store.alarm(alarm_of(bundle, raised).id)
        if alarm is not None and alarm.cleared_position is not None:
            found[raised.monitor, raised.source] = alarm.cleared_position
    return found


def told_of(bundle: Bundle, entry: Fed) -> Observation | Audit | None:
    """The part of an entry that a bundle's watch is told; None where it is about another, or says nothing to it."""
    record = entry.record
    if (record.model, record.prediction.bundle_id) != bundle:
        return None
    return Observation.of_record(record) if entry.truth is None else Audit.of(record, entry.truth)


def alarm_of(bundle: Bundle, raised: Raised) -> Alarm:
    """Make an alarm with an id that is the same whenever it is raised from the same answers.

    The id sorts by time as those of version 7 do: milliseconds, then 80 bits of a hash.
    """
    model, bundle_id = bundle
    moment_ms = max(0, int(raised.raised.timestamp() * 1000)) & (1 << 48) - 1
    about = repr(
        (model, bundle_id, raised.source, str(raised.monitor), raised.raised.isoformat(), raised.began.isoformat())
    )
    return Alarm(
        id=f"{moment_ms:012x}{hashlib.sha256(about.encode()).hexdigest()[:20]}",
        model=model,
        bundle_id=bundle_id,
        source=raised.source,
        monitor=str(raised.monitor),
        began=raised.began,
        raised=raised.raised,
        looks_like=str(raised.looks_like),
        evidence=raised.evidence,
    )
