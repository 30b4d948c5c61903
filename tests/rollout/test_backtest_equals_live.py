"""The backtest of a rollout's log equals the live run on the same events, decision for decision."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from live_world import ROLLOUT, Clock, begun, events_of, live
from memory_store import MemoryStore
from rollout_world import LABELS, PEOPLE, a_case, an_answer, quick_policy

from drivetrain.core.errors import UsageError
from drivetrain.core.rollout_port import RolloutStore
from drivetrain.rollout.backtest.log_lines import Recorded, past_of_lines
from drivetrain.rollout.backtest.player import Played, Player, Setting
from drivetrain.rollout.draw import Route
from drivetrain.rollout.events import Arrived, Event, Turn, Turned
from drivetrain.rollout.live import Live
from drivetrain.rollout.policy import Cases, Expanding, Parallel, Policy, Rollback, Spend, Supervised
from drivetrain.rollout.stage import Stage
from drivetrain.store.sql_store import open_store


def any_policy(seed: int) -> Policy:
    """A policy drawn at random, under which worlds of some hundred cases come through stages, and are stopped now and then."""
    chance = random.Random(seed)
    some = {
        "min_cases": chance.randint(2, 12),
        "min_days": 0.0,
        "max_out_of_domain": 1.0,
        "max_latency_ms": 60_000.0,
        "max_unresolved": 1.0,
    }
    share = chance.uniform
    return quick_policy(
        alpha=share(0.5, 0.9),
        spend=Spend(parallel=0.4, supervised=0.3, expanding=0.3),
        cases=Cases(
            slices=chance.choice(((), ("site",))),
            unresolved_after_days=share(1, 4),
            undo_seconds=chance.choice((0.0, 30.0, 600.0)),
            reserve=share(0, 0.3),
        ),
        parallel=Parallel(
            margin=share(0.5, 0.9),
            audit=share(0.05, 0.6),
            adjudicate_twice=share(0, 0.5),
            decide_twice=share(0, 0.5),
            **some,
        ),
        supervised=Supervised(
            max_error=share(0.5, 0.9), max_override=1.0, blind=share(0.2, 0.6), max_seeded_error=1.0, **some
        ),
        expanding=Expanding(
            max_error=share(0.5, 0.9),
            audit=share(0.1, 0.4),
            audit_early=share(0.4, 0.9),
            early_cases=chance.randint(0, 20),
            new_audits=chance.randint(0, 3),
            steps=chance.choice(((0.5, 1.0), (0.3, 0.6, 1.0), (1.0,))),
            **some,
        ),
        rollback=Rollback(
            max_error=share(0.05, 0.3), quiet_days=share(1, 3), level=share(30, 300), pause_level=share(5, 30)
        ),
    )


class Town:
    """People, senders, a model and its monitors around one live rollout, all of them by chance."""

    def __init__(self, seed: int, clock: Clock, rollout: Live) -> None:
        self.random = random.Random(seed)
        self.clock, self.rollout = clock, rollout
        self.number = 0
        self.truths: dict[str, str] = {}
        self.person_error, self.model_error = self.random.uniform(0, 0.2), self.random.uniform(0, 0.2)

    def step(self) -> None:
        chance = self.random
        self.clock.move(seconds=chance.expovariate(1 / 60))
        if self.number == 250:
            self.model_error = 0.7
        doing = chance.choices(
            (
                self.arrive,
                self.review,
                self.undo,
                self.tick,
                self.advance,
                self.turn,
                self.alarm,
                self.outcome,
                self.silence,
            ),
            weights=(30, 70, 2, 8, 8, 0.3, 0.2, 2, 0.1),
        )[0]
        doing()

    def arrive(self) -> None:
        chance = self.random
        self.number += 1
        truth = chance.choice(LABELS)
        label = truth if chance.random() > self.model_error else chance.choice(LABELS)
        group = f"burst-{self.number // 3}" if chance.random() < 0.3 else None
        case = a_case(self.number, self.clock.now, group=group, slices={"site": chance.choice(("north", "south"))})
        self.truths[case.id] = truth
        answer = an_answer(
            label if chance.random() < 0.98 else None,
            certified=chance.random() < 0.9,
            in_domain=chance.random() < 0.97,
            latency_s=chance.expovariate(20),
        )
        try:
            self.rollout.arrive(case, answer, known=truth if chance.random() < 0.04 else None)
        except UsageError:
            del self.truths[case.id]  # the rollout has ended

    def review(self) -> None:
        by = self.random.choice(PEOPLE)
        shown = self.rollout.next_review(by)
        if shown is None or self.random.random() < 0.05:
            return
        truth = self.truths[shown.case.id]
        wrong = self.random.choice([*LABELS, None])
        self.rollout.decide(shown.review_id, by, truth if self.random.random() > self.person_error else wrong, 3.5)

    def undo(self) -> None:
        self._try(lambda: self.rollout.undo(self.random.choice(PEOPLE)))

    def tick(self) -> None:
        self.rollout.tick(self.clock.now)

    def silence(self) -> None:
        self.clock.move(days=self.random.choice((1, 2.5, 4)))
        self.rollout.tick(self.clock.now)

    def advance(self) -> None:
        self._try(lambda: self.rollout.advance("ada", "the gates passed"))

    def turn(self) -> None:
        rollout = self.rollout
        turns = (rollout.pause, rollout.resume, rollout.resume, rollout.clear, rollout.clear, rollout.rollback)
        self._try(lambda: self.random.choice(turns)("ben", "to try it"))

    def alarm(self) -> None:
        name, cleared = f"alarm-{self.random.randrange(5)}", self.random.random() < 0.7
        monitor = self.random.choice(("confidence", "score", "audited-error"))
        self.rollout.alarm(name, monitor, "it changed", cleared=cleared)

    def outcome(self) -> None:
        if self.truths:
            case_id = self.random.choice(list(self.truths))
            self._try(lambda: self.rollout.turned_out(case_id, self.truths[case_id], "laboratory"))

    @staticmethod
    def _try(doing: object) -> None:
        assert callable(doing)
        try:
            doing()
        except UsageError:
            return


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
