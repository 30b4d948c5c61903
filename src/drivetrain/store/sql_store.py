"""The store of predictions, in SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from ..core.calendar import Calendar
from ..core.errors import StoreError
from ..core.records import (
    Alarm,
    ApiKey,
    Entry,
    Fed,
    MonitorState,
    Notice,
    Record,
    RecordFilter,
    RecordPage,
    StoredInput,
    Truth,
    TruthFilter,
    TruthPage,
)
from . import (
    calendar_table,
    feed,
    key_table,
    monitor_table,
    notice_table,
    pruning,
    record_table,
    schema,
    search,
    truth_table,
)
from .engine import make_engine
from .holdings import StoreInfo, holdings
from .indexed import indexed
from .location import locate
from .moment import to_us
from .pruning import Pruned
from .sql_rollouts import SqlRollouts
from .tables import INPUTS
from .writing import EntryRows


def open_store(place: str | Path, *, create: bool = True) -> SqlStore:
    """Open the store at a path or URL; without ``create`` it has to be there.

    Raises:
        UsageError: no path and no URL of a store.
        StoreError: it cannot be reached or made, is of another version, or is something else.
    """
    location = locate(place)
    engine = make_engine(location, create)
    try:
        schema.ensure(engine, location)
        return SqlStore(engine, location)
    except StoreError:
        engine.dispose()
        raise


def migrate_store(place: str | Path) -> tuple[str | None, str]:
    """Raise a store to this version's tables; returns the versions before and after.

    Raises:
        UsageError: no path and no URL of a store.
        StoreError: it cannot be reached, is newer than this version, or is something else.
    """
    location = locate(place)
    engine = make_engine(location, create=False)
    try:
        return schema.migrate(engine, location)
    finally:
        engine.dispose()


class SqlStore(SqlRollouts):
    """A `Store` of `drivetrain.core.ports` in a database: the half of predictions, right answers and monitors.

    The methods of `TruthStore` and `MonitorStore` are described there; each may raise `StoreError`.
    """

    def append(self, entries: Sequence[Entry]) -> None:
        """Write all entries or none; see `PredictionStore`.

        Raises:
            StoreError: nothing was written.
        """
        if not entries:
            return
        rows = EntryRows(entries, self._trusted_us)
        with self._writing() as connection:
            rows.write(connection)

    def page(self, wanted: RecordFilter, limit: int, cursor: str | None = None) -> RecordPage:
        """Read a page of records from the newest back.

        Raises:
            UsageError: a limit or a cursor that is none.
            StoreError: it cannot be read.
        """
        with self._reading() as connection:
            return search.find(connection, wanted, limit, cursor)

    def iterate(self, wanted: RecordFilter | None = None) -> Iterator[Record]:
        """Yield every record that is wanted, from the newest back, in little memory and without holding up writers.

        Raises:
            StoreError: it cannot be read.
        """
        cursor: str | None = None
        while True:
            page = self.page(wanted or RecordFilter(), search.MAX_LIMIT, cursor)
            yield from page.records
            cursor = page.next
            if cursor is None:
                return

    def record(self, record_id: str) -> Record | None:
        """Return the record of that id."""
        with self._reading() as connection:
            return record_table.by_id(connection, [record_id]).get(indexed(record_id))

    def input(self, sha256: str) -> StoredInput | None:
        """Return the input whose received bytes had that hash, where it is kept."""
        query = select(INPUTS.c.sha256, INPUTS.c.data, INPUTS.c.media_type).where(INPUTS.c.sha256 == indexed(sha256))
        with self._reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else StoredInput(row.sha256, bytes(row.data), row.media_type)

    def kept(self, sha256s: Collection[str]) -> frozenset[str]:
        """Return the hashes among ``sha256s`` whose inputs are kept; asked for a page at a time."""
        if not sha256s:
            return frozenset()
        query = select(INPUTS.c.sha256).where(INPUTS.c.sha256.in_([indexed(sha256) for sha256 in sha256s]))
        with self._reading() as connection:
            return frozenset(connection.execute(query).scalars())

    def keys(self) -> tuple[ApiKey, ...]:
        """Return all keys, revoked ones too."""
        with self._reading() as connection:
            return key_table.all_keys(connection)

    def add_key(self, key: ApiKey) -> None:
        """Keep a new key.

        Raises:
            UsageError: a live key has that name.
            StoreError: it cannot be written.
        """
        with self._writing() as connection:
            key_table.add(connection, key)

    def revoke_key(self, name_or_id: str, at: datetime) -> ApiKey:
        """End a key from ``at`` on.

        Raises:
            UsageError: there is none.
            StoreError: it cannot be written.
        """
        with self._writing() as connection:
            return key_table.revoke(connection, name_or_id, at)

    def add_truth(self, truth: Truth) -> Truth:
        """Keep a right answer, for good once this returns; see `TruthStore`."""
        with self._writing() as connection:
            return truth_table.add(connection, truth)

    def truths(self, wanted: TruthFilter, limit: int, cursor: str | None = None) -> TruthPage:
        """Read a page of right answers from the newest back."""
        with self._reading() as connection:
            return truth_table.find(connection, wanted, limit, cursor)

    def iterate_truths(self, wanted: TruthFilter | None = None) -> Iterator[tuple[Truth, Record]]:
        """Yield every right answer that is wanted with its record, from the newest back, in little memory.

        Raises:
            StoreError: it cannot be read.
        """
        cursor: str | None = None
        while True:
            with self._reading() as connection:
                page = truth_table.find(connection, wanted or TruthFilter(), truth_table.MAX_LIMIT, cursor)
                records = record_table.by_id(connection, [truth.prediction_id for truth in page.truths])
            for truth in page.truths:
                if truth.prediction_id in records:  # or both were pruned between two readings
                    yield truth, records[truth.prediction_id]
            cursor = page.next
            if cursor is None:
                return

    def truths_of(self, prediction_ids: Collection[str]) -> Mapping[str, tuple[Truth, ...]]:
        """Return the right answers told to each prediction, oldest first."""
        with self._reading() as connection:
            return truth_table.of_predictions(connection, prediction_ids)

    def feed(self, after: int, limit: int) -> tuple[Fed, ...]:
        """Read what was stored after a position, oldest first; see `MonitorStore` and `drivetrain.store.feed`."""
        with self._reading() as connection:
            last = feed.horizon(connection, after)
        if last is None:
            return ()
        with self._reading() as connection:
            return feed.read(connection, after, limit, last)

    def monitor_state(self, model: str, bundle_id: str) -> MonitorState | None:
        """Return the state of a bundle's monitor."""
        with self._reading() as connection:
            return monitor_table.state(connection, model, bundle_id)

    def advance_monitor(
        self, before: int | None, state: MonitorState, alarms: Sequence[Alarm], *, notify: bool = True
    ) -> bool:
        """Keep a state that follows on the one at ``before``, with its alarms and their notices, or nothing."""
        with self._writing() as connection:
            return monitor_table.advance(connection, before, state, alarms, notify)

    def alarm(self, alarm_id: str) -> Alarm | None:
        """Return the alarm of that id."""
        with self._reading() as connection:
            return monitor_table.alarm(connection, alarm_id)

    def alarms(
        self,
        *,
        standing: bool | None = None,
        model: str | None = None,
        limit: int = 200,
        before: Alarm | None = None,
    ) -> tuple[Alarm, ...]:
        """Return alarms from the newest back."""
        with self._reading() as connection:
            return monitor_table.alarms(connection, standing, model, limit, before)

    def clear_alarm(self, alarm_id: str, at: datetime, by: str, reason: str, *, notify: bool = True) -> Alarm | None:
        """Clear an alarm, and leave a notice of it."""
        with self._writing() as connection:
            return monitor_table.clear(connection, alarm_id, at, by, reason, notify)

    def notices_due(self, now: datetime, limit: int) -> tuple[Notice, ...]:
        """Return notices that are due; does not wait for writers."""
        with self._reading() as connection:
            return notice_table.due(connection, now, limit)

    def claim_notices(self, now: datetime, until: datetime, limit: int) -> tuple[Notice, ...]:
        """Take notices that are due for one attempt each."""
        with self._writing() as connection:
            return notice_table.claim(connection, now, until, limit)

    def settle_notice(
        self, notice: Notice, at: datetime, *, error: str | None = None, again_at: datetime | None = None
    ) -> bool:
        """Write down how an attempt went."""
        with self._writing() as connection:
            return notice_table.settle(connection, notice, at, error, again_at)

    def notices_of(self, alarm_ids: Collection[str]) -> Mapping[str, tuple[Notice, ...]]:
        """Return the notices of each alarm, oldest first."""
        with self._reading() as connection:
            return notice_table.of_alarms(connection, alarm_ids)

    def info(self) -> StoreInfo:
        """Return the store's holdings."""
        with self._reading() as connection:
            return holdings(connection, self.shown)

    def prune(
        self,
        *,
        inputs_older_than: datetime | None = None,
        records_older_than: datetime | None = None,
        dry_run: bool = False,
    ) -> Pruned:
        """Delete inputs that were last sent, and records that were made, before a moment; with records go their inputs.

        When an input was last sent is known to the day. Those of cases that are not done stay.

        Raises:
            StoreError: it cannot be written; what was deleted until then stays deleted.
        """
        moments = [None if at is None else to_us(at) for at in (inputs_older_than, records_older_than)]
        oldest = pruning.Oldest(*moments)
        if dry_run:
            with self._reading() as connection:
                return pruning.count(connection, oldest)
        return self._given_back(pruning.prune(self._writing, oldest))

    def forget_case_inputs(self) -> Pruned:
        """Delete the inputs that were kept for cases alone, as soon as those are done; where the rule keeps no inputs.

        Raises:
            StoreError: it cannot be written; what was deleted until then stays deleted.
        """
        return self._given_back(pruning.forget_case_inputs(self._writing))

    def _given_back(self, pruned: Pruned) -> Pruned:
        """Give the room of what was deleted back to the disk."""
        more = True
        while more:
            with self._writing() as connection:
                more = pruning.give_back(connection)
        return pruned

    def calendar(self) -> Calendar | None:
        """Return the trusted time; None for an empty store.

        Raises:
            StoreError: it cannot be read.
        """
        with self._reading() as connection:
            return calendar_table.read(connection)

    def set_calendar(self, calendar: Calendar) -> None:
        """Remember the trusted time.

        Raises:
            StoreError: it cannot be written.
        """
        with self._writing() as connection:
            calendar_table.write(connection, calendar)
        self._trusted_us = to_us(calendar.trusted)
