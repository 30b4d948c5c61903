"""The ledger: told only when stored, groups, a store that fails, comes back, is slow, or chokes on one entry."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
from memory_store import MemoryStore, is_down
from waiting import LONG_S, Beside, WatchedCondition

from drivetrain.core.errors import StoreError
from drivetrain.core.ports import PredictionStore
from drivetrain.core.records import Entry, Record, StoredInput, Timings
from drivetrain.core.types import Prediction, Verdict
from drivetrain.serve.work import ledger as module
from drivetrain.serve.work.ledger import Ledger


def is_a_port(store: MemoryStore) -> PredictionStore:
    """Checked by the type checker."""
    return store


def entry(name: str, image: bytes | None = None) -> Entry:
    prediction = Prediction(name, "rot", 0.9, {"rot": 0.9}, Verdict.ACCEPT, "bundle")
    record = Record(name, "request", datetime(2026, 1, 1, tzinfo=UTC), "model", prediction, Timings(0, 0, 0, 0))
    return Entry(record, None if image is None else StoredInput(name, image, "image/jpeg"))


class Told:
    """A callback that remembers."""

    def __init__(self) -> None:
        self.errors: list[StoreError | None] = []
        self._told = threading.Semaphore(0)

    def __call__(self, error: StoreError | None) -> None:
        self.errors.append(error)
        self._told.release()

    def wait(self) -> StoreError | None:
        """Until it was told; what."""
        assert self._told.acquire(timeout=LONG_S), "nobody was told"
        return self.errors[-1]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def ledger(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    ledger = Ledger(store)
    yield ledger
    store.failure = None
    store.open.set()
    ledger.close()


def shut(store: MemoryStore, ledger: Ledger) -> Told:
    """Shut the store while the ledger is writing; who waits for that write."""
    store.open.clear()
    told = Told()
    ledger.write([entry("first")], told)
    assert store.begun.acquire(timeout=LONG_S)
    return told


def until_back(store: MemoryStore, ledger: Ledger) -> None:
    store.failure = None
    # Each check that begins after the last failure finds it usable; the flag follows the check.
    while ledger.failure is not None:
        store.checked.acquire(timeout=0.01)


def test_answered_means_stored(store: MemoryStore, ledger: Ledger) -> None:
    stored: list[Sequence[str]] = []
    told = Told()

    def written(error: StoreError | None) -> None:
        stored.append(tuple(store.records))
        told(error)

    ledger.write([entry("1"), entry("2", b"jpeg")], written)
    assert told.wait() is None
    assert stored == [("1", "2")]
    assert store.images["2"].data == b"jpeg"


def test_what_comes_while_it_writes_is_written_together(store: MemoryStore, ledger: Ledger) -> None:
    first = shut(store, ledger)
    others = [Told() for _ in range(5)]
    for number, told in enumerate(others):
        ledger.write([entry(str(number))], told)
    assert not first.errors
    store.open.set()
    assert [told.wait() for told in (first, *others)] == [None] * 6
    assert store.writes == [["first"], ["0", "1", "2", "3", "4"]]


def test_a_group_is_bounded(store: MemoryStore, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP", 4)
    first = shut(store, ledger)
    others = [Told() for _ in range(4)]
    for number, told in enumerate(others):
        ledger.write([entry(f"{number}{part}") for part in "abc"], told)
    store.open.set()
    assert [told.wait() for told in (first, *others)] == [None] * 5
    assert [len(write) for write in store.writes] == [1, 6, 6]


def test_all_of_a_group_learn_that_it_failed(store: MemoryStore, ledger: Ledger) -> None:
    first = shut(store, ledger)
    others = [Told(), Told()]
    for number, told in enumerate(others):
        ledger.write([entry(str(number))], told)
    store.failure = is_down()
    store.open.set()
    assert {str(told.wait()) for told in (first, *others)} == {"the store is down"}
    assert store.records == {}


def test_a_store_that_failed_is_asked_until_it_is_back(store: MemoryStore, ledger: Ledger) -> None:
    store.failure = is_down()
    lost, meanwhile, later = Told(), Told(), Told()
    ledger.write([entry("lost")], lost)
    assert isinstance(lost.wait(), StoreError)
    for _ in range(3):
        assert store.checked.acquire(timeout=LONG_S)
    assert isinstance(ledger.failure, StoreError)
    ledger.write([entry("meanwhile")], meanwhile)
    assert isinstance(meanwhile.wait(), StoreError)
    until_back(store, ledger)
    ledger.write([entry("later")], later)
    assert later.wait() is None
    assert store.writes == [["later"]]


@pytest.mark.parametrize(
    "failure", [is_down(), OSError("no such device"), ValueError("what?")], ids=lambda e: type(e).__name__
)
def test_whatever_a_store_raises_it_is_asked_again(store: MemoryStore, ledger: Ledger, failure: Exception) -> None:
    store.failure = failure
    told, later = Told(), Told()
    ledger.write([entry("1")], told)
    assert isinstance(told.wait(), StoreError)
    for _ in range(2):
        assert store.checked.acquire(timeout=LONG_S)
    until_back(store, ledger)
    ledger.write([entry("2")], later)
    assert later.wait() is None


def test_one_entry_that_cannot_be_written_is_no_fault_of_the_others(store: MemoryStore, ledger: Ledger) -> None:
    def refuse(entries: Sequence[Entry]) -> None:
        if any(one.record.id == "poison" for one in entries):
            raise ValueError("this cannot be written")

    store.refuse = refuse
    first = shut(store, ledger)
    told = {name: Told() for name in ("before", "poison", "after")}
    for name, written in told.items():
        ledger.write([entry(name)], written)
    store.open.set()
    first.wait()
    assert [told["before"].wait(), told["after"].wait()] == [None, None]
    refused = told["poison"].wait()
    assert isinstance(refused, StoreError)
    assert "cannot be written" not in str(refused)  # what a caller sent does not come back in a message
    assert set(store.records) == {"first", "before", "after"}


def test_who_cannot_be_told_is_no_fault_of_the_others(store: MemoryStore, ledger: Ledger) -> None:
    def gone(_: StoreError | None) -> None:
        raise RuntimeError("the loop has ended")

    first = shut(store, ledger)
    told, later = Told(), Told()
    ledger.write([entry("1")], gone)
    ledger.write([entry("2")], told)
    store.open.set()
    assert [first.wait(), told.wait()] == [None, None]
    ledger.write([entry("3")], later)
    assert later.wait() is None


def test_a_slow_store_makes_those_wait_who_write(
    store: MemoryStore, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 2 * module.ENTRY_BYTES + 1000)
    first, second, third = shut(store, ledger), Told(), Told()
    condition = ledger._change = WatchedCondition()
    ledger.write([entry("2", b"x" * 900)], second)
    # The ledger's own thread is inside the store, so that nobody else can wait here.
    writer = Beside(lambda: ledger.write([entry("3", b"x" * 900)], third))
    condition.await_waiters()
    assert not writer.done
    store.open.set()
    writer.result()
    assert [told.wait() for told in (first, second, third)] == [None] * 3
    assert set(store.records) == {"first", "2", "3"}


def test_a_write_larger_than_may_wait_is_taken_when_nothing_does(
    store: MemoryStore, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    told = Told()
    ledger.write([entry("1", b"x" * 1000)], told)
    assert told.wait() is None
    assert set(store.records) == {"1"}


def test_closing_writes_what_waits(store: MemoryStore) -> None:
    ledger = Ledger(store)
    first, second = shut(store, ledger), Told()
    ledger.write([entry("2")], second)
    closing = Beside(ledger.close)
    store.open.set()
    closing.result()
    assert [first.errors, second.errors] == [[None], [None]]
    assert set(store.records) == {"first", "2"}


def test_closing_ends_though_the_store_is_down(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 3600.0)
    ledger = Ledger(store)
    store.failure = is_down()
    told, meanwhile = Told(), Told()
    ledger.write([entry("1")], told)
    told.wait()
    ledger.write([entry("2")], meanwhile)
    Beside(ledger.close).result()
    assert isinstance(meanwhile.wait(), StoreError)


def test_the_lag_of_each_write_is_told(store: MemoryStore) -> None:
    lags: list[float] = []
    ledger, told = Ledger(store, lags.append), Told()
    for number in range(3):
        ledger.write([entry(str(number))], told)
        told.wait()
    ledger.close()
    assert len(lags) == 3
    assert min(lags) >= 0
