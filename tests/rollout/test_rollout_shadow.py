"""A candidate beside its champion: the same cases and decisions, nobody asked twice, and the place read up to never lost."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

import pytest
from live_world import ROLLOUT, Clock, Unreliable, begun, numbered
from rollout_world import SALT, a_case, an_answer, quick_policy
from rollouts_in_memory import MemoryStore
from shadow_world import Line, candidate_of, events_in, follow_all, kinds_asked, policy_without_seeds, shadow_of

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.rollout_port import RolloutLog, RolloutStore
from drivetrain.core.told_how import ToldHow
from drivetrain.rollout.assignment import Assignment
from drivetrain.rollout.draw import Draw, Route
from drivetrain.rollout.events import Arrived, Decided, Followed, ReviewKind, Turn, Turned
from drivetrain.rollout.live import Live
from drivetrain.rollout.policy import Supervised
from drivetrain.rollout.shadow import Shadow
from drivetrain.rollout.stage import Stage
from drivetrain.rollout.thinning import Thinning
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
def line(store: RolloutStore) -> Line:
    """A champion in parallel, with people, and nothing done yet."""
    begun(store, policy_without_seeds())
    return Line(store, Clock(), seed=4)


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_a_twin_has_its_champions_evidence_and_asks_nobody(line: Line) -> None:
    twin = candidate_of(line.store, line.champion.policy)
    shadow, candidate = shadow_of(line, twin, line.twin)
    shadow.follow()
    for _ in range(400):
        line.step()
        if line.random.random() < 0.2:
            follow_all(shadow)
            assert not kinds_asked(line.store, twin, line.clock)
    line.all_decide()
    follow_all(shadow)
    candidate.tick(line.clock.now)
    assert not kinds_asked(line.store, twin, line.clock)
    mine, theirs = candidate.machine.readings(line.clock.now), line.champion.machine.readings(line.clock.now)
    assert [one.to_json() for one in mine] == [one.to_json() for one in theirs]
    assert any(one.gate == "non-inferior" and one.n > 60 for one in mine)


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_only_the_candidates_own_disagreements_are_adjudicated_anew(line: Line) -> None:
    name = candidate_of(line.store, line.champion.policy)
    shadow, candidate = shadow_of(line, name, line.other(0.3))
    shadow.follow()
    for _ in range(250):
        line.step()
        follow_all(shadow)
    line.all_decide()
    follow_all(shadow)
    counts = kinds_asked(line.store, name, line.clock)
    assert set(counts) == {"adjudicate"}
    assert counts["adjudicate"]["open"] > 5
    there = {(one.case_id, one.round) for one in events_in(line.store, ROLLOUT) if _is_adjudication(one)}
    before = {(one.case_id, one.round) for one in events_in(line.store, name) if _is_adjudication(one)}
    assert before <= there  # all adjudications so far are the champion's
    first: dict[str, str | None] = {}
    for event in events_in(line.store, ROLLOUT):
        if isinstance(event, Decided) and event.review is ReviewKind.DECIDE:
            first.setdefault(event.case_id, event.label)
    answers = {one.case.id: one.answer for one in events_in(line.store, name) if isinstance(one, Arrived)}
    asked = [ask for ask in candidate.machine.asks() if ask.kind is ReviewKind.ADJUDICATE]
    assert all(answers[ask.case_id].label != first[ask.case_id] for ask in asked)
    assert all(line.answers[ask.case_id].label == first[ask.case_id] for ask in asked if ask.round == 0)
    assert all(set(ask.shown) == {answers[ask.case_id].label, first[ask.case_id]} for ask in asked)
    line.all_decide(candidate)
    assert candidate.machine.waiting == 0
    own = [one for one in events_in(line.store, name) if _is_adjudication(one)]
    assert len(own) > len(before)
    by: dict[str, list[str]] = {}
    for event in events_in(line.store, name):
        if isinstance(event, Decided):
            by.setdefault(event.case_id, []).append(event.by)
    assert all(len(people) == len(set(people)) for people in by.values())


def test_what_a_person_has_decided_is_never_given_to_that_person_to_adjudicate(line: Line) -> None:
    name = candidate_of(line.store, line.champion.policy)
    shadow, candidate = shadow_of(line, name, lambda case: replace(line.answers[case.id], label="dark"))
    shadow.follow()
    case = line.arrive()
    line.answers[case.id] = an_answer("good")
    shown = line.champion.next_review("ada")
    assert shown is not None
    line.champion.decide(shown.review_id, "ada", "good")
    line.clock.move(minutes=2)
    line.tick()
    follow_all(shadow)
    assert candidate.next_review("ada") is None
    again = candidate.next_review("ben")
    if line.champion.machine.waits_for(case.id) is None:  # the draw did not have it adjudicated for the champion
        assert again is not None
        assert (again.kind, set(again.shown)) == (ReviewKind.ADJUDICATE, {"good", "dark"})


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment_it_goes_on_where_it_was(store: RolloutStore, seed: int) -> None:
    begun(store, policy_without_seeds())
    line = Line(store, Clock(), seed)
    undisturbed, disturbed = candidate_of(store, line.champion.policy), candidate_of(store, line.champion.policy, 2)
    answer = line.other(0.3)
    quiet, _ = shadow_of(line, undisturbed, answer)
    quiet.follow()
    chance = random.Random(seed)
    unreliable = Unreliable(store)
    unreliable.fails = lambda _call: chance.random() < 0.002
    processes: list[Shadow | None] = [None, None]

    def one_of_two() -> int:
        """Two processes follow by turns; one that fails is killed, and begins anew."""
        place = chance.randrange(2)
        try:
            shadow = processes[place] or shadow_of(line, disturbed, answer, unreliable, f"{place}")[0]
            processes[place] = shadow
            return shadow.follow()
        except StoreError:
            processes[place] = None
            return 1

    one_of_two()
    while not any(isinstance(one, Followed) for one in events_in(store, disturbed, followed=True)):
        one_of_two()
    for _ in range(200):
        line.step()
    line.all_decide()
    follow_all(quiet)
    for _ in range(1000):
        if not one_of_two() and not one_of_two():
            break
    expected = events_in(store, undisturbed)
    assert len(expected) > 100
    assert events_in(store, disturbed)[1:] == expected[1:]
    assert store.queue_counts(disturbed, line.clock.now) == store.queue_counts(undisturbed, line.clock.now)
    last = [one for one in events_in(store, disturbed, followed=True) if isinstance(one, Followed)][-1]
    row = store.rollout(ROLLOUT)
    assert row is not None
    assert (last.line, last.line_hash) == (row.head, row.head_hash)


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_while_the_champion_works_only_what_people_decided_blind_is_evidence(line: Line) -> None:
    for _ in range(2000):
        if line.champion.machine.stage is Stage.EXPANDING:
            break
        line.step()
        if not line.champion.machine.refusals(line.clock.now):
            line.champion.advance("ada", "the gates have passed")
    assert line.champion.machine.stage is Stage.EXPANDING
    name = candidate_of(line.store, line.champion.policy)
    shadow, candidate = shadow_of(line, name, line.other(0.2))
    shadow.follow()
    for step in range(500):
        line.step()
        if step % 5 == 0:
            follow_all(shadow)
    line.all_decide()
    follow_all(shadow)
    routes = {one.case.id: one.draw for one in events_in(line.store, ROLLOUT) if isinstance(one, Arrived)}
    mine = [one for one in events_in(line.store, name) if isinstance(one, Arrived)]
    assert len(mine) > 20
    taken = Counter(routes[one.case.id].route for one in mine)
    assert taken[Route.PROPOSED] == 0
    assert taken[Route.ACTED] > 5
    assert all(routes[one.case.id].audit for one in mine if routes[one.case.id].route is Route.ACTED)
    assert all(one.draw.route is Route.BLIND for one in mine)
    said = [one for one in events_in(line.store, name) if isinstance(one, Decided)]
    assert {one.how for one in said} <= {ToldHow.BLIND, ToldHow.ADJUDICATED}
    passed = sum(one.passed_over for one in events_in(line.store, name, followed=True) if isinstance(one, Followed))
    arrived = sum(isinstance(one, Arrived) for one in events_in(line.store, ROLLOUT))
    assert candidate.machine.stage is Stage.PARALLEL
    assert passed + len(mine) < arrived  # those that came before it was opened are none of its own
    assert set(kinds_asked(line.store, name, line.clock)) <= {"adjudicate"}


class Watched:
    """A store that calls back in the middle of each transaction on one rollout."""

    def __init__(self, store: RolloutStore, rollout_id: str, meanwhile: Callable[[], None]) -> None:
        self._store, self._rollout_id, self._meanwhile = store, rollout_id, meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def rollout_log(self, rollout_id: str) -> Iterator[RolloutLog]:
        with self._store.rollout_log(rollout_id) as log:
            if rollout_id == self._rollout_id:
                self._meanwhile()
            yield log


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_reading_along_and_a_decision_at_the_same_time_do_not_wait_for_each_other_for_ever(line: Line) -> None:
    name = candidate_of(line.store, line.champion.policy)
    sent = threading.Thread(target=line.arrive, daemon=True)

    def one_is_sent_meanwhile() -> None:
        if sent.ident is None and line.number == 5:
            sent.start()
            end_s = time.monotonic() + 1
            while time.monotonic() < end_s and line.champion.replica.lock.acquire(blocking=False):
                line.champion.replica.lock.release()
                time.sleep(0.01)

    watched: Any = Watched(line.store, name, one_is_sent_meanwhile)
    candidate = Live(watched, name, line.clock, numbered("b"))
    shadow = Shadow(watched, candidate, line.champion, line.other(1.0), numbered("d"))
    shadow.follow()
    for _ in range(5):
        line.arrive()
    line.all_decide()
    follows = threading.Thread(target=follow_all, args=(shadow,), daemon=True)
    follows.start()
    follows.join(30)
    sent.join(30)
    assert not follows.is_alive()
    assert not sent.is_alive()
    assert line.number == 6
    assert kinds_asked(line.store, name, line.clock)["adjudicate"]["open"] > 0


def test_thinning_leaves_every_kind_of_case_in_the_share_in_which_it_came() -> None:
    policy = quick_policy(supervised=Supervised(blind=0.2))
    thinning = Thinning(policy, Assignment(SALT))
    thinning.turned(Turned(a_case(1).at, Turn.ADVANCED, "ada", "passed", Stage.SUPERVISED))
    rng, kept, came = random.Random(1), Counter[str](), Counter[str]()
    for number in range(40_000):
        kind = "in scope" if rng.random() < 0.7 else "out of scope"
        came[kind] += 1
        held_back = kind == "in scope" and rng.random() < 0.2
        route = Route.PROPOSED if kind == "in scope" and not held_back else Route.BLIND
        draw = Draw(route, held_back=held_back, in_scope=kind == "in scope")
        kept[kind] += thinning.keeps(f"unit {number}", draw)
    assert kept["in scope"] / kept.total() == pytest.approx(0.7, abs=0.01)
    assert kept.total() / came.total() == pytest.approx(0.2, abs=0.01)
    thinning.turned(Turned(a_case(1).at, Turn.ROLLED_BACK, None, "errors", Stage.ROLLED_BACK))
    assert thinning.keeps("unit", Draw(Route.BLIND))


def test_a_candidate_takes_no_cases_and_no_advance_of_its_own(line: Line) -> None:
    _, candidate = shadow_of(line, candidate_of(line.store, line.champion.policy), line.twin)
    for attempt in (lambda: candidate.arrive(a_case(9), an_answer()), lambda: candidate.advance("ada", "because")):
        with pytest.raises(
            UsageError, match="candidate-1 is a candidate beside line-3, whose cases and decisions it reads"
        ):
            attempt()


def _is_adjudication(event: object) -> TypeGuard[Decided]:
    return isinstance(event, Decided) and event.review is ReviewKind.ADJUDICATE
