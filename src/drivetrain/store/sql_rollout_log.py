"""One rollout's log and queue within a transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from ..core.canonical_json import is_canonical
from ..core.case import Case
from ..core.errors import UsageError
from ..core.records import StoredInput
from ..core.rollout_records import LogLine, Review, RolloutRow, line_hash
from . import case_input_table, case_table, lane, review_table, rollout_line_table, rollout_table
from .faults import told
from .indexed import indexed
from .moment import from_us, to_us


class SqlRolloutLog:
    """A `RolloutLog` of `drivetrain.core.rollout_port`, where the methods are described; its rollout is locked."""

    def __init__(self, connection: Connection, row: RolloutRow, shown: str, trusted_us: int) -> None:
        """``shown`` names the store in messages; no input is dated before ``trusted_us``."""
        self._connection = connection
        self._before = self._row = row
        self._shown, self._trusted_us = shown, trusted_us
        self._unwritten: list[LogLine] = []
        self._touched: set[str] = set()
        """The cases whose inputs may be needed no longer, or again."""
        self._new: set[str] = set()
        self._seen: dict[str, Review] = {}
        """The reviews that were read or written in this transaction, in which nobody else changes lane or decision."""
        self._lanes: Counter[lane.Lane] = Counter()
        """The number of reviews that wait in each lane more, or fewer, since the transaction began."""

    @property
    def row(self) -> RolloutRow:
        """The rollout, with all that this transaction has written."""
        return self._row

    def since(self, number: int, limit: int = 1_000) -> Sequence[LogLine]:
        """Return lines behind a number, oldest first."""
        with told(self._shown):
            self._write_lines()
            return rollout_line_table.read(self._connection, self._row.id, number, limit)

    def append(self, at: datetime, body: str, case_id: str | None = None) -> LogLine:
        """Write the next line.

        Raises:
            ValueError: the body is no canonical JSON.
        """
        if not is_canonical(body):
            raise ValueError(f"a line of a log is canonical JSON; received {body[:60]!r}")
        number, before = self._row.head + 1, self._row.head_hash
        line = LogLine(number, from_us(to_us(at)), case_id, body, before, line_hash(before, number, body))
        self._unwritten.append(line)
        self._row = replace(self._row, head=number, head_hash=line.hash)
        return line

    def turned(self, stage: str, step: int, paused: bool) -> None:
        """Note where the rollout stands now."""
        self._row = replace(self._row, stage=stage, step=step, paused=paused)

    def case_of_key(self, key: str) -> Case | None:
        """Return the case that has this key."""
        with told(self._shown):
            return case_table.by_key(self._connection, self._row.id, key)

    def add_case(self, case: Case, inputs: Sequence[StoredInput] = ()) -> None:
        """Keep a case with its inputs.

        Raises:
            UsageError: there is one of its key already.
        """
        with told(self._shown):
            case_table.add(self._connection, self._row.id, case)
            at_us = max(to_us(case.at), self._trusted_us)
            case_input_table.add(self._connection, self._row.id, case, inputs, at_us)
        self._new.add(indexed(case.id))

    def settle_case(self, case_id: str, label: str | None, how: str, at: datetime) -> None:
        """Write the decision that takes effect.

        Raises:
            UsageError: there is no such case.
        """
        with told(self._shown):
            case_table.settle(self._connection, self._row.id, case_id, label, how, at)
        self._touched.add(indexed(case_id))

    def add_reviews(self, reviews: Sequence[Review]) -> None:
        """Write new reviews."""
        with told(self._shown):
            self._lanes.update(review_table.add(self._connection, reviews))
        self._see(reviews)
        # A new case needs its inputs until it is settled, which touches it.
        self._touched.update({indexed(review.case_id) for review in reviews} - self._new)

    def review(self, review_id: str) -> Review | None:
        """Return a review as it is now; nobody else can lease it before this transaction ends."""
        found = self._seen.get(review_id)
        if found is not None:
            return found  # locked, or written, by this transaction
        with told(self._shown):
            found = review_table.by_id(self._connection, self._row.id, review_id, lock=True)
        if found is not None:
            self._see([found])
        return found

    def reviews_of(self, case_id: str) -> Sequence[Review]:
        """Return the reviews of a case that are not done."""
        with told(self._shown):
            return self._see(review_table.of_case(self._connection, self._row.id, case_id))

    def update_review(self, review: Review) -> None:
        """Write a review anew.

        Raises:
            UsageError: it is not there any more.
        """
        with told(self._shown):
            before = self._seen.get(review.id)
            more = review_table.update(self._connection, review, before)
        if more is None:
            raise UsageError(f"there is no review {review.id[:40]!r} any more")
        self._lanes.update(more)
        self._see([review])
        if before is None or before.done_at != review.done_at:
            self._touched.add(indexed(review.case_id))

    def drop_reviews(self, case_id: str) -> None:
        """Delete the reviews of a case that are not done."""
        with told(self._shown):
            self._lanes.update(review_table.drop(self._connection, self._row.id, case_id))
        self._seen = {name: one for name, one in self._seen.items() if indexed(one.case_id) != indexed(case_id)}
        self._touched.add(indexed(case_id))

    def held(self, until: datetime | None = None, by: str | None = None) -> Sequence[Review]:
        """Return reviews with a held decision, oldest first."""
        with told(self._shown):
            return self._see(review_table.held(self._connection, self._row.id, until, by))

    def finish(self) -> None:
        """Write what is not written yet; the last thing before the transaction is committed."""
        with told(self._shown):
            self._write_lines()
            lane.count(self._connection, self._row.id, self._lanes)
            case_input_table.follow(self._connection, self._row.id, self._touched)
            if self._row != self._before:
                rollout_table.update(self._connection, self._row)

    def _see(self, reviews: Sequence[Review]) -> Sequence[Review]:
        self._seen.update((review.id, review) for review in reviews)
        return reviews

    def _write_lines(self) -> None:
        rollout_line_table.add(self._connection, self._row.id, self._unwritten)
        self._unwritten = []
