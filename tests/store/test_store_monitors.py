"""What a store keeps for monitors: their states, alarms, and notices to be delivered."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

from made_records import START, made_alarm, made_entry

from drivetrain.core.ports import MonitorStore
from drivetrain.core.records import MonitorState, Notice, NoticeEvent
from drivetrain.store.sql_store import SqlStore, open_store

SECOND = timedelta(seconds=1)


def is_a_port(store: SqlStore) -> MonitorStore:
    """Checked by the type checker."""
    return store


def state(position: int, text: str = "{}", **changes: str) -> MonitorState:
    return replace(MonitorState("bears", "b" * 32, position, text, START + position * SECOND), **changes)


def test_a_state_follows_on_the_one_before_or_not_at_all(store: SqlStore) -> None:
    assert store.monitor_state("bears", "b" * 32) is None
    assert not store.advance_monitor(0, state(5), [made_alarm()])
    assert store.advance_monitor(None, state(5, '{"x": "0x1.8p+1"}'), [])
    assert store.monitor_state("bears", "b" * 32) == state(5, '{"x": "0x1.8p+1"}')
    assert not store.advance_monitor(None, state(9), [made_alarm()])
    assert not store.advance_monitor(4, state(9), [made_alarm()])
    assert store.alarms() == ()
    assert store.advance_monitor(5, state(9), [made_alarm()])
    assert not store.advance_monitor(5, state(10), [made_alarm(1)])
    assert store.monitor_state("bears", "b" * 32) == state(9)
    assert store.alarms() == (made_alarm(),)
    # Another bundle's, and another model's with the same bundle, are others.
    for other in (state(7, bundle_id="c" * 32), state(8, model="cells\0" + "x" * 400)):
        assert store.monitor_state(other.model, other.bundle_id) is None
        assert store.advance_monitor(None, other, [])
        assert store.monitor_state(other.model, other.bundle_id) == other
    assert store.monitor_state("bears", "b" * 32) == state(9)


def test_of_many_who_go_on_from_one_state_one_succeeds(place: str) -> None:
    stores = [open_store(place) for _ in range(4)]
    for before in (None, 100):
        position = 100 if before is None else 200

        def advance(n: int, before: int | None = before, position: int = position) -> bool:
            return stores[n].advance_monitor(before, state(position, f'"{n}"'), [made_alarm(position + n)])

        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(advance, range(4)))
        assert done.count(True) == 1
        kept = stores[0].monitor_state("bears", "b" * 32)
        assert kept == state(position, f'"{done.index(True)}"')
        assert stores[0].alarms(limit=1) == (made_alarm(position + done.index(True)),)
    assert len(stores[0].alarms()) == len(stores[0].notices_due(START + timedelta(days=1), 99)) == 2
    for store in stores:
        store.close()


def test_alarms_come_back_from_the_newest_and_stand_until_cleared(store: SqlStore) -> None:
    alarms = [
        made_alarm(0),
        made_alarm(1, source=None, model="cells", evidence={}),
        made_alarm(2, source="cam\0\ud83d" + "x" * 999, evidence={"nested": {"p": [0.5, None]}, "text": "größe"}),
    ]
    assert store.advance_monitor(None, state(1), alarms)
    assert store.alarms() == tuple(reversed(alarms))
    assert store.alarms(model="cells") == (alarms[1],)
    assert store.alarms(limit=1) == (alarms[2],)
    at = START + timedelta(days=2)
    cleared = store.clear_alarm(alarms[0].id, at, "Ada", "the lens was wet\0")
    assert cleared is not None
    told = replace(alarms[0], cleared=at, cleared_by="Ada", reason="the lens was wet\0")
    assert cleared == replace(told, cleared_position=cleared.cleared_position)
    assert store.alarm(alarms[0].id) == cleared
    assert store.clear_alarm(alarms[0].id, at + SECOND, "Mallory", "no") == cleared
    assert store.clear_alarm("f" * 32, at, "Ada", "none of that id") is None
    assert store.alarms(standing=True) == (alarms[2], alarms[1])
    assert store.alarms(standing=False) == (cleared,)
    # An alarm that is told again, by whoever restarts from an older state, is still the one that was cleared.
    assert store.advance_monitor(1, state(2), [alarms[0]])
    assert store.alarms(standing=False) == (cleared,)


def test_clearing_has_a_place_between_what_was_stored_before_and_after(store: SqlStore) -> None:
    assert store.advance_monitor(None, state(5), [made_alarm(number) for number in range(3)])
    places: list[int] = []
    for number in range(3):
        store.append([made_entry(2 * number), made_entry(2 * number + 1)])
        store.clear_alarm(made_alarm(number).id, START, "Ada", "seen to")
        cleared = store.clear_alarm(made_alarm(number).id, START, "Eve", "seen to twice")
        assert cleared is not None
        assert cleared.cleared_position is not None
        places.append(cleared.cleared_position)
    fed = [entry.position for entry in store.feed(0, 100)]
    assert len(fed) == 6, "clearing is no entry"
    assert fed[1] < places[0] < fed[2]
    assert fed[3] < places[1] < fed[4]
    assert fed[5] < places[2]
    # Nor does it keep a reader from what lies behind it, however little it asks for.
    position, found = 0, []
    while entries := store.feed(position, 1):
        position = entries[-1].position
        found.append(position)
    assert found == fed


def test_alarms_are_read_page_by_page(store: SqlStore) -> None:
    alarms = [made_alarm(number, raised=START + number // 3 * SECOND) for number in range(8)]
    assert store.advance_monitor(None, state(5), alarms)
    assert store.alarm("f" * 32) is None
    last, found = None, []
    while page := store.alarms(limit=3, before=last):
        found += page
        last = page[-1]
    assert found == alarms[::-1]


def test_evidence_that_json_cannot_hold_is_kept_as_near_as_can_be(store: SqlStore) -> None:
    assert store.advance_monitor(None, state(1), [made_alarm(evidence={"statistic": math.inf, "ids": ("a",)})])
    assert store.alarms()[0].evidence == {"statistic": None, "ids": ["a"]}


def claimed(store: SqlStore, now: datetime, lease: timedelta = timedelta(minutes=1)) -> list[Notice]:
    return list(store.claim_notices(now, now + lease, 10))


def test_raising_and_clearing_leave_a_notice_each(store: SqlStore) -> None:
    alarm, quiet = made_alarm(0), made_alarm(1)
    store.advance_monitor(None, state(1), [alarm])
    store.advance_monitor(1, state(2), [quiet], notify=False)
    now = alarm.raised + SECOND
    (raised,) = store.notices_due(now, 10)
    assert (raised.event, raised.alarm, raised.at, raised.attempts) == (NoticeEvent.RAISED, alarm, alarm.raised, 0)
    cleared = store.clear_alarm(alarm.id, now, "Ada", "seen to")
    store.clear_alarm(alarm.id, now, "Ada", "seen to twice")
    store.clear_alarm(quiet.id, now, "Ada", "seen to", notify=False)
    assert store.notices_due(START, 10) == (), "before it was written"
    before, after = store.notices_due(now, 10)
    assert before == raised
    assert (after.event, after.alarm, after.at) == (NoticeEvent.CLEARED, cleared, now)
    assert len({raised.id, after.id}) == 2
    assert store.notices_of([alarm.id, quiet.id]) == {alarm.id: (raised, after)}
    assert store.notices_due(now, 1) == (raised,)


def test_the_clock_of_a_camera_does_not_delay_a_notice(store: SqlStore) -> None:
    ahead = made_alarm(raised=START + timedelta(days=1))
    assert store.advance_monitor(None, state(5), [ahead])
    (notice,) = store.notices_due(START + 5 * SECOND, 10)
    assert (notice.alarm, notice.at) == (ahead, ahead.raised)


def test_a_notice_is_tried_by_one_at_a_time_until_it_has_arrived(place: str) -> None:
    stores = [open_store(place) for _ in range(4)]
    stores[0].advance_monitor(None, state(1), [made_alarm(n) for n in range(6)])
    now = START + timedelta(days=1)
    with ThreadPoolExecutor(4) as pool:
        found = [notice for part in pool.map(lambda store: claimed(store, now), stores) for notice in part]
    assert len(found) == len({notice.id for notice in found}) == 6
    assert {notice.attempts for notice in found} == {1}
    assert claimed(stores[0], now + timedelta(seconds=59)) == []
    one, two, three, *lost = found
    store = stores[1]
    assert store.settle_notice(one, now + SECOND)
    assert store.settle_notice(two, now, error="503", again_at=now + timedelta(minutes=5))
    assert store.settle_notice(three, now, error="404, and no more attempts")
    # The process that had the others has died: they are due again, and it may not speak for them any more.
    later = now + timedelta(minutes=1)
    again = claimed(store, later)
    assert {notice.id for notice in again} == {notice.id for notice in lost}
    assert {notice.attempts for notice in again} == {2}
    assert not store.settle_notice(lost[0], later)
    assert not store.settle_notice(one, later, error="late")
    (retried,) = (n for n in claimed(store, now + timedelta(minutes=5), SECOND) if n.id == two.id)
    assert (retried.attempts, retried.last_error) == (2, "503")
    kept = {n.id: n for notices in store.notices_of([made_alarm(n).id for n in range(6)]).values() for n in notices}
    assert (kept[one.id].delivered_at, kept[one.id].next_at) == (now + SECOND, None)
    assert (kept[three.id].delivered_at, kept[three.id].next_at) == (None, None)
    assert kept[three.id].last_error == "404, and no more attempts"
    for opened in stores:
        opened.close()
