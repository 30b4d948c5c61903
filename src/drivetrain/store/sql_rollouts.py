"""Rollouts in a database: their logs, their cases, and the queue of what people are asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from ..core.case import Case
from ..core.errors import StoreError, UsageError
from ..core.log_chain import chained
from ..core.rollout_records import LogLine, Review, RolloutRow
from . import case_table, lease, queue_counts, review_table, rollout_line_table, rollout_table, snapshot_table
from .connected import Connected
from .sql_rollout_log import SqlRolloutLog

_LINES_AT_ONCE = 1_000


class SqlRollouts(Connected):
    """A `RolloutStore` of `drivetrain.core.rollout_port`, where the methods are described; each may raise `StoreError`."""

    def open_rollout(self, row: RolloutRow) -> RolloutRow:
        """Keep a new rollout.

        Raises:
            UsageError: one that has not ended has its name.
        """
        with self._writing() as connection:
            return rollout_table.add(connection, row)

    def rollouts(self, *, live: bool | None = None, model: str | None = None) -> Sequence[RolloutRow]:
        """Return rollouts, the newest first."""
        with self._looking() as connection:
            return rollout_table.find_all(connection, live, model)

    def rollout(self, name_or_id: str) -> RolloutRow | None:
        """Return a rollout by its id, or the newest of a name."""
        with self._looking() as connection:
            return rollout_table.find(connection, name_or_id)

    @contextmanager
    def rollout_log(self, rollout_id: str) -> Iterator[SqlRolloutLog]:
        """Enter a transaction that holds the rollout; within it no other of this store's methods that write may be called.

        Raises:
            UsageError: there is none of that id.
        """
        with self._holding() as connection:
            with self._faults():
                row = rollout_table.locked(connection, rollout_id)
            log = SqlRolloutLog(connection, row, self.shown, self._trusted_us)
            yield log
            log.finish()

    def lines(self, rollout_id: str, after: int = 0, limit: int = 10_000) -> Sequence[LogLine]:
        """Read lines without holding up writers."""
        with self._looking() as connection:
            return rollout_line_table.read(connection, rollout_id, after, limit)

    def lines_of(self, rollout_id: str, case_id: str) -> Sequence[LogLine]:
        """Return the lines about one case, oldest first."""
        with self._looking() as connection:
            return rollout_line_table.of_case(connection, rollout_id, case_id)

    def case(self, rollout_id: str, case_id: str) -> Case | None:
        """Return the case of that id."""
        with self._looking() as connection:
            return case_table.by_id(connection, rollout_id, case_id)

    def case_of_key(self, rollout_id: str, key: str) -> Case | None:
        """Return the case that has this key."""
        with self._looking() as connection:
            return case_table.by_key(connection, rollout_id, key)

    def settled(self, rollout_id: str, case_ids: Collection[str]) -> dict[str, case_table.Settled]:
        """Return the decisions that took effect, by case."""
        with self._looking() as connection:
            return case_table.settled(connection, rollout_id, case_ids)

    def lease_review(
        self,
        rollout_id: str,
        by: str,
        kinds: Collection[str],
        now: datetime,
        until: datetime,
        *,
        skip: Collection[str] = (),
    ) -> Review | None:
        """Give a person the next review."""
        with self._writing() as connection:
            return lease.lease(connection, rollout_id, by, kinds, now, until, skip)

    def review(self, rollout_id: str, review_id: str) -> Review | None:
        """Return a review by its id, done or not."""
        with self._looking() as connection:
            return review_table.by_id(connection, rollout_id, review_id)

    def done_since(self, rollout_id: str, by: str, since: datetime) -> int:
        """Count the reviews that a person has decided at or after a moment."""
        with self._looking() as connection:
            return review_table.done_since(connection, rollout_id, by, since)

    def keep_snapshot(self, rollout_id: str, number: int, text: str) -> None:
        """Keep the state of the rollout's machine after the line of a number."""
        with self._writing() as connection:
            snapshot_table.keep(connection, rollout_id, number, text)

    def snapshot(self, rollout_id: str) -> tuple[int, str] | None:
        """Return number and text of the snapshot that is kept."""
        with self._looking() as connection:
            return snapshot_table.find(connection, rollout_id)

    def queue_counts(self, rollout_id: str, now: datetime, by: str | None = None) -> dict[str, dict[str, int]]:
        """Count the reviews by kind: all, or those that a person may do."""
        with self._looking() as connection:
            return queue_counts.counts(connection, rollout_id, now, by)

    def verify_log(self, rollout_id: str) -> Iterator[LogLine]:
        """Yield every line that was there at the call, once it has been checked.

        Raises:
            UsageError: there is no such rollout.
            StoreError: a line was changed, left out, put in later or moved; says which.
        """
        with self._looking() as connection:
            ends = rollout_line_table.ends(connection, rollout_id)
        if ends is None:
            raise UsageError(f"there is no rollout {rollout_id[:40]!r}")
        head, head_hash, last = ends
        shown = f"the log of rollout {rollout_id}"
        if last > head:
            raise StoreError(f"{shown}: line {head + 1} stands behind its end; it was put in later")
        line: LogLine | None = None
        for line in chained(self._first_lines(rollout_id, head), shown):
            yield line
        found = 0 if line is None else line.number
        if found < head:
            raise StoreError(f"{shown}: line {found + 1} is missing, and all behind it up to line {head}")
        if line is not None and line.hash != head_hash:
            raise StoreError(f"{shown}: line {found} is not the one that the rollout ends in; it was changed")

    def _first_lines(self, rollout_id: str, head: int) -> Iterator[LogLine]:
        number = 0
        while number < head:
            some = self.lines(rollout_id, number, min(_LINES_AT_ONCE, head - number))
            if not some:
                return
            yield from (line for line in some if line.number <= head)
            number = some[-1].number
