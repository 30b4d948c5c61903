"""A small world of a rollout, from a seed: cases, a model, people, alarms, silence, and somebody who advances where it may be."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from drivetrain.core.case import Case, ModelAnswer
from drivetrain.core.errors import UsageError
from drivetrain.rollout.assignment import commitment
from drivetrain.rollout.effects import Ask, Effect, Settled, Withdraw
from drivetrain.rollout.events import Alarmed, Decided, Event, Opened, ReviewKind, Ticked, Turned, TurnedOut
from drivetrain.rollout.machine import Machine
from drivetrain.rollout.policy import Cases, Expanding, Parallel, Policy, Rollback, Supervised
from drivetrain.rollout.run import Run
from drivetrain.rollout.way import HOW

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
LABELS = ("good", "cracked", "dark")
SALT = bytes(range(32))
DOINGS = ("arrive", "decide", "advance", "turn", "alarm", "outcome", "silence", "tick")
PEOPLE = ("ada", "ben", "cleo", "dan")


def quick_policy(**changes: Any) -> Policy:
    """A policy whose gates pass after few cases, so that worlds come through every stage."""
    loose = {
        "min_cases": 3,
        "min_days": 0.0,
        "max_out_of_domain": 1.0,
        "max_latency_ms": 60_000.0,
        "max_unresolved": 1.0,
    }
    return Policy(
        name="line-3",
        model="cells",
        alpha=0.9,
        cases=Cases(slices=("site",), unresolved_after_days=3.0, undo_seconds=30.0),
        parallel=Parallel(margin=0.9, audit=0.3, adjudicate_twice=0.3, decide_twice=0.2, **loose),
        supervised=Supervised(max_error=0.9, max_override=1.0, blind=0.4, max_seeded_error=1.0, **loose),
        expanding=Expanding(
            max_error=0.9, audit=0.3, audit_early=0.6, early_cases=10, new_audits=2, steps=(0.3, 0.6, 1.0), **loose
        ),
        rollback=Rollback(max_error=0.3, quiet_days=2.0, level=50.0, pause_level=10.0),
    ).model_copy(update=changes)


def opened(policy: Policy, salt: bytes = SALT, at: datetime = START) -> Opened:
    """The first event of a log."""
    return Opened(at, "ada", policy.model_dump(mode="json"), "bundle-1", LABELS, commitment(salt))


def a_case(number: int, at: datetime = START, **changes: Any) -> Case:
    """A case of a number."""
    case = Case(f"{number:032x}", f"key-{number}", at, (f"{number:064x}",), {"site": "north"})
    return replace(case, **changes)


def an_answer(label: str | None = "good", **changes: Any) -> ModelAnswer:
    """A certified answer."""
    return replace(
        ModelAnswer(label, 0.97, "cracked" if label == "good" else "good", True, True, 0.02, "bundle-1"), **changes
    )


@dataclass
class World:
    """A run with all that its machine asked for."""

    seed: int
    policy: Policy = field(default_factory=quick_policy)
    model_error: float = 0.05
    person_error: float = 0.05
    open: dict[str, Ask] = field(default_factory=dict)
    settled: dict[str, Settled] = field(default_factory=dict)
    asked: list[Ask] = field(default_factory=list)
    log: list[Event] = field(default_factory=list)
    truths: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.machine = Machine(self.policy, SALT, LABELS)
        self.run = Run(self.machine, self.log.append)
        self.now = START
        self.number = 0
        self.alarms: list[str] = []
        self.run.take(opened(self.policy))

    def carry(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            if isinstance(effect, Ask):
                assert effect.case_id not in self.open, "a case waits for one review at a time"
                self.open[effect.case_id] = effect
                self.asked.append(effect)
            elif isinstance(effect, Withdraw):
                self.open.pop(effect.case_id)
            elif isinstance(effect, Settled):
                assert effect.case_id not in self.settled, "a case is decided once"
                self.settled[effect.case_id] = effect

    def arrive(self, **changes: Any) -> str:
        chance = self.random
        self.number += 1
        group = f"burst-{self.number // 3}" if chance.random() < 0.2 else None
        case = a_case(self.number, self.now, slices={"site": chance.choice(("north", "south"))}, group=group)
        case = replace(case, **changes)
        truth = chance.choice(LABELS)
        label = truth if chance.random() > self.model_error else chance.choice(LABELS)
        answer = an_answer(label, certified=chance.random() < 0.85, in_domain=chance.random() < 0.95)
        known = truth if chance.random() < 0.05 else None
        self.truths[case.id] = truth
        self.carry(self.run.arrive(case, answer, self.now, known)[1])
        return case.id

    def decide(self, ask: Ask, by: str) -> None:
        chance = self.random
        truth = self.truths[ask.case_id]
        label: str | None = truth if chance.random() > self.person_error else chance.choice(LABELS)
        if chance.random() < 0.03:
            label = None
        del self.open[ask.case_id]
        self.carry(self.run.take(Decided(self.now, ask.case_id, ask.kind, ask.round, by, label, HOW[ask.kind], 4.0)))

    def somebody_decides(self) -> None:
        able = [(ask, by) for ask in list(self.open.values())[:20] for by in PEOPLE if by not in ask.not_by]
        if able:
            self.decide(*self.random.choice(able))

    def turn(self, event: Turned) -> None:
        self.carry(self.run.take(event))

    def somebody_turns(self) -> None:
        machine, now = self.machine, self.now
        makers = (machine.paused, machine.resumed, machine.rolled_back, machine.cleared)
        make = self.random.choices(makers, weights=(3, 6, 1, 6))[0]
        try:
            self.turn(make("ada", "to try it", now))
        except UsageError:
            return

    def somebody_advances(self) -> None:
        try:
            event = self.machine.advanced("ada", "the gates passed", self.now, (len(self.log), "0" * 64))
        except UsageError:
            return
        self.turn(event)

    def alarm(self) -> None:
        if self.alarms and self.random.random() < 0.8:
            self.carry(self.run.take(Alarmed(self.now, self.alarms.pop(), "", "looked at", True)))
            return
        name = f"alarm-{len(self.log)}"
        self.alarms.append(name)
        monitor = self.random.choice(("score", "confidence", "out-of-domain-rate", "audited-error"))
        self.carry(self.run.take(Alarmed(self.now, name, monitor, "it looks different")))

    def outcome(self) -> None:
        case_id = self.random.choice(list(self.truths)) if self.truths else None
        if case_id is not None:
            self.carry(self.run.take(TurnedOut(self.now, case_id, self.truths[case_id], "laboratory")))

    def step(self) -> None:
        """Let one thing happen, by chance."""
        self.now += timedelta(minutes=self.random.expovariate(1 / 15))
        self.do(self.random.choices(DOINGS, weights=(30, 55, 3, 0.6, 0.5, 1.5, 0.1, 1))[0])

    def do(self, doing: str) -> None:
        """Let this happen, after the time that has passed."""
        if doing == "silence":
            self.now += timedelta(days=self.random.choice((1.0, 2.5, 4.0)))
        self.carry(self.run.pass_time(self.now))
        does = {
            "arrive": self.arrive,
            "decide": self.somebody_decides,
            "advance": self.somebody_advances,
            "turn": self.somebody_turns,
            "alarm": self.alarm,
            "outcome": self.outcome,
            "tick": lambda: self.carry(self.run.take(Ticked(self.now))),
            "silence": lambda: None,
        }
        does[doing]()

    def steps(self, count: int) -> Iterator[None]:
        for _ in range(count):
            self.step()
            yield


def folded(events: list[Event], policy: Policy) -> Machine:
    """A machine that has taken a log."""
    machine = Machine(policy, SALT, LABELS)
    for event in events:
        machine.take(event)
    return machine


def review_kinds() -> tuple[ReviewKind, ...]:
    """Every kind of review."""
    return tuple(ReviewKind)
