"""A live rollout: what it writes, what it holds, and that log and machine agree whatever happens."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from live_world import ROLLOUT, Clock, Unreliable, begun, events_of, live, numbered, recomputed
from rollout_world import LABELS, PEOPLE, SALT, a_case, an_answer, quick_policy
from rollouts_in_memory import MemoryStore

from drivetrain.core.errors import LogError, StoreError, UsageError
from drivetrain.core.rollout_port import RolloutStore
from drivetrain.rollout.draw import Route
from drivetrain.rollout.event_json import to_body
from drivetrain.rollout.events import Arrived, Decided, ReviewKind, Ticked, Turn, Turned
from drivetrain.rollout.live import Live
from drivetrain.rollout.machine import Machine
from drivetrain.rollout.policy import Cases
from drivetrain.rollout.recomputation import Recomputation
from drivetrain.rollout.stage import Stage
from drivetrain.store.sql_store import open_store


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RolloutStore]:
    """An empty store of either kind."""
    if request.param == "memory":
        yield MemoryStore()
        return
    opened = open_store(str(tmp_path / "store.sqlite"))
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    """A clock that is moved by hand."""
    return Clock()


class Crowd:
    """People and senders who use live rollouts at random."""

    def __init__(self, seed: int, clock: Clock, *rollouts: Live) -> None:
        self.random = random.Random(seed)
        self.clock = clock
        self.rollouts = rollouts
        self.number = 0
        self.truths: dict[str, str] = {}
        self.receipts: dict[str, str] = {}

    def step(self) -> None:
        chance = self.random
        self.clock.move(seconds=chance.expovariate(1 / 40))
        rollout = chance.choice(self.rollouts)
        doing = chance.choices(
            ("arrive", "review", "undo", "tick", "advance", "turn", "alarm", "outcome", "silence"),
            weights=(30, 60, 2, 8, 4, 0.4, 0.4, 1, 0.1),
        )[0]
        getattr(self, doing)(rollout)

    def arrive(self, rollout: Live) -> None:
        chance = self.random
        self.number += 1
        truth = chance.choice(LABELS)
        label = truth if chance.random() < 0.9 else chance.choice(LABELS)
        case = a_case(self.number, self.clock.now, due=self.clock.now + timedelta(hours=chance.randrange(48)))
        self.truths[case.id] = truth
        receipt = rollout.arrive(case, an_answer(label, certified=chance.random() < 0.9))
        self.receipts[case.id] = receipt.key

    def review(self, rollout: Live) -> None:
        by = self.random.choice(PEOPLE)
        shown = rollout.next_review(by)
        if shown is None or self.random.random() < 0.05:
            return
        truth = self.truths[shown.case.id]
        label = truth if self.random.random() < 0.9 else self.random.choice([*LABELS, None])
        rollout.decide(shown.review_id, by, label, 3.5)

    def undo(self, rollout: Live) -> None:
        try:
            rollout.undo(self.random.choice(PEOPLE))
        except UsageError:
            return

    def tick(self, rollout: Live) -> None:
        rollout.tick(self.clock.now)

    def silence(self, rollout: Live) -> None:
        self.clock.move(days=self.random.choice((1, 2.5, 4)))
        rollout.tick(self.clock.now)

    def advance(self, rollout: Live) -> None:
        try:
            rollout.advance("ada", "the gates passed")
        except UsageError:
            return

    def turn(self, rollout: Live) -> None:
        turns = (rollout.pause, rollout.resume, rollout.resume, rollout.clear, rollout.clear, rollout.rollback)
        try:
            self.random.choice(turns)("ben", "to try it")
        except UsageError:
            return

    def alarm(self, rollout: Live) -> None:
        name = f"alarm-{self.random.randrange(5)}"
        rollout.alarm(name, "confidence", "it changed", cleared=self.random.random() < 0.6)

    def outcome(self, rollout: Live) -> None:
        if self.truths:
            case_id = self.random.choice(list(self.truths))
            if rollout.receipt(case_id=case_id) is not None:
                rollout.turned_out(case_id, self.truths[case_id], "laboratory")


def check(store: RolloutStore, *rollouts: Live) -> None:
    """Hold log, machines, queue and settled cases against a clean recomputation."""
    policy = rollouts[0].policy
    again = recomputed(store, policy)
    for rollout in rollouts:
        rollout.status()
        assert rollout.machine.snapshot() == again.snapshot()
        assert rollout.machine.readings() == again.readings()
    row = store.rollout(ROLLOUT)
    assert row is not None
    assert (row.stage, row.step, row.paused) == (again.stage.value, again.step, bool(again.holds))
    recomputation = Recomputation(SALT)
    assert list(recomputation.take(store.verify_log(ROLLOUT))) == []
    assert recomputation.lines == row.head
    counts = store.queue_counts(ROLLOUT, rollouts[0].status().at)
    assert sum(kind["open"] + kind["held"] for kind in counts.values()) == again.waiting
    events = events_of(store)
    cases = [event.case.id for event in events if isinstance(event, Arrived)]
    assert len(set(cases)) == len(cases)
    settled = store.settled(ROLLOUT, cases)
    assert again.tally.counts.waiting == len(cases) - len(settled)
    decided: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, Decided):
            decided.setdefault(event.case_id, []).append(event.by)
    assert all(len(set(by)) == len(by) for by in decided.values()), "nobody decides a case twice"


@pytest.mark.parametrize("seed", range(2))
def test_log_machine_and_queue_agree_after_whatever_happens(store: RolloutStore, clock: Clock, seed: int) -> None:
    begun(store)
    rollout = live(store, clock)
    crowd = Crowd(seed, clock, rollout)
    for _ in range(350):
        crowd.step()
    check(store, rollout)
    stages = {event.stage for event in events_of(store) if isinstance(event, Turned)}
    assert Stage.SUPERVISED in stages


@pytest.mark.parametrize("seed", range(2))
def test_two_processes_agree_with_a_clean_recomputation(store: RolloutStore, clock: Clock, seed: int) -> None:
    begun(store)
    first, second = live(store, clock, "a"), live(store, clock, "b")
    crowd = Crowd(seed + 10, clock, first, second)
    for _ in range(300):
        crowd.step()
    check(store, first, second)


@pytest.mark.parametrize("call", ["append", "commit", "after", "add_reviews", "update_review", "settle_case", "since"])
def test_after_a_failing_store_log_and_machine_agree(store: RolloutStore, clock: Clock, call: str) -> None:
    begun(store)
    unreliable = Unreliable(store)
    rollout, other = live(unreliable, clock, "a"), live(store, clock, "b")
    crowd = Crowd(5, clock, rollout, rollout, other)
    failed = 0
    chance = random.Random(1)
    unreliable.fails = lambda name: name == call and chance.random() < 0.1
    for _ in range(300):
        try:
            crowd.step()
        except StoreError:
            failed += 1
    unreliable.fails = lambda _name: False
    assert failed > 0
    check(store, rollout, other)
    kept = {event.case.id for event in events_of(store) if isinstance(event, Arrived)}
    assert set(crowd.receipts) <= kept, "a case with a receipt is in the log"


def test_threads_share_a_rollout(clock: Clock) -> None:
    store = MemoryStore()
    begun(store)
    rollout = live(store, clock)
    crowds = [Crowd(seed, clock, rollout) for seed in range(3)]
    for index, crowd in enumerate(crowds):
        crowd.number = 100_000 * (index + 1)

    def work(crowd: Crowd) -> None:
        for _ in range(150):
            crowd.arrive(rollout)
            for _ in range(2):
                by = f"{crowd.number // 100_000}-{crowd.random.choice(PEOPLE)}"
                shown = rollout.next_review(by)
                if shown is not None:
                    rollout.decide(shown.review_id, by, crowd.random.choice(LABELS))

    threads = [threading.Thread(target=work, args=(crowd,)) for crowd in crowds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(store, rollout)
    assert rollout.machine.cases_come == 450


def test_a_restart_goes_on_from_the_snapshot(
    store: RolloutStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivetrain.rollout.replica.KEEP_AFTER", 50)
    begun(store)
    rollout = live(store, clock)
    crowd = Crowd(2, clock, rollout)
    for _ in range(300):
        crowd.step()
    kept = store.snapshot(ROLLOUT)
    assert kept is not None
    assert kept[0] > 50
    assert "salt" not in json.dumps(rollout.status().to_json())
    again = live(store, clock, "c")
    check(store, rollout, again)
    assert again.status().to_json() == rollout.status().to_json(), "the curves too"


def test_curves_have_a_bounded_number_of_points_up_to_now(clock: Clock) -> None:
    store = MemoryStore()
    begun(store)
    rollout = live(store, clock)
    for number in range(1, 1_501):
        clock.move(minutes=1)
        rollout.arrive(a_case(number, clock.now), an_answer())
    curves = {(one.gate, one.slice): one for one in rollout.status().curves}
    cases = curves["cases", None]
    numbers = [point.n for point in cases.points]
    assert numbers == sorted(numbers)
    assert (numbers[0], numbers[1], numbers[-1]) == (25, 50, 1_500)
    assert 30 < len(numbers) < 60
    assert cases.points[-1].at == clock.now
    assert ("latency", "site=north") in curves


def test_a_snapshot_that_cannot_be_read_costs_time_only(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    for number in range(1, 30):
        rollout.arrive(a_case(number, clock.now), an_answer())
    for text in ("{", "[]", '{"machine":"{}"}', '{"machine":"[]","curves":[]}', "null"):
        store.keep_snapshot(ROLLOUT, 20, text)
        check(store, live(store, clock, "d"))


def test_a_snapshot_that_was_changed_or_is_of_another_log_is_not_gone_on_from(
    store: RolloutStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivetrain.rollout.replica.KEEP_AFTER", 20)
    begun(store)
    rollout = live(store, clock)
    for number in range(1, 41):
        rollout.arrive(a_case(number, clock.now), an_answer())
    rollout.tick(clock.now)
    number, text = store.snapshot(ROLLOUT) or (0, "")
    assert number > 20
    taken: list[int] = []
    take = Machine.take
    monkeypatch.setattr(Machine, "take", lambda machine, event: (taken.append(1), take(machine, event))[1])

    def folded() -> int:
        """Lines that a restart reads; where it stands is the same in any case."""
        taken.clear()
        again = live(store, clock, "d")
        count = len(taken)
        check(store, again)
        return count

    with store.rollout_log(ROLLOUT) as log:
        head = log.append(clock.now, to_body(Ticked(clock.now))).number
    assert folded() == head - number
    changed = json.loads(text)
    changed["machine"] = changed["machine"].replace('"number":', '"number":9')
    assert changed["machine"] != json.loads(text)["machine"]
    for place, kept in ((number, json.dumps(changed)), (head, text), (head + 1_000, text)):
        store.keep_snapshot(ROLLOUT, place, kept)
        assert folded() == head


# Cases


def test_a_case_that_comes_again_is_the_same_and_another_one_of_its_key_a_conflict(
    store: RolloutStore, clock: Clock
) -> None:
    begun(store)
    rollout = live(store, clock)
    case = a_case(1)
    first = rollout.arrive(case, an_answer())
    assert first.fresh
    lines = len(events_of(store))
    clock.move(seconds=5)
    again = rollout.arrive(replace(case, id="f" * 32, at=clock.now), an_answer("cracked"))
    assert not again.fresh
    assert (again.case_id, again.key, again.status) == (case.id, case.key, "waiting")
    assert len(events_of(store)) == lines
    for other in (
        replace(case, id="e" * 32, inputs=("1" * 64,)),
        replace(case, id="e" * 32, slices={"site": "south"}),
        replace(case, id="e" * 32, metadata={"order": 7}),
    ):
        with pytest.raises(UsageError, match="another case has the key"):
            rollout.arrive(other, an_answer())
    with pytest.raises(UsageError, match="another case has the key"):
        rollout.arrive(case, an_answer(), known="good")
    with pytest.raises(UsageError, match="no finite number"):
        rollout.arrive(a_case(2, metadata={"weight": float("nan")}), an_answer())


def test_a_receipt_says_nothing_of_the_model_before_it_acted(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    receipts = [rollout.arrive(a_case(1), an_answer("cracked")), rollout.arrive(a_case(2), an_answer("good"))]
    documents = [receipt.to_json() for receipt in receipts]
    assert documents[0] == {
        "id": a_case(1).id,
        "key": "key-1",
        "rollout": "line-3",
        "status": "waiting",
        "decision": None,
    }
    assert {name: value for name, value in documents[0].items() if name not in ("id", "key")} == {
        name: value for name, value in documents[1].items() if name not in ("id", "key")
    }
    assert rollout.receipt(key="key-1") == rollout.receipt(case_id=a_case(1).id)
    assert rollout.receipt(key="key-9") is None


def test_the_order_of_the_queue_does_not_depend_on_the_answer(clock: Clock) -> None:
    orders = []
    for label in ("good", "cracked"):
        store = MemoryStore()
        begun(store)
        rollout = live(store, clock)
        for number in range(1, 60):
            rollout.arrive(a_case(number), an_answer(label, certified=label == "good"))
        order = []
        skip: list[str] = []
        while (shown := rollout.next_review("ada", skip=skip)) is not None:
            order.append(shown.case.id)
            assert shown.shown == ()
            skip.append(shown.review_id)
            rollout.release(shown.review_id, "ada")
        orders.append(order)
    assert orders[0] == orders[1]
    assert orders[0] != sorted(orders[0]), "nor on the order of arrival"


# Reviews


def decided_one(rollout: Live, by: str, label: str | None = "good") -> str:
    """Let a person decide the next review."""
    shown = rollout.next_review(by)
    assert shown is not None
    rollout.decide(shown.review_id, by, label, 2.0)
    return shown.case.id


def test_a_decision_is_held_until_it_can_no_longer_be_undone(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    rollout.arrive(a_case(1), an_answer())
    case_id = decided_one(rollout, "ada")
    assert rollout.receipt(case_id=case_id).status == "waiting"
    rollout.tick(clock.move(seconds=29))
    assert not any(isinstance(event, Decided) for event in events_of(store))
    again = live(store, clock, "b")
    again.tick(clock.move(seconds=2))
    receipt = again.receipt(case_id=case_id)
    assert receipt is not None
    assert receipt.decision is not None
    assert (receipt.decision.label, receipt.decision.how) == ("good", "blind")
    with pytest.raises(UsageError, match="no decision of yours"):
        rollout.undo("ada")


def test_the_next_decision_makes_the_last_one_final(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    for number in (1, 2):
        rollout.arrive(a_case(number), an_answer())
    first = decided_one(rollout, "ada")
    decided_one(rollout, "ada")
    assert [event.case_id for event in events_of(store) if isinstance(event, Decided)] == [first]


def test_a_decision_taken_back_was_never_logged_and_comes_back_to_the_same_person(
    store: RolloutStore, clock: Clock
) -> None:
    begun(store)
    rollout = live(store, clock)
    for number in range(1, 6):
        rollout.arrive(a_case(number), an_answer())
    case_id = decided_one(rollout, "ada", "dark")
    clock.move(seconds=10)
    shown = rollout.undo("ada")
    assert shown.case.id == case_id
    assert rollout.next_review("ben").case.id != case_id
    assert rollout.next_review("ada").case.id == case_id
    rollout.decide(shown.review_id, "ada", "good")
    rollout.tick(clock.move(minutes=2))
    assert [event.label for event in events_of(store) if isinstance(event, Decided)] == ["good"]


def test_seconds_are_those_since_the_review_was_given_where_nobody_says(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    for number, said in ((1, None), (2, 3.5)):
        rollout.arrive(a_case(number), an_answer())
        shown = rollout.next_review("ada")
        assert shown is not None
        clock.move(seconds=7)
        rollout.decide(shown.review_id, "ada", "good", said)
    clock.move(minutes=2)
    rollout.tick(clock.now)
    assert [one.seconds for one in events_of(store) if isinstance(one, Decided)] == [7.0, 3.5]


def test_an_answer_may_be_changed_while_it_is_held(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    rollout.arrive(a_case(1), an_answer())
    shown = rollout.next_review("ada")
    assert shown is not None
    rollout.decide(shown.review_id, "ada", "dark")
    rollout.decide(shown.review_id, "ada", "good")
    rollout.tick(clock.move(minutes=2))
    assert [event.label for event in events_of(store) if isinstance(event, Decided)] == ["good"]


def test_a_decision_told_twice_counts_once(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    rollout.arrive(a_case(1), an_answer())
    shown = rollout.next_review("ada")
    assert shown is not None
    first = rollout.decide(shown.review_id, "ada", "good")
    clock.move(seconds=20)
    assert rollout.decide(shown.review_id, "ada", "good") == first
    rollout.tick(clock.move(seconds=11))
    assert rollout.decide(shown.review_id, "ada", "good").done_at is not None
    assert sum(isinstance(event, Decided) for event in events_of(store)) == 1
    with pytest.raises(UsageError, match="done or was withdrawn"):
        rollout.decide(shown.review_id, "ada", "dark")


def test_a_lease_comes_back_and_its_old_holder_is_told_so(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    rollout.arrive(a_case(1), an_answer())
    shown = rollout.next_review("ada")
    assert shown is not None
    assert rollout.next_review("ben") is None
    with pytest.raises(UsageError, match=r"not yours|somebody else has it"):
        rollout.decide(shown.review_id, "ben", "good")
    clock.move(minutes=16)
    assert rollout.next_review("ben").review_id == shown.review_id
    with pytest.raises(UsageError, match="somebody else has it"):
        rollout.decide(shown.review_id, "ada", "good")
    with pytest.raises(UsageError, match="none of the labels"):
        rollout.decide(shown.review_id, "ben", "purple")
    rollout.decide(shown.review_id, "ben", None)
    with pytest.raises(UsageError, match="done or was withdrawn"):
        rollout.decide("9" * 32, "ben", None)


def test_a_person_is_given_no_more_than_the_policy_says(store: RolloutStore, clock: Clock) -> None:
    begun(store, quick_policy(cases=Cases(undo_seconds=0.0, most_a_day=2)))
    rollout = live(store, clock)
    for number in range(1, 6):
        rollout.arrive(a_case(number), an_answer())
    assert rollout.next_review("ada").left_today == 2
    assert rollout.next_review("ada", elsewhere=1).left_today == 1
    assert rollout.next_review("ada", elsewhere=2) is None  # done for a candidate of the same queue
    for done in range(2):
        assert rollout.done_today("ada") == done
        decided_one(rollout, "ada")
    assert rollout.next_review("ada") is None
    assert rollout.next_review("ben") is not None
    clock.move(days=1)
    assert rollout.next_review("ada") is not None


def test_a_decision_from_another_system_takes_the_place_of_the_review(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    case = a_case(1)
    rollout.arrive(case, an_answer())
    with pytest.raises(UsageError, match="does not wait for a decision made assisted; it waits to be blind"):
        rollout.decided(case.id, "eve", "good", "assisted")
    receipt = rollout.decided(case.id, "eve", "dark", "blind")
    assert receipt.decision is not None
    assert receipt.decision.label == "dark"
    with pytest.raises(UsageError, match=r"decided case|does not wait"):
        rollout.decided(case.id, "eve", "dark", "blind")
    check(store, rollout)


def supervised(rollout: Live, clock: Clock, want: Stage = Stage.SUPERVISED) -> None:
    """Bring a live rollout to a stage."""
    number = 10_000
    while rollout.machine.stage is not want or rollout.machine.holds:
        clock.move(minutes=5)
        try:
            rollout.advance("ada", "the gates passed")
            continue
        except UsageError:
            pass
        number += 1
        rollout.arrive(a_case(number, clock.now), an_answer(), known="good" if number % 5 == 0 else None)
        for _ in range(3):
            for by in PEOPLE:
                if rollout.next_review(by) is not None:
                    decided_one(rollout, by)
                    clock.move(seconds=40)
                    rollout.tick(clock.now)
        assert number < 10_400, rollout.machine.refusals()


def proposed(rollout: Live, clock: Clock, number: int) -> str:
    """Send cases until one is proposed."""
    while True:
        number += 1
        case = a_case(number, clock.now)
        rollout.arrive(case, an_answer())
        with rollout._store.rollout_log(ROLLOUT) as log:
            if [review.kind for review in log.reviews_of(case.id)] == ["confirm"]:
                return case.id


def test_a_proposal_is_shown_and_a_confirmation_held_at_a_pause_counts(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    supervised(rollout, clock)
    case_id = proposed(rollout, clock, 500)
    skip: list[str] = []
    while (shown := rollout.next_review("ada", [ReviewKind.CONFIRM], skip)) is not None and shown.case.id != case_id:
        skip.append(shown.review_id)
    assert shown is not None
    assert shown.shown == ("good",)
    rollout.decide(shown.review_id, "ada", "good")
    rollout.alarm("a1", "confidence", "it changed")
    assert rollout.machine.holds
    receipt = rollout.receipt(case_id=case_id)
    assert receipt is not None
    assert receipt.decision is not None
    assert receipt.decision.how == "assisted"
    check(store, rollout)


def test_somebody_who_has_seen_a_proposal_does_not_decide_the_case_blind(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    supervised(rollout, clock)
    case_id = proposed(rollout, clock, 500)
    while (shown := rollout.next_review("ada", [ReviewKind.CONFIRM])) is not None and shown.case.id != case_id:
        rollout.decide(shown.review_id, "ada", "good")
    assert shown is not None
    rollout.pause("ben", "a look")
    with pytest.raises(UsageError, match="withdrawn"):
        rollout.decide(shown.review_id, "ada", "good")
    with store.rollout_log(ROLLOUT) as log:
        waiting = log.reviews_of(case_id)
    assert [(review.kind, review.not_by, review.shown) for review in waiting] == [("decide", ("ada",), ())]
    check(store, rollout)


def test_who_put_a_proposal_back_or_let_its_lease_end_does_not_decide_the_case_blind(
    store: RolloutStore, clock: Clock
) -> None:
    begun(store)
    rollout = live(store, clock)
    supervised(rollout, clock)
    case_id = proposed(rollout, clock, 500)

    def see(by: str) -> str:
        skip: list[str] = []
        while (shown := rollout.next_review(by, [ReviewKind.CONFIRM], skip)) is not None and shown.case.id != case_id:
            skip.append(shown.review_id)
            rollout.release(shown.review_id, by)
        assert shown is not None
        return shown.review_id

    rollout.release(see("ada"), "ada")
    see("ben")
    clock.move(minutes=16)
    rollout.decide(see("cyd"), "cyd", None)  # cannot tell, so that somebody decides blind
    clock.move(minutes=2)
    rollout.tick(clock.now)
    with store.rollout_log(ROLLOUT) as log:
        (waiting,) = log.reviews_of(case_id)
    assert (waiting.kind, set(waiting.not_by)) == ("decide", {"ada", "ben", "cyd"})
    for by in ("ada", "ben", "cyd"):
        given, skip = rollout.next_review(by), list[str]()
        while given is not None:
            assert given.case.id != case_id
            skip.append(given.review_id)
            given = rollout.next_review(by, skip=skip)
    other = proposed(rollout, clock, 2_000)
    case_id = other
    rollout.release(see("ada"), "ada")
    rollout.pause("ben", "a look")
    with store.rollout_log(ROLLOUT) as log:
        (waiting,) = log.reviews_of(other)
    assert (waiting.kind, waiting.not_by) == ("decide", ("ada",))
    assert rollout.next_review("di", [ReviewKind.DECIDE]) is not None
    rollout.decided(other, "di", None, "blind")
    with store.rollout_log(ROLLOUT) as log:
        (waiting,) = log.reviews_of(other)
    assert (waiting.kind, waiting.round, set(waiting.not_by)) == ("decide", 1, {"ada", "di"})
    check(store, rollout)


def test_a_turn_that_is_refused_says_why_and_keeps_what_was_decided(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    rollout.arrive(a_case(1), an_answer())
    case_id = decided_one(rollout, "ada")
    with pytest.raises(UsageError, match="it cannot advance from parallel"):
        rollout.advance("ada", "now")
    assert rollout.receipt(case_id=case_id).status == "decided"
    with pytest.raises(UsageError, match="not rolled back"):
        rollout.clear("ada", "now")
    check(store, rollout)


def test_an_ended_rollout_takes_no_cases_and_its_reviews_can_be_finished(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    rollout.arrive(a_case(1), an_answer())
    rollout.end("ada", "another one takes its place")
    with pytest.raises(UsageError, match="has ended"):
        rollout.arrive(a_case(2), an_answer())
    decided_one(rollout, "ada")
    rollout.tick(clock.move(minutes=3))
    assert rollout.receipt(case_id=a_case(1).id).status == "decided"
    check(store, rollout)


def test_the_log_of_an_advance_names_the_line_it_rests_on(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    supervised(rollout, clock)
    lines = store.lines(ROLLOUT)
    turned = next(event for event in events_of(store) if isinstance(event, Turned) and event.turn is Turn.ADVANCED)
    assert turned.evidence["head_hash"] == lines[turned.evidence["head"] - 1].hash


def test_the_model_acts_in_expanding_and_the_sender_learns_it_at_once(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    supervised(rollout, clock, Stage.EXPANDING)
    receipts = [rollout.arrive(a_case(number, clock.now), an_answer()) for number in range(1, 80)]
    acted = [receipt for receipt in receipts if receipt.decision is not None]
    assert acted
    assert {(receipt.decision.label, receipt.decision.how) for receipt in acted if receipt.decision} == {
        ("good", "model")
    }
    routes = {event.case.id: event.draw.route for event in events_of(store) if isinstance(event, Arrived)}
    assert {receipt.case_id for receipt in acted} == {
        receipt.case_id for receipt in receipts if routes[receipt.case_id] is Route.ACTED
    }
    status = rollout.status()
    assert status.share == 0.3
    assert status.harm is not None
    assert status.harm.acted >= status.harm.audits


def test_outcomes_told_again_change_nothing(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    rollout.arrive(a_case(1), an_answer())
    rollout.turned_out(a_case(1).id, "good", "laboratory")
    lines = len(events_of(store))
    rollout.turned_out(a_case(1).id, "good", "laboratory")
    assert len(events_of(store)) == lines
    with pytest.raises(UsageError, match="no case"):
        rollout.turned_out("e" * 32, "good", "laboratory")


def test_a_recomputation_finds_what_the_log_does_not_lead_to(store: RolloutStore, clock: Clock) -> None:
    begun(store)
    rollout = live(store, clock)
    supervised(rollout, clock)
    lines = list(store.verify_log(ROLLOUT))
    number = next(number for number, line in enumerate(lines) if '"turn":"advanced"' in line.body)
    arrived = next(number for number, line in enumerate(lines) if '"reserve":false' in line.body)
    changed = list(lines)
    changed[number] = replace(lines[number], body=lines[number].body.replace('"verdict":"pass"', '"verdict":"fail"', 1))
    changed[arrived] = replace(lines[arrived], body=lines[arrived].body.replace('"reserve":false', '"reserve":true'))
    found = list(Recomputation(SALT).take(changed))
    assert [one.number for one in found] == [arrived + 1, number + 1]
    with pytest.raises(LogError, match="line 1: the rollout's salt"):
        list(Recomputation(bytes(32)).take(lines))
    with pytest.raises(LogError, match="line 2: the log does not begin"):
        list(Recomputation(SALT).take(lines[1:]))


def test_a_rollout_that_is_not_there_is_refused(store: RolloutStore, clock: Clock) -> None:
    with pytest.raises(UsageError, match="no rollout"):
        Live(store, "7" * 32, clock, numbered())
