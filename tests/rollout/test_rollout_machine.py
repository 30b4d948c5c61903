"""The machine of a rollout: what may never happen holds in random worlds, and the way of single cases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rollout_world import DOINGS, LABELS, SALT, START, World, a_case, an_answer, folded, opened, quick_policy

from drivetrain.core.errors import LogError, UsageError
from drivetrain.core.told_how import ToldHow
from drivetrain.rollout.assignment import Assignment
from drivetrain.rollout.draw import Draw, Route
from drivetrain.rollout.effects import Ask, Settled, Turns, Withdraw
from drivetrain.rollout.event_json import of_body, to_body
from drivetrain.rollout.events import Arrived, Decided, Event, ReviewKind, Ticked, Turn, Turned
from drivetrain.rollout.evidence.alpha import alpha_of
from drivetrain.rollout.hold import HoldKind
from drivetrain.rollout.machine import Machine
from drivetrain.rollout.policy import Supervised
from drivetrain.rollout.stage import Stage
from drivetrain.rollout.way import HOW

SEEDS = range(8)
STEPS = 1_000
AT_WORK = (Stage.SUPERVISED, Stage.EXPANDING)


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    """Random worlds, with everything that happened in them."""
    made = []
    for seed in SEEDS:
        world = World(seed, model_error=0.02 if seed % 3 else 0.4)
        for _ in world.steps(STEPS):
            pass
        made.append(world)
    return made


def standings(world: World) -> list[tuple[Event, Stage, bool]]:
    """Each event of a log with the stage before it, and whether anything held the rollout then."""
    machine = Machine(world.policy, SALT, LABELS)
    found = []
    for event in world.log:
        found.append((event, machine.stage, bool(machine.holds)))
        machine.take(event)
    return found


def test_random_worlds_come_through_every_stage(worlds: list[World]) -> None:
    seen = {stage for world in worlds for _, stage, _ in standings(world)}
    assert seen >= {Stage.PARALLEL, Stage.SUPERVISED, Stage.EXPANDING, Stage.ROLLED_BACK}
    turns = {(event.turn, event.by is None) for world in worlds for event in world.log if isinstance(event, Turned)}
    assert turns >= {
        (Turn.ADVANCED, False),
        (Turn.PAUSED, False),
        (Turn.PAUSED, True),
        (Turn.RESUMED, False),
        (Turn.RESUMED, True),
        (Turn.ROLLED_BACK, True),
        (Turn.CLEARED, False),
    }


def check_acts(world: World) -> None:
    """No model acts or proposes before a person advanced it, nor while something holds it."""
    advanced: list[Turned] = []
    for event, stage, held in standings(world):
        if isinstance(event, Turned) and event.turn in (Turn.ROLLED_BACK, Turn.CLEARED):
            advanced = []
        if isinstance(event, Turned) and event.turn is Turn.ADVANCED:
            assert event.by == "ada"
            assert event.evidence["readings"], "it rests on readings"
            assert {one["verdict"] for one in event.evidence["readings"]} == {"pass"}
            advanced.append(event)
        if isinstance(event, Arrived) and event.draw.route is not Route.BLIND:
            assert not held
            assert stage in AT_WORK
            assert [turned.stage for turned in advanced[:1]] == [Stage.SUPERVISED]
            assert event.answer.certified
            assert event.answer.in_domain
        if isinstance(event, Arrived) and event.draw.route is Route.ACTED:
            assert Stage.EXPANDING in [turned.stage for turned in advanced]
            assert event.known is None


def check_silence(world: World) -> None:
    """Nothing but a person's turn leads further: time, evidence and alarms lead to a rollback at most."""
    machine = Machine(world.policy, SALT, LABELS)
    for event in world.log:
        before = (machine.stage, machine.step)
        machine.take(event)
        by_person = isinstance(event, Turned) and event.by is not None
        if before != (machine.stage, machine.step) and not by_person and before[0] is not Stage.BACKTEST:
            assert machine.stage is Stage.ROLLED_BACK, f"{event} led from {before} to {machine.stage}"
            assert before[0] in AT_WORK


def check_decisions(world: World) -> None:
    """Every case is decided once or waits to be, and nobody does anything twice with a case."""
    people: dict[str, list[str]] = {}
    for event in world.log:
        if isinstance(event, Decided):
            people.setdefault(event.case_id, []).append(event.by)
    assert all(len(set(by)) == len(by) for by in people.values())
    arrived = {event.case.id for event in world.log if isinstance(event, Arrived)}
    waiting = {case_id for case_id in world.open if case_id not in world.settled}
    assert arrived == set(world.settled) | waiting, "no case is lost"
    assert world.machine.waiting == len(world.open), "cases that are done with are forgotten"


def test_no_model_acts_or_proposes_before_a_person_advanced_and_never_while_something_holds_it(
    worlds: list[World],
) -> None:
    for world in worlds:
        check_acts(world)


def test_silence_and_the_evidence_alone_never_advance(worlds: list[World]) -> None:
    for world in worlds:
        check_silence(world)


def test_every_case_is_decided_once_and_by_nobody_twice(worlds: list[World]) -> None:
    for world in worlds:
        check_decisions(world)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**16),
    begins=st.sampled_from((Stage.PARALLEL, Stage.SUPERVISED, Stage.EXPANDING)),
    doings=st.lists(st.sampled_from(DOINGS), max_size=60),
)
def test_whatever_happens_in_whatever_order(seed: int, begins: Stage, doings: list[str]) -> None:
    world = at_stage(begins, calm(seed))
    world.model_error = world.person_error = 0.3
    for doing in doings:
        world.now += timedelta(minutes=7)
        world.do(doing)
    check_acts(world)
    check_silence(world)
    check_decisions(world)
    text = world.machine.snapshot()
    assert folded(world.log, world.policy).snapshot() == text
    assert Machine.of_snapshot(text, world.policy, SALT, LABELS).snapshot() == text


def test_going_on_from_a_snapshot_equals_folding_everything(worlds: list[World]) -> None:
    for world in worlds:
        whole, parts = Machine(world.policy, SALT, LABELS), Machine(world.policy, SALT, LABELS)
        for number, event in enumerate(world.log):
            assert whole.take(event) == parts.take(event)
            if number % 97 == 0:
                parts = Machine.of_snapshot(parts.snapshot(), world.policy, SALT, LABELS)
        assert whole.snapshot() == parts.snapshot() == world.machine.snapshot()
        assert whole.readings() == parts.readings()


def test_events_survive_the_log_to_the_bit(worlds: list[World]) -> None:
    for world in worlds[:3]:
        for event in world.log:
            body = to_body(event)
            assert of_body(body) == event
            assert to_body(of_body(body)) == body


def test_a_draw_follows_from_unit_salt_and_stage_alone(worlds: list[World]) -> None:
    for world in worlds:
        machine = Machine(world.policy, SALT, LABELS)
        units: dict[tuple[str, Stage, int, bool], Draw] = {}
        for event in world.log:
            if isinstance(event, Arrived):
                assert machine.draw(event.case, event.answer, event.known) == event.draw
                key = (event.case.unit, machine.stage, machine.step, bool(machine.holds))
                first = units.setdefault(key, event.draw)
                assert first.reserve is event.draw.reserve
                if event.draw.audit_share == first.audit_share:
                    assert first.audit is event.draw.audit or first.route is not event.draw.route
            machine.take(event)


def test_seeded_cases_are_never_acted_on_nor_adjudicated(worlds: list[World]) -> None:
    for world in worlds:
        seeded = {event.case.id for event in world.log if isinstance(event, Arrived) and event.known is not None}
        assert seeded
        assert all(ask.kind is not ReviewKind.ADJUDICATE for ask in world.asked if ask.case_id in seeded)
        assert all(one.how is not ToldHow.MODEL for case_id, one in world.settled.items() if case_id in seeded)


def test_adjudications_of_concordant_cases_look_like_all_others(worlds: list[World]) -> None:
    drawn = {event.case.id: event for world in worlds for event in world.log if isinstance(event, Arrived)}
    for world in worlds:
        drawn = {event.case.id: event for event in world.log if isinstance(event, Arrived)}
        first = {}
        for event in world.log:
            if isinstance(event, Decided) and event.review is ReviewKind.DECIDE and event.label is not None:
                first.setdefault(event.case_id, event.label)
        concordant = 0
        for ask in world.asked:
            if ask.kind is ReviewKind.ADJUDICATE:
                assert len(set(ask.shown)) == 2
                assert {first[ask.case_id], drawn[ask.case_id].answer.label} <= set(ask.shown)
                concordant += first[ask.case_id] == drawn[ask.case_id].answer.label
        assert concordant > 0


def test_the_order_of_two_answers_says_nothing() -> None:
    assignment = Assignment(SALT)
    first = [assignment.pair(f"{number:032x}", "person", "model")[0] == "person" for number in range(2_000)]
    assert 900 < sum(first) < 1_100


def test_shares_are_what_they_say_and_nested() -> None:
    assignment = Assignment(SALT)
    units = [f"unit-{number}" for number in range(20_000)]
    few = {unit for unit in units if assignment.chosen("step", unit, 0.05)}
    more = {unit for unit in units if assignment.chosen("step", unit, 0.25)}
    assert few < more
    assert abs(len(more) / len(units) - 0.25) < 0.01
    both = {unit for unit in more if assignment.chosen("audit", unit, 0.1)}
    assert abs(len(both) / len(more) - 0.1) < 0.02, "purposes are independent"


# Single cases


def at_stage(stage: Stage, world: World) -> World:
    """Bring a world to a stage, with cases on which everybody agrees."""
    for number in range(400):
        if world.machine.stage is stage and not world.machine.holds:
            return world
        world.now += timedelta(minutes=10)
        if number % 10 == 9:
            world.somebody_advances()
        if world.machine.stage is stage:
            return world
        case_id = world.arrive()
        for _ in range(4):
            if case_id in world.open:
                ask = world.open[case_id]
                world.decide(ask, next(by for by in ("ada", "ben", "cleo", "dan") if by not in ask.not_by))
    raise AssertionError(f"never came to {stage}; {world.machine.refusals()}")


def calm(seed: int = 3, **changes: object) -> World:
    """A world without errors."""
    return World(seed, quick_policy(**changes), model_error=0.0, person_error=0.0)


def told(world: World, case_id: str, by: str, label: str | None) -> tuple[object, ...]:
    """Let a person answer what a case waits for."""
    ask = world.open.pop(case_id)
    effects = world.run.take(Decided(world.now, case_id, ask.kind, ask.round, by, label, HOW[ask.kind]))
    world.carry(effects)
    return effects


def sent(world: World, answer_label: str = "good", **changes: object) -> str:
    """Send a case whose answer is certified."""
    world.number += 1
    case = replace(a_case(world.number, world.now), **changes)
    world.truths[case.id] = "good"
    world.carry(world.run.arrive(case, an_answer(answer_label), world.now)[1])
    return case.id


def test_discordant_cases_are_adjudicated_by_somebody_else_between_two_unnamed_answers() -> None:
    world = calm()
    case_id = sent(world, "cracked")
    assert world.open[case_id].kind is ReviewKind.DECIDE
    assert world.open[case_id].shown == ()
    told(world, case_id, "ada", "good")
    assert world.settled[case_id] == Settled(case_id, "good", ToldHow.BLIND, "ada")
    while world.open[case_id].kind is ReviewKind.DECIDE:
        told(world, case_id, "ben", "good")
    ask = world.open[case_id]
    assert ask.kind is ReviewKind.ADJUDICATE
    assert set(ask.shown) == {"good", "cracked"}
    assert "ada" in ask.not_by


def test_one_case_of_a_group_is_adjudicated() -> None:
    world = calm()
    kinds = []
    for _ in range(3):
        case_id = sent(world, "cracked", group="burst-1")
        for by in ("ada", "ben"):
            if case_id in world.open and world.open[case_id].kind is ReviewKind.DECIDE:
                told(world, case_id, by, "good")
        kinds.append(world.open[case_id].kind if case_id in world.open else None)
    assert kinds == [ReviewKind.ADJUDICATE, None, None]
    assert world.machine.tally.changed.discordant == 0
    told(world, a_case(1).id, "cleo", "good")
    while a_case(1).id in world.open:
        told(world, a_case(1).id, "dan", "good")
    assert world.machine.tally.changed.compared == world.machine.tally.changed.person_right == 1


def test_nobody_decides_or_adjudicates_a_case_twice() -> None:
    world = calm()
    case_id = sent(world, "cracked")
    told(world, case_id, "ada", "good")
    ask = world.open[case_id]
    before = world.machine.snapshot()
    with pytest.raises(LogError, match="ada has decided"):
        world.machine.take(Decided(world.now, case_id, ask.kind, ask.round, "ada", "good", HOW[ask.kind]))
    assert world.machine.snapshot() == before


def test_somebody_who_cannot_tell_is_followed_by_one_more_and_then_the_case_is_undecided() -> None:
    world = calm()
    case_id = sent(world)
    told(world, case_id, "ada", None)
    assert case_id not in world.settled
    assert world.open[case_id].not_by == ("ada",)
    told(world, case_id, "ben", None)
    assert world.settled[case_id].label is None
    assert world.machine.tally.counts.undecided == 1
    assert world.machine.tally.counts.cannot_tell == 1


def test_a_case_that_nobody_resolves_counts_worst_case_and_its_adjudication_is_withdrawn() -> None:
    world = calm()
    case_id = sent(world, "cracked")
    told(world, case_id, "ada", "good")
    while world.open[case_id].kind is ReviewKind.DECIDE:
        told(world, case_id, "ben", "good")
    waiting = sent(world)
    world.now += timedelta(days=3, seconds=1)
    effects = world.run.pass_time(world.now)
    assert Withdraw(case_id) in effects
    assert Withdraw(waiting) not in effects, "it still needs its decision"
    world.carry(effects)
    assert world.machine.tally.counts.unresolved == 2
    assert world.machine.tally.changed.unresolved == 1
    told(world, waiting, "ada", "good")
    assert world.settled[waiting].label == "good"
    assert world.machine.waiting == 0


def test_time_that_changes_something_has_to_be_logged_before_anything_else() -> None:
    world = calm()
    sent(world)
    late = world.now + timedelta(days=4)
    case = a_case(99, late)
    draw = world.machine.draw(case, an_answer())
    with pytest.raises(LogError, match="without a tick"):
        world.machine.take(Arrived(late, case, an_answer(), draw))
    world.machine.take(Ticked(late))
    world.machine.take(Arrived(late, case, an_answer(), draw))


def test_in_the_supervised_stage_a_person_confirms_or_overrides() -> None:
    world = at_stage(Stage.SUPERVISED, calm())
    while True:
        case_id = sent(world, "good")
        if world.open[case_id].kind is ReviewKind.CONFIRM:
            break
    assert world.open[case_id].shown == ("good",)
    told(world, case_id, "ada", "cracked")
    assert world.settled[case_id] == Settled(case_id, "cracked", ToldHow.ASSISTED, "ada")
    rows = {(one.by, one.slice): one for one in world.machine.tally.overrides()}
    assert rows["ada", None].overridden >= 1
    assert rows[None, "site=north"].overridden >= 1


def test_a_share_of_the_supervised_stage_stays_blind() -> None:
    world = at_stage(Stage.SUPERVISED, calm())
    kinds = [world.open[sent(world, "good")].kind for _ in range(300)]
    blind = kinds.count(ReviewKind.DECIDE) / len(kinds)
    assert 0.3 < blind < 0.5, "the policy keeps back 0.4"


def test_a_pause_takes_proposals_back_and_asks_for_blind_decisions() -> None:
    world = at_stage(Stage.SUPERVISED, calm())
    while True:
        case_id = sent(world, "good")
        if world.open[case_id].kind is ReviewKind.CONFIRM:
            break
    world.turn(world.machine.paused("ada", "a look at it", world.now))
    assert world.open[case_id].kind is ReviewKind.DECIDE
    assert world.open[case_id].shown == ()
    assert world.open[sent(world, "good")].kind is ReviewKind.DECIDE
    with pytest.raises(UsageError, match="paused already"):
        world.machine.paused("ben", "again", world.now)
    world.turn(world.machine.resumed("ben", "all is well", world.now))
    assert any(world.open[sent(world, "good")].kind is ReviewKind.CONFIRM for _ in range(40))


def test_a_confirmation_made_while_the_proposal_was_taken_back_stands() -> None:
    world = at_stage(Stage.SUPERVISED, calm())
    while True:
        case_id = sent(world, "good")
        if world.open[case_id].kind is ReviewKind.CONFIRM:
            break
    world.turn(world.machine.paused("ada", "a look at it", world.now))
    event = Decided(world.now, case_id, ReviewKind.CONFIRM, 0, "ben", "good", ToldHow.ASSISTED)
    assert world.machine.take(event) == (Withdraw(case_id), Settled(case_id, "good", ToldHow.ASSISTED, "ben"))
    with pytest.raises(LogError):
        world.machine.take(event)


def test_the_model_acts_on_a_share_that_grows_and_audits_are_blind() -> None:
    world = at_stage(Stage.EXPANDING, calm())
    acted = [sent(world, "good") for _ in range(400)]
    by_model = [case_id for case_id in acted if case_id in world.settled]
    assert 0.22 < len(by_model) / len(acted) < 0.38, "the first step is 0.3"
    audited = [case_id for case_id in by_model if case_id in world.open]
    assert audited
    assert {world.open[case_id].kind for case_id in audited} == {ReviewKind.DECIDE}
    told(world, audited[0], "ada", "cracked")
    assert world.open[audited[0]].kind is ReviewKind.ADJUDICATE
    assert world.settled[audited[0]].how is ToldHow.MODEL, "what took effect stands"


def test_a_scope_limits_what_the_model_may_do() -> None:
    policy = quick_policy()
    supervised = Supervised.model_validate(
        {
            **policy.supervised.model_dump(),
            "scope": {"slices": {"site": ("north",)}, "labels": ("good",), "hours": (8, 20)},
        }
    )
    world = calm(supervised=supervised)
    at_stage(Stage.SUPERVISED, world)
    world.now = START.replace(hour=9) + timedelta(days=1)
    outside = (
        {"slices": {"site": "south"}},
        {"slices": {}},
        {"at": world.now.replace(hour=22)},
    )
    for number in range(60):
        for changes in outside:
            world.number += 1
            case = replace(a_case(world.number, world.now), **changes)
            assert not world.machine.draw(case, an_answer("good")).in_scope
        case = a_case(world.number + 1000 + number, world.now)
        assert world.machine.draw(case, an_answer("good")).in_scope
        assert not world.machine.draw(case, an_answer("cracked")).in_scope
        assert not world.machine.draw(case, an_answer("good", certified=False)).in_scope
        assert not world.machine.draw(case, an_answer("good", in_domain=False)).in_scope


def test_a_rollback_needs_no_gates_latches_and_is_cleared_by_a_person_with_a_reason() -> None:
    world = at_stage(Stage.EXPANDING, calm())
    assert world.machine.spent > 0
    world.turn(world.machine.rolled_back("ben", "it looks wrong", world.now))
    assert world.machine.stage is Stage.ROLLED_BACK
    assert world.open[sent(world)].kind is ReviewKind.DECIDE
    for make in (world.machine.advanced, world.machine.paused, world.machine.rolled_back, world.machine.resumed):
        with pytest.raises(UsageError):
            make("ada", "no", world.now)
    for by, reason in (("", "why"), ("ada", " ")):
        with pytest.raises(UsageError, match="name of a person and a reason"):
            world.machine.cleared(by, reason, world.now)
    world.turn(world.machine.cleared("ada", "the lens was dirty", world.now))
    assert world.machine.stage is Stage.PARALLEL
    assert world.machine.spent == 0
    assert world.machine.standing.attempt == 1
    assert world.machine.refusals(), "the evidence is fresh"


def test_advancing_is_refused_with_every_reason() -> None:
    world = calm()
    with pytest.raises(UsageError, match="it cannot advance from parallel") as raised:
        world.machine.advanced("ada", "now", world.now)
    assert all(words in str(raised.value) for words in world.machine.refusals())


def test_an_advance_records_what_it_rests_on_and_the_alpha_it_spends() -> None:
    world = calm()
    at_stage(Stage.EXPANDING, world)
    turns = [event for event in world.log if isinstance(event, Turned) and event.turn is Turn.ADVANCED]
    spent = [alpha_of(world.policy, stage, 0) for stage in (Stage.PARALLEL, Stage.SUPERVISED)]
    assert [turned.evidence["spent"] for turned in turns] == spent
    assert world.machine.spent == sum(spent)
    assert turns[1].evidence["spent_before"] == turns[0].evidence["spent"]
    assert turns[0].evidence["head_hash"] == "0" * 64
    assert turns[0].evidence["head"] == world.log.index(turns[0])
    assert json.loads(to_body(turns[0]))["evidence"]["readings"]


def test_an_alarm_holds_until_a_person_clears_it_and_other_holds_stay() -> None:
    from drivetrain.rollout.events import Alarmed

    world = at_stage(Stage.SUPERVISED, calm())
    alarm = Alarmed(world.now, "a1", "out-of-domain-rate", "site north looks different")
    effects = world.run.take(alarm)
    assert any(isinstance(effect, Turns) and effect.turn is Turn.PAUSED for effect in effects)
    world.carry(effects)
    with pytest.raises(LogError, match="second time"):
        world.machine.take(alarm)
    world.turn(world.machine.paused("ben", "a look", world.now))
    with pytest.raises(UsageError, match="clear the alarm first"):
        world.machine.resumed("ben", "done", world.now)
    world.carry(world.run.take(replace(alarm, cleared=True, words="looked at")))
    assert [hold.kind for hold in world.machine.holds] == [HoldKind.PERSON]
    world.turn(world.machine.resumed("ben", "done", world.now))
    assert world.machine.holds == ()


@pytest.mark.parametrize(
    ("monitor", "stage", "held"),
    [
        ("score", Stage.SUPERVISED, False),
        ("confidence", Stage.SUPERVISED, True),
        ("audited-error", Stage.ROLLED_BACK, True),
        ("one-of-tomorrow", Stage.SUPERVISED, True),
    ],
)
def test_alarms_do_what_the_policy_says(monitor: str, stage: Stage, held: bool) -> None:
    from drivetrain.rollout.events import Alarmed

    world = at_stage(Stage.SUPERVISED, calm())
    world.carry(world.run.take(Alarmed(world.now, "a1", monitor, "it changed")))
    assert world.machine.stage is stage
    assert bool(world.machine.holds) is held


def test_quiet_days_pause_and_never_advance() -> None:
    world = at_stage(Stage.SUPERVISED, calm())
    for _ in range(30):
        case_id = sent(world)
        for _ in range(4):
            if case_id in world.open:
                ask = world.open[case_id]
                told(world, case_id, next(by for by in ("ada", "ben", "cleo") if by not in ask.not_by), "good")
    assert world.machine.next_moment() is not None
    world.now += timedelta(days=2, minutes=1)
    world.carry(world.run.pass_time(world.now))
    assert [hold.kind for hold in world.machine.holds] == [HoldKind.QUIET]
    assert world.machine.stage is Stage.SUPERVISED
    assert "no case has come since" in world.machine.holds[0].words


def test_an_ended_rollout_takes_decisions_that_are_still_wanted_and_no_cases() -> None:
    world = at_stage(Stage.SUPERVISED, calm())
    case_id = sent(world)
    world.turn(world.machine.ended("ada", "a better one is there", world.now))
    case = a_case(9_999, world.now)
    with pytest.raises(LogError, match="in which none may come"):
        world.run.arrive(case, an_answer(), world.now)
    told(world, case_id, "ada", "good")
    assert world.settled[case_id].label == "good"
    assert world.machine.waiting == 0
    with pytest.raises(UsageError, match="has ended"):
        world.machine.cleared("ada", "again", world.now)


def test_a_log_of_another_salt_or_labels_is_refused() -> None:
    policy = quick_policy()
    for machine in (Machine(policy, bytes(32), LABELS), Machine(policy, SALT, ("a", "b"))):
        with pytest.raises(LogError):
            machine.take(opened(policy))


def test_forged_lines_are_impossible_events() -> None:
    world = calm()
    case_id = sent(world)
    now = world.now
    forged: list[Event] = [
        opened(world.policy),
        Turned(now, Turn.ADVANCED, None, "because", Stage.SUPERVISED),
        Turned(now, Turn.ADVANCED, "ada", "because", Stage.EXPANDING),
        Turned(now, Turn.CLEARED, "ada", "because", Stage.PARALLEL),
        Arrived(now, a_case(77), an_answer(), Draw(Route.ACTED, in_scope=True)),
        Arrived(now, a_case(77), an_answer(), Draw(Route.PROPOSED, in_scope=True)),
        Arrived(now, a_case(1), an_answer(), Draw(Route.BLIND)),
        Arrived(now, a_case(77), an_answer(), Draw(Route.BLIND), "purple"),
        Decided(now, case_id, ReviewKind.CONFIRM, 0, "ada", "good", ToldHow.ASSISTED),
        Decided(now, case_id, ReviewKind.DECIDE, 1, "ada", "good", ToldHow.BLIND),
        Decided(now, case_id, ReviewKind.DECIDE, 0, "ada", "purple", ToldHow.BLIND),
        Decided(now, case_id, ReviewKind.DECIDE, 0, "ada", "good", ToldHow.MODEL),
        Decided(now, "f" * 32, ReviewKind.DECIDE, 0, "ada", "good", ToldHow.BLIND),
    ]
    before = world.machine.snapshot()
    for event in forged:
        with pytest.raises(LogError):
            world.machine.take(event)
        assert world.machine.snapshot() == before


def test_a_log_folds_to_the_same_machine_from_its_text(worlds: list[World]) -> None:
    for world in worlds[:4]:
        again = folded([of_body(to_body(event)) for event in world.log], world.policy)
        assert again.snapshot() == world.machine.snapshot()


def test_asks_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Ask("1", ReviewKind.DECIDE).round = 2
