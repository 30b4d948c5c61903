"""The feed: all that was stored, in an order that never changes, whoever writes meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from made_records import START, made_entry, made_record, made_truth

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.records import Entry, Fed
from drivetrain.store import feed_entry
from drivetrain.store.sql_store import SqlStore, open_store
from drivetrain.store.writing import EntryRows
from postgres import Postgres


def everything(store: SqlStore, at_once: int = 100, after: int = 0) -> list[Fed]:
    found: list[Fed] = []
    while part := store.feed(after, at_once):
        assert len(part) <= at_once
        found += part
        after = part[-1].position
    return found


def names(fed: Sequence[Fed]) -> list[str]:
    """Number of each prediction; that of a truth behind its prediction's."""
    return [f"{int(one.record.id[-6:], 16)}" + (f":{int(one.truth.id[-6:], 16)}" if one.truth else "") for one in fed]


def test_predictions_and_truths_come_in_the_order_of_their_storing(store: SqlStore) -> None:
    assert store.feed(0, 10) == ()
    store.append([made_entry(n) for n in (3, 1, 2)])
    store.add_truth(made_truth(7, prediction=1))
    store.append([made_entry(0, at=START - timedelta(days=9))])
    store.add_truth(made_truth(5, prediction=1))
    store.append([])
    found = everything(store)
    assert names(found) == ["3", "1", "2", "1:7", "0", "1:5"]
    assert found[3].record == made_record(1)
    assert found[3].truth == made_truth(7, prediction=1)
    positions = [one.position for one in found]
    assert positions == sorted(set(positions))
    assert positions[0] > 0
    for at_once in (1, 2, 4):
        assert everything(store, at_once) == found
    for place, position in enumerate(positions):
        assert everything(store, 2, after=position) == found[place + 1 :]
    with pytest.raises(UsageError, match="ask for 1"):
        store.feed(0, 0)


def test_what_is_stored_again_is_fed_once(store: SqlStore) -> None:
    store.append([made_entry(0), made_entry(1), made_entry(0)])
    store.append([made_entry(0), made_entry(2), made_entry(1), made_entry(3)])
    store.append([made_entry(2)])
    told = store.add_truth(made_truth(7, prediction=1))
    assert store.add_truth(made_truth(7, prediction=1, label="teddy")) == told
    assert names(everything(store)) == ["0", "1", "2", "3", "1:7"]


def test_a_group_too_large_for_a_row_takes_several(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_entry, "MOST", 3)
    store.append([made_entry(n) for n in range(8)])
    found = everything(store, 2)
    assert names(found) == [str(n) for n in range(8)]
    assert len({one.position >> 16 for one in found}) == 3


def test_pruning_neither_stops_the_feed_nor_gives_a_position_again(store: SqlStore) -> None:
    store.append([made_entry(n, at=START + timedelta(days=n)) for n in range(5)])
    for n in range(5):
        store.add_truth(made_truth(n, prediction=n, prediction_id=made_record(n, START + timedelta(days=n)).id))
    store.append([made_entry(9, at=START + timedelta(days=9))])
    before = everything(store)
    limit = START + timedelta(days=3)
    assert store.prune(records_older_than=limit, dry_run=True).truths == 3
    done = store.prune(records_older_than=limit)
    assert (done.records, done.truths) == (3, 3)
    left = [one for one in before if one.record.at >= limit]
    # A reader in the middle of what was pruned goes on from there.
    for at_once in (1, 100):
        assert everything(store, at_once) == left
        assert everything(store, at_once, after=before[1].position) == left
    assert store.prune(records_older_than=START + timedelta(days=99)).records == 3
    assert everything(store) == []
    with store._reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM feed").scalar() == 0
    store.append([made_entry(50)])
    (next_one,) = everything(store)
    assert next_one.position > before[-1].position


def test_what_could_not_be_written_is_not_fed(store: SqlStore) -> None:
    with pytest.raises(StoreError):
        store.append([made_entry(0), made_entry(1, model=None)])
    with pytest.raises(UsageError, match="no prediction"):
        store.add_truth(made_truth())
    assert everything(store) == []


@pytest.mark.postgres
def test_a_position_is_not_given_out_while_an_earlier_one_may_still_appear(postgres: Postgres) -> None:
    """Two transactions: the first one numbered is the last to be committed."""
    store = open_store(postgres.new_database())
    reader = ThreadPoolExecutor(1)
    slow = store._engine.connect()
    begun = slow.begin()
    EntryRows([made_entry(1)]).write(slow)
    with store._reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM feed").scalar() == 0
    store.append([made_entry(2)])  # numbered later, committed earlier, and it does not wait
    with store._reading() as connection:
        assert connection.exec_driver_sql("SELECT min(number) FROM feed").scalar() == 2
    waiting = reader.submit(store.feed, 0, 10)
    with pytest.raises(TimeoutError):
        waiting.result(0.2)
    begun.commit()
    assert names(waiting.result(20)) == ["1", "2"]
    slow.close()
    # One that never ends holds nobody up for long, and nothing is given out past it.
    slow = store._engine.connect()
    begun = slow.begin()
    EntryRows([made_entry(3)]).write(slow)
    store.append([made_entry(4)])
    with pytest.raises(StoreError, match="locked by another program"):
        store.feed(0, 10)
    begun.rollback()
    slow.close()
    found = store.feed(0, 10)
    assert names(found) == ["1", "2", "4"]
    # Nobody is locked out by a reader to whom nothing is new.
    holder = store._engine.connect()
    begun = holder.begin()
    holder.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({feed_entry.LOCK})")
    assert store.feed(found[-1].position, 10) == ()
    begun.rollback()
    holder.close()
    reader.shutdown()
    store.close()


def test_readers_miss_nothing_while_many_write(place: str) -> None:
    stores = [open_store(place) for _ in range(3)]
    done = threading.Event()
    read: list[Fed] = []

    def write(writer: int) -> None:
        for group in range(25):
            first = 10_000 * (writer + 1) + 10 * group
            stores[writer % 3].append([Entry(made_record(first + n)) for n in range(group % 4 + 1)])
            if group % 5 == 0:
                number = 1000 * (writer + 1) + group
                stores[writer % 3].add_truth(made_truth(number, prediction=first))

    def follow() -> None:
        while True:
            last_look = done.is_set()
            while part := stores[0].feed(read[-1].position if read else 0, 7):
                read.extend(part)
            if last_look:
                return

    with ThreadPoolExecutor(6) as pool:
        following = pool.submit(follow)
        for one in [pool.submit(write, writer) for writer in range(5)]:
            one.result()
        done.set()
        following.result()
    assert read == everything(stores[0])
    assert len(read) == 5 * (6 * (1 + 2 + 3 + 4) + 1 + 5)
    told = [one.truth.prediction_id for one in read if one.truth]
    first_seen = {one.record.id: place for place, one in reversed(list(enumerate(read)))}
    assert len(told) == 25
    assert all(read[first_seen[name]].truth is None for name in told)
    for store in stores:
        store.close()
