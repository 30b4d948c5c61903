"""A town around a live rollout: senders, people, a model and its monitors, all of them by chance, under a policy by chance."""

from __future__ import annotations

import random

from live_world import Clock
from rollout_world import LABELS, PEOPLE, a_case, an_answer, quick_policy

from drivetrain.core.errors import UsageError
from drivetrain.rollout.live import Live
from drivetrain.rollout.policy import Cases, Expanding, Parallel, Policy, Rollback, Spend, Supervised


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
