"""A candidate takes its champion's place: only where its gates have passed, by a person, and with everything undecided."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_world import ROLLOUT, Clock, begun, numbered
from rollout_world import an_answer
from rollouts_in_memory import MemoryStore
from shadow_world import Line, candidate_of, events_in, follow_all, kinds_asked, policy_without_seeds, shadow_of

from drivetrain.core.errors import UsageError
from drivetrain.core.rollout_port import RolloutStore
from drivetrain.rollout.event_json import to_body
from drivetrain.rollout.events import Arrived, Looked, Turn, Turned
from drivetrain.rollout.history import history_of
from drivetrain.rollout.live import Live
from drivetrain.rollout.promotion import Promotion
from drivetrain.rollout.shadow import Shadow
from drivetrain.rollout.stage import Stage
from drivetrain.rollout.succession import holder_of, predecessors_of, successor_of
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
    """A champion in parallel, with people."""
    begun(store, policy_without_seeds())
    return Line(store, Clock(), seed=8)


def promotion(line: Line) -> Promotion:
    return Promotion(line.store, line.clock, numbered("e"))


def passing(line: Line) -> tuple[Shadow, Live]:
    """A candidate whose gates have passed."""
    shadow, candidate = shadow_of(line, candidate_of(line.store, line.champion.policy), line.twin)
    shadow.follow()
    for _ in range(150):
        line.step()
    line.all_decide()
    follow_all(shadow)
    assert not candidate.status().refusals
    return shadow, candidate


def test_a_candidate_that_has_shown_nothing_is_refused_with_every_reason(line: Line) -> None:
    shadow, candidate = shadow_of(line, candidate_of(line.store, line.champion.policy), line.twin)
    shadow.follow()
    with pytest.raises(
        UsageError, match=r"it cannot advance from parallel: .*does not pass yet.*; .*does not pass yet"
    ):
        promotion(line).promote("candidate-1", "ada", "it looks good")
    assert candidate.machine.stage is Stage.PARALLEL
    with pytest.raises(UsageError, match="line-3 is no candidate beside a live rollout"):
        promotion(line).promote("line-3", "ada", "it looks good")
    with pytest.raises(UsageError, match="the store has no rollout 'nobody'"):
        promotion(line).promote("nobody", "ada", "it looks good")
    assert not any(isinstance(one, Turned) for one in events_in(line.store, ROLLOUT))


def test_cases_of_the_champions_name_go_to_the_candidate(line: Line) -> None:
    shadow, candidate = passing(line)
    champion, row = promotion(line).promote("candidate-1", "grace", "it sees cracks that the old one does not")
    assert (champion.stage, row.stage) == ("ended", "supervised")
    holder = holder_of(line.store, "line-3")
    assert holder is not None
    assert holder.id == candidate.id == holder_of(line.store, ROLLOUT).id
    assert [one.id for one in predecessors_of(line.store, row)] == [ROLLOUT]
    assert successor_of(line.store, row) is None
    follow_all(shadow)
    case = line.arrive_at(candidate)
    assert candidate.receipt(case_id=case.id) is not None
    with pytest.raises(UsageError, match="has ended"):
        line.arrive()


def test_what_nobody_has_decided_is_asked_by_the_candidate(line: Line) -> None:
    shadow, candidate = passing(line)
    waiting = [line.arrive() for _ in range(4)]
    follow_all(shadow)
    late = [line.arrive() for _ in range(3)]  # read together with the champion's end
    shown = line.champion.next_review("ada")
    assert shown is not None  # on somebody's screen at that moment
    promotion(line).promote("candidate-1", "grace", "it is better")
    assert not kinds_asked(line.store, ROLLOUT, line.clock)
    follow_all(shadow)
    there = {one.case.id for one in events_in(line.store, candidate.id) if isinstance(one, Arrived)}
    assert {case.id for case in (*waiting, *late)} <= there
    line.all_decide(candidate)
    receipts = [candidate.receipt(case_id=case.id) for case in (*waiting, *late)]
    assert all(one is not None and one.status == "decided" for one in receipts)
    follow_all(shadow)
    assert shadow.follow() == 0


def test_broken_off_after_the_first_half_it_goes_on(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    _, candidate = passing(line)
    first = promotion(line)

    def killed(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Promotion, "_end", killed)
    with pytest.raises(KeyboardInterrupt):
        first.promote("candidate-1", "grace", "it is better")
    monkeypatch.undo()
    assert (candidate.status().stage, line.champion.status().stage) == (Stage.SUPERVISED, Stage.PARALLEL)
    promotion(line).promote("candidate-1", "grace", "it is better")
    turns = [one for one in events_in(line.store, candidate.id) if isinstance(one, Turned)]
    assert [one.turn for one in turns] == [Turn.ADVANCED]
    assert line.champion.status().stage is Stage.ENDED
    with pytest.raises(UsageError, match="no candidate beside a live rollout"):
        promotion(line).promote("candidate-1", "grace", "once more")


def test_the_history_names_who_promoted_what_on_which_evidence(line: Line) -> None:
    _, candidate = passing(line)
    with line.store.rollout_log(ROLLOUT) as log:
        look = Looked(line.clock.now, "ada", ("bundle-1", "bundle-2"), 40, 10, "the candidate is better")
        log.append(look.at, to_body(look))
    before = history_of(line.store, "line-3")
    assert (before.champion.id, [row.name for row in before.candidates]) == (ROLLOUT, ["candidate-1"])
    line.clock.move(minutes=1)
    promotion(line).promote("candidate-1", "grace", "it is better")
    found = history_of(line.store, "line-3")
    assert (found.champion.id, found.candidates) == (candidate.id, ())
    said = [(one.row.name, one.what, one.by) for one in found.events]
    assert sorted(said[:2]) == [("candidate-1", "opened", "ada"), ("line-3", "opened", "ada")]
    assert said[2:] == [("line-3", "looked", "ada"), ("candidate-1", "promoted", "grace"), ("line-3", "ended", "grace")]
    promoted, ended = found.events[-2:]
    assert {one["gate"] for one in promoted.evidence["readings"]} >= {"non-inferior", "cases"}
    assert ended.evidence["successor"] == candidate.id
    lines = {line.number: line.hash for line in line.store.verify_log(candidate.id)}
    assert lines[promoted.evidence["head"]] == promoted.evidence["head_hash"]
    document = json.loads(json.dumps(found.to_json()))
    assert document["aliases"]["champion"]["rollout"] == "candidate-1"
    assert document["events"][-1]["what"] == "ended"


def test_a_candidate_of_the_new_champion_follows_it_in_turn(line: Line) -> None:
    shadow, candidate = passing(line)
    promotion(line).promote("candidate-1", "grace", "it is better")
    follow_all(shadow)
    second = candidate_of(line.store, line.champion.policy, 2, champion=candidate.id)
    third, grandchild = shadow_of(line, second, lambda _case: an_answer(), champion=candidate.id)
    third.follow()
    for _ in range(30):
        line.arrive_at(candidate)
    line.all_decide(candidate)
    follow_all(third)
    assert sum(isinstance(one, Arrived) for one in events_in(line.store, second)) > 3
    assert grandchild.machine.stage is Stage.PARALLEL
