"""A store in memory, with the promises of the real one: for tests of what stands in front of a store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from datetime import datetime

from drivetrain.core.calendar import Calendar
from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.forgotten import Forgotten
from drivetrain.core.records import Alarm, ApiKey, Entry, Record, RecordFilter, RecordPage, StoredInput
from drivetrain.store.pruning import Pruned


class MemoryStore:
    """See `drivetrain.core.ports.PredictionStore`, which this is.

    ``open`` cleared makes every write wait; ``failure`` makes every method raise it; ``refuse`` looks at a write before it
    is done.
    """

    def __init__(self, keys: Sequence[ApiKey] = ()) -> None:
        self.writes: list[list[str]] = []
        """Ids of the records of each write that was done."""
        self.records: dict[str, Record] = {}
        self.images: dict[str, StoredInput] = {}
        self.known: tuple[ApiKey, ...] = tuple(keys)
        self.alarmed: tuple[Alarm, ...] = ()
        """The alarms that stand, from the newest back."""
        self.open = threading.Event()
        self.open.set()
        self.begun = threading.Semaphore(0)
        """Released whenever a write begins."""
        self.checked = threading.Semaphore(0)
        self.failure: Exception | None = None
        self.refuse: Callable[[Sequence[Entry]], None] = lambda _: None
        self.closed = False

    def append(self, entries: Sequence[Entry]) -> None:
        self.begun.release()
        assert self.open.wait(20), "a test left the store shut"
        self._usable()
        self.refuse(entries)
        for entry in entries:
            self.records.setdefault(entry.record.id, entry.record)
            if entry.input is not None:
                self.images[entry.input.sha256] = entry.input
        self.writes.append([entry.record.id for entry in entries])

    def page(self, wanted: RecordFilter, limit: int, cursor: str | None = None) -> RecordPage:
        self._usable()
        if cursor is not None and cursor not in self.records:
            raise UsageError("this is no cursor")
        found = [
            record
            for record in sorted(self.records.values(), key=lambda record: record.id, reverse=True)
            if (cursor is None or record.id < cursor) and _is_wanted(record, wanted)
        ]
        return RecordPage(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)

    def record(self, record_id: str) -> Record | None:
        self._usable()
        return self.records.get(record_id)

    def input(self, sha256: str) -> StoredInput | None:
        self._usable()
        return self.images.get(sha256)

    def kept(self, sha256s: Collection[str]) -> frozenset[str]:
        self._usable()
        return frozenset(self.images.keys() & set(sha256s))

    def keys(self) -> tuple[ApiKey, ...]:
        self._usable()
        return self.known

    def alarms(
        self,
        *,
        standing: bool | None = None,
        model: str | None = None,
        limit: int = 200,
        before: Alarm | None = None,
    ) -> tuple[Alarm, ...]:
        del standing, model, before
        self._usable()
        return self.alarmed[:limit]

    def prune(self, *, inputs_older_than: datetime | None = None) -> Forgotten:
        del inputs_older_than
        raise NotImplementedError

    def forget_case_inputs(self) -> Forgotten:
        self._usable()
        return Pruned(0, 0, 0)

    def calendar(self) -> Calendar | None:
        return None

    def set_calendar(self, calendar: Calendar) -> None:
        del calendar

    def check(self) -> None:
        self.checked.release()
        self._usable()

    def close(self) -> None:
        self.closed = True

    def _usable(self) -> None:
        if self.failure is not None:
            raise self.failure


def is_down() -> StoreError:
    """What a store says that cannot be reached."""
    return StoreError("the store is down")


def _is_wanted(record: Record, wanted: RecordFilter) -> bool:
    prediction, context = record.prediction, record.context
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        match field.name:
            case "since":
                fits = value is None or record.at >= value
            case "until":
                fits = value is None or record.at < value
            case "label":
                fits = value is None or value == prediction.label or value in prediction.labels
            case "verdict" | "bundle_id":
                fits = value in (None, getattr(prediction, field.name))
            case "camera" | "site" | "group":
                fits = value in (None, getattr(context, field.name))
            case _:
                fits = value in (None, getattr(record, field.name))
        if not fits:
            return False
    return True
