"""A champion with its people, and candidates that read it along."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from live_world import ROLLOUT, Clock, numbered
from rollout_world import LABELS, PEOPLE, SALT, START, a_case, an_answer, opened, quick_policy

from drivetrain.core.case import Case, ModelAnswer
from drivetrain.core.rollout_port import RolloutStore
from drivetrain.core.rollout_records import GENESIS, RolloutRow
from drivetrain.rollout.event_json import of_body, to_body
from drivetrain.rollout.events import Event, Followed
from drivetrain.rollout.live import Live
from drivetrain.rollout.policy import Policy
from drivetrain.rollout.shadow import Shadow


def policy_without_seeds() -> Policy:
    """A quick policy that asks for no seeded cases."""
    policy = quick_policy()
    return policy.model_copy(update={"supervised": policy.supervised.model_copy(update={"seeded": 0.0})})


def candidate_of(store: RolloutStore, policy: Policy, number: int = 1, champion: str = ROLLOUT) -> str:
    """Open a candidate beside the champion, with its salt; returns its id."""
    rollout_id, own = f"{number:032x}".replace("0", "c", 1), policy.model_copy(update={"name": f"candidate-{number}"})
    row = RolloutRow(
        rollout_id, own.name, own.model, "bundle-2", "parallel", 0, False, START, SALT, 0, GENESIS, champion
    )
    store.open_rollout(row)
    with store.rollout_log(rollout_id) as log:
        log.append(START, to_body(opened(own)))
    return rollout_id


def events_in(store: RolloutStore, rollout_id: str, *, followed: bool = False) -> list[Event]:
    """Every event of a log, which is verified on the way; without those that only say what was read, unless asked for."""
    events = [of_body(line.body) for line in store.verify_log(rollout_id)]
    return [one for one in events if followed or not isinstance(one, Followed)]


class Line:
    """A champion, a sender, and people who review, by chance from a seed."""

    def __init__(self, store: RolloutStore, clock: Clock, seed: int) -> None:
        self.store, self.clock, self.random = store, clock, random.Random(seed)
        self.champion = Live(store, ROLLOUT, clock, numbered("a"))
        self.number = 0
        self.truths: dict[str, str] = {}
        self.answers: dict[str, ModelAnswer] = {}

    def arrive(self, **changes: Any) -> Case:
        """Send a case to the champion."""
        return self.arrive_at(self.champion, **changes)

    def arrive_at(self, rollout: Live, **changes: Any) -> Case:
        """Send a case."""
        chance, self.number = self.random, self.number + 1
        case = a_case(self.number, self.clock.now, slices={"site": chance.choice(("north", "south"))}, **changes)
        truth = chance.choice(LABELS)
        self.truths[case.id] = truth
        label = truth if chance.random() < 0.85 else chance.choice(LABELS)
        self.answers[case.id] = an_answer(label, certified=chance.random() < 0.85)
        rollout.arrive(case, self.answers[case.id])
        return case

    def review(self, rollout: Live | None = None) -> bool:
        """Let somebody decide the next review, if there is one for this person."""
        by = self.random.choice(PEOPLE)
        shown = (rollout or self.champion).next_review(by)
        if shown is None:
            return False
        truth = self.truths[shown.case.id]
        label: str | None = truth if self.random.random() < 0.9 else self.random.choice(LABELS)
        if self.random.random() < 0.03:
            label = None
        (rollout or self.champion).decide(shown.review_id, by, label, 3.0)
        return True

    def step(self) -> None:
        self.clock.move(seconds=self.random.expovariate(1 / 60))
        doing = self.random.choices((self.arrive, self.review, self.outcome, self.tick), weights=(30, 60, 1, 9))[0]
        doing()

    def outcome(self) -> None:
        if self.truths:
            case_id = self.random.choice(list(self.truths))
            self.champion.turned_out(case_id, self.truths[case_id], "laboratory")

    def tick(self) -> None:
        self.champion.tick(self.clock.now)

    def all_decide(self, rollout: Live | None = None) -> None:
        """Let people work until there is nothing to do, and all of it is final."""
        live = rollout or self.champion
        for _ in range(60):
            while self.review(live):
                pass
            self.clock.move(minutes=2)
            live.tick(self.clock.now)

    def twin(self, case: Case) -> ModelAnswer:
        """The champion's own answer."""
        return self.answers[case.id]

    def other(self, share: float, certified: bool = True) -> Callable[[Case], ModelAnswer]:
        """Answer as the champion does, but for a share of cases, by their numbers."""

        def answer(case: Case) -> ModelAnswer:
            mine = self.answers[case.id]
            chance = random.Random(case.id)
            if chance.random() >= share:
                return mine
            return an_answer(chance.choice([one for one in LABELS if one != mine.label]), certified=certified)

        return answer


def shadow_of(
    line: Line,
    rollout_id: str,
    answer: Callable[[Case], ModelAnswer | None],
    store: Any = None,
    prefix: str = "b",
    champion: str = ROLLOUT,
) -> tuple[Shadow, Live]:
    """A process that follows: a shadow and its candidate."""
    store = store or line.store
    candidate = Live(store, rollout_id, line.clock, numbered(prefix))
    followed = Live(store, champion, line.clock, numbered(prefix + "c"))
    return Shadow(store, candidate, followed, answer, numbered(prefix + "d")), candidate


def follow_all(shadow: Shadow) -> None:
    """Follow to the end."""
    while shadow.follow():
        pass


def kinds_asked(store: RolloutStore, rollout_id: str, at: Clock) -> Mapping[str, Mapping[str, int]]:
    """The reviews that are open, by kind."""
    return store.queue_counts(rollout_id, at.now)
