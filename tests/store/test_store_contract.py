"""What every store does, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest
from made_records import START, is_wanted, made_entry, made_record, varied_filter, varied_record
from sqlalchemy import event, text

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.ports import PredictionStore
from drivetrain.core.records import ApiKey, Context, Entry, Record, RecordFilter, Role, StoredInput
from drivetrain.core.types import Interval, Verdict
from drivetrain.store import holdings, search
from drivetrain.store.cursor import Position, to_cursor
from drivetrain.store.moment import to_us
from drivetrain.store.sql_store import SqlStore, open_store

DAY = timedelta(days=1)


def is_a_port(store: SqlStore) -> PredictionStore:
    """Checked by the type checker."""
    return store


def ids(records: tuple[Record, ...] | list[Record]) -> list[str]:
    return [record.id for record in records]


KINDS = {
    "label": made_record(),
    "labels": made_record(label=None, labels=("rust", "crack"), probs={"rust": 0.9, "crack": 0.8, "dent": 0.1}),
    "no labels": made_record(label=None, labels=(), probs={"rust": 0.1}),
    "numbers": made_record(
        label=None, probs={}, confidence=0.0, values={"age": Interval(3.5, -math.inf, 7.25, "split")}
    ),
    "unreadable": made_record(
        verdict=Verdict.UNREADABLE, label=None, probs={}, error="truncated: ends\nearly", facts={}
    ),
    "bare": made_record(input_sha256=None, key_id=None, context=Context(), p_in_domain=None),
    "other offset": made_record(
        context=Context(taken_at=datetime(2026, 2, 3, 4, 5, 6, 7, timezone(timedelta(hours=-3.5))))
    ),
    "unicode": made_record(
        label="größe 🐻", context=Context("摄像头", "Ürümqi e\u0301", "\u202egnp", None, {"ключ": "значение"})
    ),
    "nul and half a pair": made_record(
        path="a\0b\ud83d.jpg",
        label="x\0",
        request_id="\ud800",
        context=Context("\0", "s\udfff", "g\x1f", None, {"\0": "\ud800"}),
    ),
    "long": made_record(label="l" * 5000, model="m" * 3000, context=Context("c" * 10_000, "ß" * 4000, "g" * 161)),
    "many probabilities": made_record(probs={f"class {n}": n / 2000 for n in range(2000)}),
    "labels that look like others": made_record(label=None, labels=("a\x1fb", "", "'; --", "%", "x" * 300)),
}


@pytest.mark.parametrize("record", KINDS.values(), ids=KINDS.keys())
def test_a_record_comes_back_as_it_was(store: SqlStore, record: Record) -> None:
    store.append([Entry(record)])
    assert store.record(record.id) == record
    assert store.page(RecordFilter(), 10).records == (record,)


@pytest.mark.parametrize("record", KINDS.values(), ids=KINDS.keys())
def test_whatever_a_caller_called_it_is_found_by_that(store: SqlStore, record: Record) -> None:
    other = made_record(
        1, label="another", model="another", request_id="another", bundle_id="another", context=Context()
    )
    store.append([Entry(other), Entry(record)])
    context, prediction = record.context, record.prediction
    for wanted in (
        RecordFilter(model=record.model),
        RecordFilter(request_id=record.request_id),
        RecordFilter(bundle_id=prediction.bundle_id, model=record.model),
        *(RecordFilter(label=label) for label in (prediction.label, *prediction.labels) if label is not None),
        *(RecordFilter(label=label, model=record.model) for label in prediction.labels),
        *(
            RecordFilter(camera=context.camera, site=context.site, group=context.group)
            for _ in range(context.site is not None)
        ),
    ):
        assert store.page(wanted, 10).records == (record,), wanted


def test_texts_that_only_begin_alike_are_told_apart(store: SqlStore) -> None:
    one, two = (made_record(n, context=Context(site="s" * 500 + str(n))) for n in range(2))
    store.append([Entry(one), Entry(two)])
    assert store.page(RecordFilter(site="s" * 500 + "1"), 10).records == (two,)


def test_what_json_cannot_hold_is_kept_as_near_as_can_be(store: SqlStore) -> None:
    deep: list[object] = []
    for _ in range(3000):
        deep = [deep]
    extra = {
        "nan": math.nan,
        "inf": [math.inf],
        "huge": 10**300,
        "hugest": 1 << 20_000,
        "deep": deep,
        3: {1},
        "o": object,
    }
    record = made_record(context=Context(extra=extra))
    store.append([Entry(record)])
    found = store.record(record.id)
    assert found is not None
    kept = found.context.extra
    assert (kept["nan"], kept["inf"], kept["huge"], kept["3"]) == (None, [None], 10**300, [1])
    assert int(kept["hugest"], 16) == 1 << 20_000
    store.append([Entry(made_record(1, confidence=math.nan))])
    assert math.isnan(store.page(RecordFilter(), 1).records[0].prediction.confidence)


def test_what_is_there_stays_and_nothing_is_twice(store: SqlStore) -> None:
    entry = made_entry()
    store.append([entry, entry])
    assert entry.input is not None
    store.append(
        [Entry(replace(entry.record, model="other"), replace(entry.input, data=b"other", media_type="image/png"))]
    )
    store.append([])
    assert store.record(entry.record.id) == entry.record
    assert store.input(entry.input.sha256) == entry.input
    assert (store.info().records, store.info().inputs) == (1, 1)


def test_all_is_written_or_nothing(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        store.append([made_entry(0), made_entry(1, model=None)])
    assert (store.info().records, store.info().inputs) == (0, 0)
    store.append([made_entry(0)])
    with pytest.raises(StoreError, match="that large"), store._writing() as connection:
        connection.execute(text("UPDATE inputs SET size = :size"), {"size": 1 << 70})
    assert store.info().records == 1


def test_an_image_of_any_bytes_comes_back(store: SqlStore) -> None:
    data = bytes(range(256)) * 5000
    store.append([made_entry(n, data=data[n:]) for n in range(3)] + [made_entry(3, data=b"")])
    for number in range(3):
        assert store.input(f"{number:064x}") == StoredInput(f"{number:064x}", data[number:], "image/jpeg")
    assert store.input(f"{3:064x}") == StoredInput(f"{3:064x}", b"", "image/jpeg")
    assert store.kept([f"{number:064x}" for number in (1, 3, 7)] + ["a\0b"]) == {f"{1:064x}", f"{3:064x}"}
    assert store.kept([]) == frozenset()


@pytest.mark.parametrize("name", ["", "0" * 64, "a\0b", "\ud800", "x" * 100_000, "' OR 1=1"])
def test_what_is_not_there_is_none(store: SqlStore, name: str) -> None:
    store.append([made_entry()])
    assert store.record(name) is None
    assert store.input(name) is None or name == "0" * 64
    assert store.page(RecordFilter(site=name), 10).records == ()


def test_pages_go_from_the_newest_back(store: SqlStore) -> None:
    records = [made_record(number, at=START + timedelta(seconds=number // 7)) for number in range(50)]
    store.append([Entry(record) for record in Random(0).sample(records, 50)])
    found: list[Record] = []
    cursor = None
    for expected in (20, 20, 10):
        page = store.page(RecordFilter(), 20, cursor)
        assert len(page.records) == expected
        found += page.records
        cursor = page.next
        assert (page.searched_to is None) == (cursor is None)
    assert cursor is None
    assert found == records[::-1]


def test_a_full_last_page_has_no_next(store: SqlStore) -> None:
    store.append([Entry(made_record(number)) for number in range(10)])
    assert store.page(RecordFilter(), 10).next is None
    assert store.page(RecordFilter(site="Köln", model="bears"), 10).next is None


def test_records_that_come_while_one_pages_do_not_move_the_pages(store: SqlStore) -> None:
    store.append([Entry(made_record(number)) for number in range(10)])
    first = store.page(RecordFilter(), 5)
    store.append([Entry(made_record(number)) for number in range(10, 20)])
    second = store.page(RecordFilter(), 5, first.next)
    assert ids(first.records + second.records) == [made_record(number).id for number in range(9, -1, -1)]


@pytest.mark.thorough
@pytest.mark.parametrize("window", [3, 40, search.WINDOW])
def test_any_combination_finds_just_what_it_means(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr(search, "WINDOW", window)
    rng = Random(window)
    records = [varied_record(number, rng) for number in range(200)]
    store.append([Entry(record) for record in records])
    for _ in range(60):
        wanted = varied_filter(rng)
        expected = [record for record in reversed(records) if is_wanted(record, wanted)]
        found: list[Record] = []
        cursor: str | None = None
        for _ in range(400):
            page = store.page(wanted, 11, cursor)
            assert len(page.records) <= 11
            if page.searched_to is not None and page.records:
                assert page.searched_to <= page.records[-1].at
            found += page.records
            cursor = page.next
            if cursor is None:
                break
        assert ids(found) == ids(expected), wanted
        assert list(store.iterate(wanted)) == expected


def test_a_search_for_nothing_ends_in_bounded_steps(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "WINDOW", 10)
    store.append(
        [
            Entry(made_record(number, context=Context("c1" if number % 2 else "c2", "s1" if number % 2 else "s2")))
            for number in range(100)
        ]
    )
    pages = []
    cursor = None
    while True:
        pages.append(store.page(RecordFilter(camera="c1", site="s2"), 5, cursor))
        cursor = pages[-1].next
        if cursor is None:
            break
    assert all(page.records == () for page in pages)
    # 50 entries of each, ten at a time.
    assert 5 <= len(pages) <= 6
    reached = [page.searched_to for page in pages[:-1]]
    assert None not in reached
    assert reached == sorted(reached, reverse=True)  # type: ignore[type-var]  # none is None
    assert pages[-1].searched_to is None


def test_a_time_includes_its_beginning_and_not_its_end(store: SqlStore) -> None:
    records = [made_record(number, at=START + timedelta(microseconds=number)) for number in range(4)]
    store.append([Entry(record) for record in records])
    wanted = RecordFilter(since=records[1].at, until=records[3].at)
    assert list(store.iterate(wanted)) == [records[2], records[1]]
    elsewhere = RecordFilter(
        since=records[1].at.astimezone(timezone(timedelta(hours=5))), until=records[3].at.replace(tzinfo=None)
    )
    assert list(store.iterate(elsewhere)) == [records[2], records[1]]
    assert list(store.iterate(RecordFilter(since=records[3].at, until=records[1].at))) == []
    page = store.page(wanted, 1)
    assert page.records == (records[2],)
    assert store.page(wanted, 5, page.next).records == (records[1],)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "%%%",
        "ä",
        "WzEs",
        "bnVsbA",
        "WzEsMl0",
        "e30",
        "[1]",
        "A" * 5000,
        to_cursor(Position(5, "a")) + "=",
        "WyAxLCAiYSJd",
    ],
)
def test_a_cursor_that_is_none_is_refused(store: SqlStore, cursor: str) -> None:
    with pytest.raises(UsageError, match="is no cursor"):
        store.page(RecordFilter(), 5, cursor)


@pytest.mark.parametrize("position", [Position(1 << 63, "a"), Position(1, "a\0"), Position(1, "\ud800")])
def test_a_cursor_made_up_with_care_is_refused(store: SqlStore, position: Position) -> None:
    with pytest.raises(UsageError, match="is no cursor"):
        store.page(RecordFilter(), 5, to_cursor(position))


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_a_size(store: SqlStore, limit: int) -> None:
    with pytest.raises(UsageError, match="1 to 1000"):
        store.page(RecordFilter(), limit)


def _key(name: str, number: int = 0, **changes: object) -> ApiKey:
    made = ApiKey(f"{number:032x}", name, Role.REVIEW, f"{number:064x}", START + timedelta(seconds=number), None, 60)
    return replace(made, **changes)  # type: ignore[arg-type]  # a test's own


def test_keys_are_kept_and_end(store: SqlStore) -> None:
    first, second = _key("line 1"), _key("line 2", 1, per_minute=None, role=Role.ADMIN)
    store.add_key(first)
    store.add_key(second)
    assert store.keys() == (first, second)
    ended = store.revoke_key("line 1", START + DAY)
    assert ended == replace(first, revoked_at=START + DAY)
    assert store.keys() == (ended, second)
    # The name is free again, and means the new key.
    again = _key("line 1", 2)
    store.add_key(again)
    assert store.revoke_key(first.id, START + 2 * DAY) == ended
    assert store.revoke_key("line 1", START + 2 * DAY) == replace(again, revoked_at=START + 2 * DAY)
    assert store.revoke_key(second.id, START).revoked_at == START


def test_a_key_that_cannot_be_is_refused(store: SqlStore) -> None:
    store.add_key(_key("line 1"))
    with pytest.raises(UsageError, match="'line 1' already"):
        store.add_key(_key("line 1", 1))
    for name in ("", " ", "a\nb", "x" * 200, "\0", "\ud800"):
        with pytest.raises(UsageError, match="is no name"):
            store.add_key(_key(name, 2))
    for per_minute in (0, -5, 10**30):
        with pytest.raises(UsageError, match="no limit"):
            store.add_key(_key("line 2", 3, per_minute=per_minute))
    with pytest.raises(UsageError, match="no live key"):
        store.revoke_key("line 2", START)
    assert len(store.keys()) == 1


def test_images_go_when_they_were_last_sent_long_ago(store: SqlStore) -> None:
    store.append([made_entry(number, at=START + number * DAY, data=b"x" * 100) for number in range(120)])
    # Number 0 is sent again; that counts to the day.
    store.append([made_entry(0, at=START + 200 * DAY, id="f" * 32, data=b"x" * 100)])
    limit = START + 100 * DAY
    would = store.prune(inputs_older_than=limit, dry_run=True)
    assert store.info().inputs == 120
    assert store.prune(inputs_older_than=limit) == would
    assert (would.inputs, would.records, would.input_bytes) == (99, 0, 9900)
    assert store.input(f"{0:064x}") is not None
    assert store.input(f"{99:064x}") is None
    assert store.input(f"{100:064x}") is not None
    assert (store.info().records, store.info().inputs) == (121, 21)
    assert store.prune(inputs_older_than=limit).inputs == 0


def test_records_go_with_their_labels_and_images(store: SqlStore) -> None:
    rng = Random(1)
    records = [replace(varied_record(number, rng), at=START + timedelta(hours=number)) for number in range(1200)]
    store.append([Entry(record, StoredInput(f"{n:064x}", b"y", "image/png")) for n, record in enumerate(records)])
    limit = records[1100].at
    would = store.prune(records_older_than=limit, dry_run=True)
    assert store.prune(records_older_than=limit) == would
    assert would.records == 1100
    assert list(store.iterate()) == records[1100:][::-1]
    wanted = RecordFilter(label="rust")
    assert list(store.iterate(wanted)) == [record for record in reversed(records[1100:]) if is_wanted(record, wanted)]
    # The day before: that is how exactly the last use is known.
    assert store.info().inputs == 100 + 24
    # What went can come again.
    store.append([Entry(records[0])])
    assert store.record(records[0].id) == records[0]


def test_it_says_what_it_holds(store: SqlStore, place: str) -> None:
    empty = store.info()
    assert (empty.records, empty.inputs, empty.keys, empty.oldest, empty.newest) == (0, 0, 0, None, None)
    store.append([made_entry(number) for number in range(3)])
    store.add_key(_key("line 1"))
    held = store.info()
    assert (held.records, held.inputs, held.keys) == (3, 3, 1)
    assert (held.oldest, held.newest) == (START, START + timedelta(seconds=2))
    assert held.bytes > 10_000
    assert (held.kind == "PostgreSQL") == place.startswith("postgresql")
    store.check()


def test_moments_are_utc_and_exact(store: SqlStore) -> None:
    at = datetime(2026, 7, 1, 10, 0, 0, 123457, timezone(timedelta(hours=2)))
    store.append([Entry(made_record(at=at))])
    found = store.page(RecordFilter(), 1).records[0]
    assert found.at == at
    assert found.at.tzinfo is UTC


def test_it_is_still_there_when_opened_again(store: SqlStore, place: str) -> None:
    store.append([made_entry()])
    store.close()
    again = open_store(place, create=False)
    assert again.record(made_record().id) == made_record()
    again.close()


def test_after_closing_every_call_says_so(store: SqlStore) -> None:
    store.close()
    store.close()
    for call in (lambda: store.append([made_entry()]), store.keys, store.check, lambda: store.page(RecordFilter(), 1)):
        with pytest.raises(StoreError, match="has been closed"):
            call()


def test_threads_share_it(store: SqlStore) -> None:
    def write(thread: int) -> None:
        for start in range(0, 60, 6):
            store.append([made_entry(1000 * thread + start + n) for n in range(6)])

    def read(_thread: int) -> None:
        for _ in range(20):
            page = store.page(RecordFilter(site="Köln", model="bears"), 50)
            # Groups are whole: six at a time.
            assert len(page.records) in {50, *range(0, 49, 6)}

    with ThreadPoolExecutor(10) as pool:
        jobs = [pool.submit(write, thread) for thread in range(6)] + [pool.submit(read, thread) for thread in range(4)]
        for job in jobs:
            job.result()
    assert store.info().records == 360
    assert len(list(store.iterate())) == 360


def test_reading_does_not_wait_for_a_writer(store: SqlStore, place: str) -> None:
    store.append([made_entry(0)])
    writing, done = threading.Event(), threading.Event()

    def hold() -> None:
        with store._writing() as connection:
            connection.exec_driver_sql("DELETE FROM predictions")
            writing.set()
            done.wait(30)

    other = open_store(place)
    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert writing.wait(10)
        for reader in (store, other):
            assert reader.record(made_record(0).id) == made_record(0)
            assert len(reader.page(RecordFilter(label="teddy"), 5).records) == 1
            reader.check()
            reader.info()
            assert reader.keys() == ()
        assert not done.is_set()
    finally:
        done.set()
        holder.join()
        other.close()
    assert store.record(made_record(0).id) is None


def test_of_many_it_says_about_how_many(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdings, "COUNTED", 100)
    store.append([made_entry(number) for number in range(500)])
    if store.info().kind == "PostgreSQL":
        with store._writing() as connection:
            connection.exec_driver_sql("ANALYZE predictions, inputs")
    held = store.info()
    assert (held.records, held.inputs, held.exact) == (500, 500, False)


WALKS = {
    "nothing": RecordFilter(),
    "site": RecordFilter(site="s1"),
    "label": RecordFilter(label="rust"),
    "site and verdict": RecordFilter(site="s1", verdict=Verdict.REVIEW),
    "label and model": RecordFilter(label="rust", model="bears"),
}


@pytest.mark.parametrize("wanted", WALKS.values(), ids=WALKS.keys())
def test_every_question_goes_straight_to_its_place_in_an_index(store: SqlStore, wanted: RecordFilter) -> None:
    rng = Random(0)
    store.append([Entry(varied_record(number, rng)) for number in range(500)])
    asked: list[tuple[str, Any]] = []
    with store._reading() as connection:
        event.listen(connection, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
        search.find(connection, wanted, 5, to_cursor(Position(to_us(START + timedelta(seconds=50)), "5")))
        selects = [(sql, values) for sql, values in asked if "FROM" in sql]
        assert selects
        for sql, values in selects:
            explain = "EXPLAIN " if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
            plan = "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(explain + sql, values))
            assert "Seq Scan" not in plan, plan
            assert "Sort" not in plan, plan
            assert "Bitmap" not in plan, plan
            assert "TEMP B-TREE" not in plan, plan
            assert "SCAN" not in plan, plan
            if connection.dialect.name == "sqlite":
                assert "at<?" in plan or "(at,id)<(?,?)" in plan or "<expr><?" in plan, plan
            else:
                assert "Index Cond" in plan, plan
