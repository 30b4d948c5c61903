"""One made-up rollout, from parallel on: the real machine, fed by a world and its staff, with a person who looks once a day."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np

from ..assignment import commitment
from ..draw import Route
from ..drawing import AT_WORK
from ..effects import Ask, Effect, Withdraw
from ..events import Opened, ReviewKind
from ..machine import Machine
from ..policy import Policy
from ..reading import GateVerdict
from ..run import Run
from ..stage import Stage
from .scores import Scores
from .staff import Staff
from .world import Assumed, MadeUp, World

BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
A_DAY = timedelta(days=1)

MOST = timedelta(days=365)
"""A stage that takes longer is given up."""

MOST_CASES = 20_000
"""So is one after so many cases: what they do not show, hardly any number will."""

SPARSE = 24.0
"""Cases a day that are made up once the evidence suffices and only days have to pass; each then stands for many."""

LOOK_SHARE, LOOK_CASES = 0.15, 100
"""Between two looks at the gates, this share of the stage's cases come, and at least so many."""

CALENDAR = frozenset({"days"})
"""Gates that only time passes."""

SHOWN_BY_LABELS = frozenset({"non-inferior", "risk"})
"""Gates that rest on labelled cases."""


@dataclass
class StageRun:
    """One stage, or one step of expanding, of one run. Counts are of the whole traffic, also where only a part was simulated."""

    stage: Stage
    step: int
    passed: bool = False
    days: float = 0.0
    labelled: int = 0
    """Labelled cases that the evidence rested on when it first sufficed; where it never did, all there were."""
    cases: float = 0.0
    reviews: dict[ReviewKind, float] = field(default_factory=lambda: dict.fromkeys(ReviewKind, 0.0))
    seconds: float = 0.0
    """Seconds that people worked."""
    acted: float = 0.0
    """Cases that the model decided."""
    errors: float = 0.0
    """Wrong ones among these."""
    simulated: int = 0
    """Cases that were made up."""
    missing: tuple[str, ...] = ()
    """Gates that did not pass in the end, or what stopped the model; none where the stage was passed."""
    tested: int = 0
    """Audits of acted cases among them."""


@dataclass(frozen=True, slots=True)
class Found:
    """The way of a fault until the model was stopped."""

    audits: int
    acted: int
    errors: int
    cases: int
    """All that came meanwhile."""
    rolled_back: bool
    """False: paused."""


class Simulation:
    """One run."""

    def __init__(
        self, policy: Policy, scores: Scores, assumed: Assumed, random: np.random.Generator, model_error: float
    ) -> None:
        salt = random.bytes(32)
        self._policy, self._assumed, self._random = policy, assumed, random
        self.machine = Machine(policy, salt, scores.labels)
        self._run = Run(self.machine, lambda _event: None)
        self._world = World(scores, assumed, random, model_error)
        self._staff = Staff(assumed, random)
        self._due: list[tuple[datetime, int, Ask]] = []
        self._number = count()
        self._open: dict[str, tuple[MadeUp, float]] = {}
        """Cases that wait for a review, each with the number of cases that it stands for."""
        self._waits: dict[str, int] = {}
        """By case the number of the review it waits for."""
        self._at, self._weight = BEGAN, 1.0
        self.now = StageRun(Stage.PARALLEL, 0)
        self._run.take(
            Opened(BEGAN, "plan", policy.model_dump(mode="json"), scores.bundle_id, scores.labels, commitment(salt))
        )

    def stage(self, most_labelled: int | None = None) -> StageRun:
        """Run until the stage or step is passed, or given up; ``most_labelled`` gives it up after so many labelled cases."""
        machine, began = self.machine, self._at
        self.now = run = StageRun(machine.stage, machine.step)
        suffices, next_look, self._weight = False, LOOK_CASES, 1.0
        next_day = began + A_DAY
        while self._at - began < MOST and run.simulated < MOST_CASES and self._runs(run):
            self._one()
            if not suffices and run.simulated >= next_look:
                next_look = run.simulated + max(LOOK_CASES, round(run.simulated * LOOK_SHARE))
                suffices = self._suffices()
                self._weight = max(1.0, self._assumed.traffic_per_day / SPARSE) if suffices else 1.0
                if most_labelled is not None and run.labelled >= most_labelled:
                    break
            if self._at >= next_day:
                next_day += A_DAY
                run.passed = suffices and not machine.refusals(self._at)
                if run.passed:
                    break
                suffices = suffices and self._suffices()
        run.days = (self._at - began) / A_DAY
        run.missing = () if run.passed else self._missing(run)
        return run

    def _missing(self, run: StageRun) -> tuple[str, ...]:
        machine = self.machine
        if machine.stage is not run.stage:
            return (machine.stage.value,)
        if machine.holds:
            return tuple(hold.kind.value for hold in machine.holds)
        readings = machine.readings(self._at)
        return tuple(dict.fromkeys(one.gate for one in readings if one.verdict is not GateVerdict.PASS))

    def _runs(self, run: StageRun) -> bool:
        return not self.machine.holds and self.machine.stage is run.stage

    def advance(self) -> None:
        """Advance, as the gates let it."""
        self._took(self._run.take(self.machine.advanced("plan", "the gates let it", self._at)), None, self._at)

    def fault(self, healthy_audits: int, error: float, most_audits: int) -> Found | None:
        """Let the model work, then fall ill; count until it is stopped. None: it was stopped before, or not in time."""
        self._weight = 1.0
        if not self._audited(healthy_audits):
            return None
        self._world.set_error(error)
        if self._audited(most_audits):
            return None
        found = self.now
        rolled_back = self.machine.stage is Stage.ROLLED_BACK
        return Found(found.tested, int(found.acted), int(found.errors), found.simulated, rolled_back)

    def _audited(self, audits: int) -> bool:
        """Go on for so many audits; tells whether the model still works after them."""
        self.now = run = StageRun(self.machine.stage, self.machine.step)
        while run.tested < audits and self._runs(run):
            self._one()
        return self._runs(run)

    def _suffices(self) -> bool:
        """Tells whether nothing but time is missing, and notes what the evidence rests on."""
        readings = self.machine.readings(self._at)
        self.now.labelled = max((one.n for one in readings if one.gate in SHOWN_BY_LABELS), default=0)
        return all(one.verdict is GateVerdict.PASS or one.gate in CALENDAR for one in readings)

    def _one(self) -> None:
        """Let the next case come, and before it everything that is due."""
        run = self.now
        self._at += timedelta(days=self._weight / self._assumed.traffic_per_day)
        while self._due and self._due[0][0] <= self._at:
            self._review(*heapq.heappop(self._due))
        made = self._world.case(self._at)
        at_work = self.machine.stage in AT_WORK
        seeded = at_work and bool(self._random.random() < self._policy.supervised.seeded)
        arrived, effects = self._run.arrive(made.case, made.answer, self._at, made.truth if seeded else None)
        run.simulated += 1
        run.cases += self._weight
        acted = arrived.draw.route is Route.ACTED
        run.tested += acted and arrived.draw.audit
        run.acted += self._weight * acted
        run.errors += self._weight * (acted and made.answer.label != made.truth)
        self._open[made.case.id] = made, self._weight
        self._took(effects, made.case.id, self._at)

    def _review(self, at: datetime, number: int, ask: Ask) -> None:
        """Do a review, unless nobody has to any more."""
        if self._waits.get(ask.case_id) != number:
            return
        del self._waits[ask.case_id]
        made, weight = self._open[ask.case_id]
        decided = self._staff.answer(ask, made, at)
        self.now.reviews[ask.kind] += weight
        self.now.seconds += weight * (decided.seconds or 0.0)
        self._took(self._run.take(decided), ask.case_id, at)

    def _took(self, effects: tuple[Effect, ...], case_id: str | None, at: datetime) -> None:
        """Carry out what the machine asks for; ``case_id``: the case that it was told of."""
        touched = {case_id} if case_id is not None else set()
        for effect in effects:
            if isinstance(effect, Ask):
                number = next(self._number)
                self._waits[effect.case_id] = number
                heapq.heappush(self._due, (self._staff.moment(effect, at), number, effect))
            elif isinstance(effect, Withdraw):
                self._waits.pop(effect.case_id, None)
                touched.add(effect.case_id)
        for done in touched - self._waits.keys():
            self._open.pop(done, None)
