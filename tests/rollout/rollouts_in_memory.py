"""A store of rollouts in memory, for tests: the port's contract, with transactions that are kept whole or not at all.

The suite in ``tests/store`` holds it and the SQL store against the same tests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from drivetrain.core.canonical_json import is_canonical
from drivetrain.core.case import Case
from drivetrain.core.errors import UsageError
from drivetrain.core.log_chain import chained
from drivetrain.core.records import StoredInput
from drivetrain.core.rollout_records import ENDED, LogLine, Review, RolloutRow, line_hash


class Kept:
    """What is kept of one rollout."""

    def __init__(self, row: RolloutRow) -> None:
        self.row = row
        self.lines: list[LogLine] = []
        self.cases: dict[str, Case] = {}
        self.keys: dict[str, str] = {}
        self.inputs: dict[str, StoredInput] = {}
        self.settled: dict[str, tuple[str | None, str, datetime]] = {}
        self.reviews: dict[str, Review] = {}
        self.of_case: dict[str, list[str]] = {}
        self.held: set[str] = set()
        self.snapshot: tuple[int, str] | None = None

    def waiting(self) -> Iterator[Review]:
        return (one for one in self.reviews.values() if one.done_at is None and one.held is None)


class MemoryLog:
    """A `RolloutLog`; what it writes can be taken back."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._undo: list[Callable[[], object]] = []

    @property
    def row(self) -> RolloutRow:
        return self._kept.row

    def roll_back(self) -> None:
        for undo in reversed(self._undo):
            undo()

    def _set_row(self, row: RolloutRow) -> None:
        before = self._kept.row
        self._undo.append(lambda: setattr(self._kept, "row", before))
        self._kept.row = row

    def _put(self, table: dict[str, Any], key: str, value: Any) -> None:
        if key in table:
            before = table[key]
            self._undo.append(lambda: table.__setitem__(key, before))
        else:
            self._undo.append(lambda: table.pop(key))
        table[key] = value

    def since(self, number: int, limit: int = 1_000) -> Sequence[LogLine]:
        return self._kept.lines[number : number + limit]

    def append(self, at: datetime, body: str, case_id: str | None = None) -> LogLine:
        if not is_canonical(body):
            raise ValueError(f"a line of a log is canonical JSON; received {body[:60]!r}")
        number, before = self.row.head + 1, self.row.head_hash
        line = LogLine(number, at, case_id, body, before, line_hash(before, number, body))
        self._kept.lines.append(line)
        self._undo.append(self._kept.lines.pop)
        self._set_row(replace(self.row, head=number, head_hash=line.hash))
        return line

    def turned(self, stage: str, step: int, paused: bool) -> None:
        self._set_row(replace(self.row, stage=stage, step=step, paused=paused))

    def case_of_key(self, key: str) -> Case | None:
        case_id = self._kept.keys.get(key)
        return None if case_id is None else self._kept.cases[case_id]

    def add_case(self, case: Case, inputs: Sequence[StoredInput] = ()) -> None:
        if case.key in self._kept.keys:
            raise UsageError(f"there is a case of the key {case.key!r} already")
        self._put(self._kept.cases, case.id, case)
        self._put(self._kept.keys, case.key, case.id)
        for one in inputs:
            if one.sha256 not in self._kept.inputs:
                self._put(self._kept.inputs, one.sha256, one)

    def settle_case(self, case_id: str, label: str | None, how: str, at: datetime) -> None:
        if case_id not in self._kept.cases:
            raise UsageError(f"there is no case {case_id!r}")
        self._put(self._kept.settled, case_id, (label, how, at))

    def add_reviews(self, reviews: Sequence[Review]) -> None:
        for review in reviews:
            self._put(self._kept.reviews, review.id, review)
            self._put(self._kept.of_case, review.case_id, [*self._kept.of_case.get(review.case_id, []), review.id])

    def review(self, review_id: str) -> Review | None:
        return self._kept.reviews.get(review_id)

    def reviews_of(self, case_id: str) -> Sequence[Review]:
        found = (self._kept.reviews[name] for name in sorted(self._kept.of_case.get(case_id, [])))
        return [one for one in found if one.done_at is None]

    def update_review(self, review: Review) -> None:
        if review.id not in self._kept.reviews:
            raise UsageError(f"there is no review {review.id!r} any more")
        self._put(self._kept.reviews, review.id, review)
        self._note_held(review.id, review.held is not None and review.done_at is None)

    def _note_held(self, review_id: str, held: bool) -> None:
        there = self._kept.held
        if held is not (review_id in there):
            do, undo = (there.add, there.discard) if held else (there.discard, there.add)
            do(review_id)
            self._undo.append(lambda: undo(review_id))

    def drop_reviews(self, case_id: str) -> None:
        for review in self.reviews_of(case_id):
            self._note_held(review.id, False)
            self._put(self._kept.of_case, case_id, [one for one in self._kept.of_case[case_id] if one != review.id])
            del self._kept.reviews[review.id]
            self._undo.append(lambda review=review: self._kept.reviews.__setitem__(review.id, review))

    def held(self, until: datetime | None = None, by: str | None = None) -> Sequence[Review]:
        found = []
        for review_id in self._kept.held:
            review = self._kept.reviews[review_id]
            assert review.held is not None
            if (until is None or review.held.at <= until) and (by is None or review.held.by == by):
                found.append(review)
        return sorted(found, key=lambda one: (one.held.at if one.held else one.due, one.id))


class MemoryStore:
    """A `RolloutStore` in memory. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._rollouts: dict[str, Kept] = {}

    def open_rollout(self, row: RolloutRow) -> RolloutRow:
        with self._lock:
            if any(kept.row.name == row.name and kept.row.stage != ENDED for kept in self._rollouts.values()):
                raise UsageError(f"a rollout of the name {row.name!r} runs already")
            self._rollouts[row.id] = Kept(row)
            return row

    def rollouts(self, *, live: bool | None = None, model: str | None = None) -> Sequence[RolloutRow]:
        with self._lock:
            rows = [kept.row for kept in self._rollouts.values()]
        wanted = [
            row
            for row in rows
            if (live is None or live is (row.stage != ENDED)) and (model is None or row.model == model)
        ]
        return sorted(wanted, key=lambda row: (row.opened_at, row.id), reverse=True)

    def rollout(self, name_or_id: str) -> RolloutRow | None:
        with self._lock:
            if name_or_id in self._rollouts:
                return self._rollouts[name_or_id].row
            return next((row for row in self.rollouts() if row.name == name_or_id), None)

    def _kept(self, rollout_id: str) -> Kept:
        if rollout_id not in self._rollouts:
            raise UsageError(f"there is no rollout {rollout_id!r}")
        return self._rollouts[rollout_id]

    @contextmanager
    def rollout_log(self, rollout_id: str) -> Iterator[MemoryLog]:
        with self._lock:
            log = MemoryLog(self._kept(rollout_id))
            try:
                yield log
            except BaseException:
                log.roll_back()
                raise

    def lines(self, rollout_id: str, after: int = 0, limit: int = 10_000) -> Sequence[LogLine]:
        with self._lock:
            return self._kept(rollout_id).lines[after : after + limit]

    def lines_of(self, rollout_id: str, case_id: str) -> Sequence[LogLine]:
        with self._lock:
            return [line for line in self._kept(rollout_id).lines if line.case_id == case_id]

    def case(self, rollout_id: str, case_id: str) -> Case | None:
        with self._lock:
            return self._kept(rollout_id).cases.get(case_id)

    def case_of_key(self, rollout_id: str, key: str) -> Case | None:
        with self._lock:
            return next((case for case in self._kept(rollout_id).cases.values() if case.key == key), None)

    def settled(self, rollout_id: str, case_ids: Collection[str]) -> dict[str, tuple[str | None, str, datetime]]:
        with self._lock:
            settled = self._kept(rollout_id).settled
            return {case_id: settled[case_id] for case_id in case_ids if case_id in settled}

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
        with self._lock:
            kept = self._kept(rollout_id)

            def mine(one: Review) -> bool:
                return one.lease_by == by and one.lease_until is not None and one.lease_until > now

            def free(one: Review) -> bool:
                return one.lease_until is None or one.lease_until <= now

            able = [one for one in kept.waiting() if one.kind in kinds and by not in one.not_by and one.id not in skip]
            own = [one for one in able if mine(one)]
            found = min(own or filter(free, able), key=_place, default=None)
            if found is None:
                return None
            leased = replace(
                found,
                lease_by=by,
                lease_until=until,
                leased_at=found.leased_at if own else now,
                seen_by=tuple(dict.fromkeys((*found.seen_by, by))),
            )
            kept.reviews[found.id] = leased
            return leased

    def review(self, rollout_id: str, review_id: str) -> Review | None:
        with self._lock:
            return self._kept(rollout_id).reviews.get(review_id)

    def done_since(self, rollout_id: str, by: str, since: datetime) -> int:
        with self._lock:
            reviews = self._kept(rollout_id).reviews.values()
            return sum(one.held is not None and one.held.by == by and one.held.at >= since for one in reviews)

    def keep_snapshot(self, rollout_id: str, number: int, text: str) -> None:
        with self._lock:
            kept = self._kept(rollout_id)
            if kept.snapshot is None or kept.snapshot[0] <= number:
                kept.snapshot = (number, text)

    def snapshot(self, rollout_id: str) -> tuple[int, str] | None:
        with self._lock:
            return self._kept(rollout_id).snapshot

    def queue_counts(self, rollout_id: str, now: datetime, by: str | None = None) -> dict[str, dict[str, int]]:
        with self._lock:
            found: dict[str, dict[str, int]] = {}
            for one in self._kept(rollout_id).reviews.values():
                if one.done_at is not None or by in one.not_by:
                    continue
                counts = found.setdefault(one.kind, dict.fromkeys(("open", "leased", "held", "overdue"), 0))
                if one.held is not None:
                    counts["held"] += 1
                    continue
                counts["open"] += 1
                counts["leased"] += one.lease_until is not None and one.lease_until > now
                counts["overdue"] += one.due is not None and one.due < now
            return found

    def verify_log(self, rollout_id: str) -> Iterator[LogLine]:
        with self._lock:
            lines = list(self._kept(rollout_id).lines)
        yield from chained(lines, "the log in memory")


def _place(review: Review) -> tuple[bool, datetime | None, str, str]:
    return (review.due is None, review.due, review.order, review.id)
