"""The backtest of a rollout's log equals the live run on the same events, decision for decision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from live_world import ROLLOUT, Clock, begun, events_of, live
from rollouts_in_memory import MemoryStore
from town import Town, any_policy

from drivetrain.core.rollout_port import RolloutStore
from drivetrain.rollout.backtest.log_lines import Recorded, past_of_lines
from drivetrain.rollout.backtest.player import Played, Player, Setting
from drivetrain.rollout.draw import Route
from drivetrain.rollout.events import Arrived, Event, Turn, Turned
from drivetrain.rollout.policy import Policy
from drivetrain.rollout.stage import Stage
from drivetrain.store.sql_store import open_store


def recorded(store: RolloutStore) -> Recorded:
    """The past cases of the log."""
    row = store.rollout(ROLLOUT)
    assert row is not None
    return past_of_lines(store.verify_log(ROLLOUT), row, "store")


def played(found: Recorded, policy: Policy) -> tuple[Played, list[Event]]:
    """The backtest of the log of its own policy and bundle, and every event of it."""
    past, heard = found.past, list[Event]()
    assert past.opened is not None
    assert past.salt is not None
    setting = Setting(policy, past.salt, past.opened, past.cases, found.answers, as_logged=past.happened)
    return Player(setting, heard.append).play(), heard


def without_head(event: Event) -> Event:
    """An event without the line of the log that it rested on, which a backtest has not."""
    if not isinstance(event, Turned):
        return event
    evidence = {name: value for name, value in event.evidence.items() if name not in ("head", "head_hash")}
    return replace(event, evidence=evidence)


def check(store: RolloutStore, seed: int, steps: int) -> tuple[set[Route], set[Turn], set[Stage]]:
    """Run a town, backtest its log, and hold both against each other; return what happened in it."""
    clock, policy = Clock(), any_policy(seed)
    begun(store, policy)
    rollout = live(store, clock)
    town = Town(seed, clock, rollout)
    for _ in range(steps):
        town.step()
    rollout.tick(clock.move(minutes=15))
    logged = events_of(store)
    run, heard = played(recorded(store), policy)
    assert [without_head(event) for event in heard] == [without_head(event) for event in logged]
    assert (run.stage, run.step) == (rollout.machine.stage, rollout.machine.step)
    draws = {event.case.id: event.draw for event in logged if isinstance(event, Arrived)}
    assert {name: way.draw for name, way in run.ways.items()} == draws
    settled = store.settled(ROLLOUT, list(run.ways))
    assert {name: (way.label, way.how) for name, way in run.ways.items() if way.how is not None} == {
        name: (label, how) for name, (label, how, _) in settled.items()
    }
    assert run.samples[-1].readings == rollout.machine.readings(run.samples[-1].at)
    turns = [event for event in logged if isinstance(event, Turned)]
    return {draw.route for draw in draws.values()}, {one.turn for one in turns}, {one.stage for one in turns}


@pytest.mark.thorough
def test_the_backtest_of_a_log_equals_the_live_run() -> None:
    routes, turns, stages = set[Route](), set[Turn](), set[Stage]()
    for seed in range(6):
        happened = check(MemoryStore(), seed, 800)
        routes, turns, stages = routes | happened[0], turns | happened[1], stages | happened[2]
    assert routes == set(Route)
    assert turns >= set(Turn) - {Turn.ENDED}
    assert stages >= {Stage.PARALLEL, Stage.SUPERVISED, Stage.EXPANDING, Stage.ROLLED_BACK}


@pytest.mark.parametrize("seed", [10, 11])
def test_so_it_does_from_a_database(tmp_path: Path, seed: int) -> None:
    opened = open_store(str(tmp_path / "store.sqlite"))
    try:
        assert check(opened, seed, 350)
    finally:
        opened.close()


@pytest.mark.thorough
def test_decisions_found_in_the_log_lead_the_same_way_as_live() -> None:
    """Nothing is repeated here: a simulated person advances before each case, as the live one did, and whatever is asked is
    looked up among what people said. So it is for every other policy."""
    routes = set[Route]()
    for seed in range(20, 24):
        calm = any_policy(seed)
        calm = calm.model_copy(
            update={
                "cases": calm.cases.model_copy(update={"unresolved_after_days": 100.0}),
                "rollback": calm.rollback.model_copy(update={"quiet_days": 100.0}),
            }
        )
        store, clock = MemoryStore(), Clock()
        begun(store, calm)
        rollout = live(store, clock)
        town = Town(seed, clock, rollout)
        for _ in range(500):
            clock.move(seconds=town.random.expovariate(1 / 60))
            if town.random.random() < 0.3:
                town.advance()
                town.arrive()
            else:
                town.review()
        rollout.flush(clock.move(minutes=15))
        logged, found = events_of(store), recorded(store)
        past, heard = found.past, list[Event]()
        assert past.opened is not None
        assert past.salt is not None
        setting = Setting(
            calm,
            past.salt,
            past.opened,
            past.cases,
            found.answers,
            person="ada",
            reason="the gates passed",
            looks=10_000,
        )
        Player(setting, heard.append).play()
        assert [without_head(event) for event in heard[: len(logged)]] == [without_head(event) for event in logged]
        assert all(isinstance(event, Turned) for event in heard[len(logged) :])  # the last look, behind the last case
        routes |= {event.draw.route for event in logged if isinstance(event, Arrived)}
    assert routes == set(Route)
