"""The machine of a rollout: everything that is known of it, as a fold over its log.

Pure and deterministic: time is the events' own, chance is the HMAC of a unit. So a live run, the backtest of its log and a
recomputation say the same. `take` alone changes it. It has no hands: `Run` takes events as they come, and carries them here.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..core.canonical_json import canonical_json
from ..core.case import Case, ModelAnswer
from ..core.errors import LogError
from . import gates, turning
from .assignment import Assignment, commitment
from .caseload import Caseload
from .draw import Draw, Route
from .drawing import AT_WORK, Drawing
from .effects import Ask, Effect, Settled, Turns
from .event_json import of_body, to_body
from .events import REMARKS, Alarmed, Arrived, Decided, Event, Opened, ReviewKind, Ticked, Turn, Turned, TurnedOut
from .evidence.evidence import Evidence
from .evidence.resolved import Stop
from .hold import Hold, HoldKind
from .moments import of_text, to_text
from .policy import Policy
from .reading import GateReading
from .silence import Silence
from .stage import Stage
from .standing import Standing
from .tally import Tally
from .way import OpenCase, Way, late

LATEST_TURNS = 30
"""Turns that are remembered for the status."""

SNAPSHOT = 1
"""The form of a snapshot; one of another form is passed over, and the log read from its beginning."""

BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)


class Machine:
    """Where a rollout stands, and what is known of its model."""

    def __init__(self, policy: Policy, salt: bytes, labels: tuple[str, ...]) -> None:
        """Begin in `Stage.BACKTEST`; the first event, `Opened`, leads to `Stage.PARALLEL`."""
        self.policy = policy
        self.labels = labels
        self._salt_sha256 = commitment(salt)
        self._drawing = Drawing(policy, Assignment(salt))
        self._cases = Caseload(
            Way(self._drawing.assignment, labels),
            policy.cases.slices,
            timedelta(days=policy.cases.unresolved_after_days),
        )
        self.standing = Standing(policy)
        self.tally = Tally()
        self.now = BEFORE_ALL
        """The latest moment of any event taken."""
        self.evidence = Evidence(policy, self.now)
        self._silence = Silence(timedelta(days=policy.rollback.quiet_days), self.now, self.now)
        self._acted_in_step = 0
        self._turning: deque[Turns] = deque()
        self.turns: deque[Turned] = deque(maxlen=LATEST_TURNS)
        """The latest turns, the oldest first."""
        self.spent = 0.0
        """The part of alpha that the advances of this attempt have spent."""
        self._takes: Mapping[type, Callable[[Any], list[Effect]]] = {
            Opened: self._opened,
            Arrived: self._arrived,
            Decided: self._decided,
            TurnedOut: self._turned_out,
            Alarmed: lambda event: self._alarm_cleared(event) if event.cleared else self._alarm_raised(event),
            Ticked: self._ticked,
            Turned: self._turned,
            **dict.fromkeys(REMARKS, lambda _event: []),
        }

    @property
    def stage(self) -> Stage:
        """The stage."""
        return self.standing.stage

    @property
    def step(self) -> int:
        """The place in the policy's steps of expanding; 0 in every other stage."""
        return self.standing.step

    @property
    def holds(self) -> tuple[Hold, ...]:
        """The reasons for which it is paused; without one it runs."""
        return tuple(self.standing.holds)

    @property
    def waiting(self) -> int:
        """Cases that are not done with: those that wait for a review."""
        return len(self._cases)

    @property
    def cases_come(self) -> int:
        """Cases that have come since it was opened."""
        return self._cases.number

    @property
    def audit_share(self) -> float:
        """The share of acted cases that are audited just now."""
        expanding = self.policy.expanding
        return expanding.audit_early if self._acted_in_step < expanding.early_cases else expanding.audit

    def expiring(self, now: datetime) -> frozenset[str]:
        """The cases that a tick at this moment makes count as unresolved."""
        return frozenset(case.case_id for case in self._cases.expiring(now))

    def asks(self) -> Iterator[Ask]:
        """Yield what people are asked just now, a review a case."""
        return self._cases.asks()

    def waits_for(self, case_id: str) -> tuple[ReviewKind, int] | None:
        """Return the review that a case waits for, and its round; None: for none."""
        case = self._cases.case(case_id)
        return None if case is None else case.waits

    def draw(self, case: Case, answer: ModelAnswer, known: str | None = None) -> Draw:
        """Draw the checks of a case, as of now. Changes nothing: the runner puts the draw into `Arrived`."""
        standing = self.standing
        early = self._acted_in_step < self.policy.expanding.early_cases
        return self._drawing.draw(case, answer, known, standing.stage, standing.step, bool(standing.holds), early)

    def order(self, case_id: str, of: str = "") -> str:
        """Return the place of a case's review among those of one due time; it says nothing of the case."""
        return self._drawing.assignment.order(case_id, of)

    def take(self, event: Event) -> tuple[Effect, ...]:
        """Take the next event, and return what it asks of the world.

        Raises:
            LogError: it cannot have happened; the machine is as it was.
        """
        if self._turning and not (isinstance(event, Turned) and event.by is None):
            raise LogError(f"the rollout {self._turning[0].turn.value} by itself, and the log does not say so")
        due = self.next_moment()
        passes = isinstance(event, Ticked | Opened) or (isinstance(event, Turned) and event.by is None)
        if due is not None and event.at >= due and not passes:
            raise LogError(f"time has passed {to_text(due)} without a tick before an event of {to_text(event.at)}")
        effects = self._takes[type(event)](event)
        if event.at > self.now:
            self.now = event.at
        return tuple(effects)

    def next_moment(self) -> datetime | None:
        """The earliest moment at which silence alone changes something: a `Ticked` at or after it comes before anything else."""
        deadline = self._cases.deadline
        if not self.standing.works:
            return deadline
        until = self._silence.until
        return until if deadline is None or until < deadline else deadline

    def _opened(self, event: Opened) -> list[Effect]:
        if self.stage is not Stage.BACKTEST:
            raise LogError("the log opens the rollout a second time")
        if event.salt_sha256 != self._salt_sha256:
            raise LogError("the rollout's salt is not the one that its log was opened with")
        if event.labels != self.labels:
            raise LogError(f"the log was opened with the labels {', '.join(event.labels)}")
        self.standing.stage, self.standing.since = Stage.PARALLEL, event.at
        self.evidence = Evidence(self.policy, event.at)
        return []

    def _arrived(self, event: Arrived) -> list[Effect]:
        if event.case.id in self._cases:
            raise LogError(f"case {event.case.id} came a second time")
        self.standing.check_arrival(event, self.labels)
        standing, draw = self.standing, event.draw
        case = self._cases.new(event, standing.stage, standing.step)
        self._silence.case = event.at
        self.tally.came(case.came)
        if draw.route is Route.ACTED:
            self._acted_in_step += 1
        spent = standing.stage is Stage.ROLLED_BACK
        stop = None if spent else self.evidence.came(case.came)
        case.tests = not spent and self.evidence.awaits(case.came)
        effects = self._counted(case, self._cases.way.begin(case))
        if case.waits is not None:
            self._cases.keep(case, spent=spent)
        self._heed(stop, event.at, effects)
        if case.waits is None and not spent:
            self._final(case, event.at, effects)
        return effects

    def _decided(self, event: Decided) -> list[Effect]:
        case = self._cases.waiting_for(event, self.labels)
        if event.how.tests_the_model:
            self._silence.label = event.at
        self.tally.decided(case.came, event)
        withdrawn: list[Effect] = self._cases.way.overtaken(case) if late(case, event) else []
        spent = self._cases.is_spent(case.case_id)
        effects = withdrawn + self._counted(case, self._cases.way.decided(case, event, spent))
        self._done(case, event.at, effects, spent)
        return effects

    def _turned_out(self, event: TurnedOut) -> list[Effect]:
        if event.label not in self.labels:
            raise LogError(
                f"case {event.case_id} turned out {event.label!r}, which is none of {', '.join(self.labels)}"
            )
        self._silence.label = event.at
        case = self._cases.case(event.case_id)
        if case is None:
            return []
        effects = self._cases.way.turned_out(case, event.label)
        self._done(case, event.at, effects, self._cases.is_spent(case.case_id))
        return effects

    def _ticked(self, event: Ticked) -> list[Effect]:
        effects: list[Effect] = []
        for case in self._cases.expiring(event.at):
            resolved = case.resolved(event.at, expired=True)
            effects += self._cases.spend(case)
            self.tally.final(resolved, case.tests)
            self._heed(self.evidence.take(resolved), event.at, effects)
        if self.standing.works and event.at >= self._silence.until:
            hold = Hold(HoldKind.QUIET, self._silence.words(), event.at)
            self._turn_by_itself(Turn.PAUSED, hold.words, event.at, effects, hold)
        return effects

    def _done(self, case: OpenCase, at: datetime, effects: list[Effect], spent: bool) -> None:
        """Forget a case that waits for nothing any more, and take what it is evidence of."""
        if case.waits is not None:
            return
        self._cases.drop(case.case_id)
        if not spent:
            self._final(case, at, effects)

    def _final(self, case: OpenCase, at: datetime, effects: list[Effect]) -> None:
        resolved = case.resolved(at)
        self.tally.final(resolved, case.tests)
        self._heed(self.evidence.take(resolved), at, effects)

    def _counted(self, case: OpenCase, effects: list[Effect]) -> list[Effect]:
        for effect in effects:
            if type(effect) is Settled:
                self.tally.settled(case.came, effect.label, effect.how, seen=case.waits is not None)
        return effects

    def _alarm_raised(self, event: Alarmed) -> list[Effect]:
        standing, effects = self.standing, list[Effect]()
        standing.raise_alarm(event)
        does = turning.on_alarm(self.policy, event.monitor)
        if does == "ignore" or not standing.open:
            return effects
        hold = Hold(HoldKind.ALARM, f"alarm {event.monitor}: {event.words}", event.at, event.alarm_id)
        if does == "rollback" and standing.stage in AT_WORK:
            standing.holds.append(hold)
            self._turn_by_itself(Turn.ROLLED_BACK, hold.words, event.at, effects)
        else:
            self._turn_by_itself(Turn.PAUSED, hold.words, event.at, effects, hold)
        return effects

    def _alarm_cleared(self, event: Alarmed) -> list[Effect]:
        effects = list[Effect]()
        if self.standing.clear_alarm(event) and self.stage is not Stage.ROLLED_BACK:
            words = f"the last alarm that held it was cleared: {event.words}"
            self._turn_by_itself(Turn.RESUMED, words, event.at, effects)
        return effects

    def _heed(self, stop: Stop | None, at: datetime, effects: list[Effect]) -> None:
        """Stop where the evidence says so: a model that does nothing is only held."""
        if stop is None or not self.standing.open or self.stage is Stage.ROLLED_BACK:
            return
        if stop.rollback and self.stage in AT_WORK:
            self._turn_by_itself(Turn.ROLLED_BACK, stop.reason, at, effects)
        elif not any(hold.kind is HoldKind.EVIDENCE for hold in self.standing.holds):
            hold = Hold(HoldKind.EVIDENCE, stop.reason, at)
            self._turn_by_itself(Turn.PAUSED, stop.reason, at, effects, hold)

    def _turn_by_itself(
        self, turn: Turn, reason: str, at: datetime, effects: list[Effect], hold: Hold | None = None
    ) -> None:
        effects += self._turn(turn, at, hold)
        turns = Turns(turn, reason, self.stage, self.step)
        self._turning.append(turns)
        effects.append(turns)

    def _turned(self, event: Turned) -> list[Effect]:
        if event.by is None:
            expected = self._turning[0] if self._turning else None
            if expected != Turns(event.turn, event.reason, event.stage, event.step):
                raise LogError(f"the log says that the rollout {event.turn.value} by itself, and it did not")
            self._turning.popleft()
            effects: list[Effect] = []
        else:
            self.standing.check(event)
            hold = Hold(HoldKind.PERSON, f"paused by {event.by}: {event.reason}", event.at, by=event.by)
            effects = self._turn(event.turn, event.at, hold)
            self.spent += float(event.evidence.get("spent", 0.0))
        self.turns.append(event)
        return effects

    def _turn(self, turn: Turn, at: datetime, hold: Hold | None = None) -> list[Effect]:
        """Go where a turn leads, with everything that depends on it."""
        self.standing.turn(turn, at, hold)
        if turn is Turn.ADVANCED:
            self.evidence.begin(self.stage, self.step, at)
            self._acted_in_step = 0
        if turn in (Turn.ADVANCED, Turn.RESUMED):
            self._silence.begin(at)
        effects: list[Effect] = [] if self.standing.works else list(self._cases.hold())
        if turn in (Turn.CLEARED, Turn.ENDED):
            effects += self._cases.spend_all()
        if turn is Turn.CLEARED:
            self.spent = 0.0
            self.evidence = Evidence(self.policy, at, self.standing.attempt)
        return effects

    def readings(self, at: datetime | None = None) -> tuple[GateReading, ...]:
        """Read the gates between here and the next stage or step, as of now or a later moment."""
        if self.stage not in (Stage.PARALLEL, *AT_WORK):
            return ()
        alarms = sum(turning.on_alarm(self.policy, monitor) != "ignore" for monitor in self.standing.alarms.values())
        return gates.readings(self.evidence, self.policy, self.stage, self.step, at or self.now, alarms)

    def refusals(self, at: datetime | None = None) -> tuple[str, ...]:
        """Say why it cannot advance just now; empty: a named person may advance it."""
        return turning.refusals(self.standing, self.readings(at))

    # Turns that people make: each method makes the event, and raises `UsageError` with every reason where it cannot be.

    def advanced(self, by: str, reason: str, at: datetime, head: tuple[int, str] | None = None) -> Turned:
        """Make the event that advances it. ``head``: number and hash of the last line, which the evidence rests on."""
        return turning.advanced(self.standing, self.readings(at), self.evidence.alpha, self.spent, by, reason, at, head)

    def paused(self, by: str, reason: str, at: datetime) -> Turned:
        """Make the event that pauses it."""
        return turning.by_person(self.standing, Turn.PAUSED, by, reason, at)

    def resumed(self, by: str, reason: str, at: datetime) -> Turned:
        """Make the event that releases every hold; refused while an alarm holds it, which a person has to clear first."""
        return turning.by_person(self.standing, Turn.RESUMED, by, reason, at)

    def rolled_back(self, by: str, reason: str, at: datetime) -> Turned:
        """Make the event that rolls it back: neither gates nor evidence are asked."""
        return turning.by_person(self.standing, Turn.ROLLED_BACK, by, reason, at)

    def cleared(self, by: str, reason: str, at: datetime) -> Turned:
        """Make the event that clears a rollback: back to parallel, with fresh evidence."""
        return turning.by_person(self.standing, Turn.CLEARED, by, reason, at)

    def ended(self, by: str, reason: str, at: datetime) -> Turned:
        """Make the event that ends it."""
        return turning.by_person(self.standing, Turn.ENDED, by, reason, at)

    def snapshot(self) -> str:
        """Write everything as JSON: going on from it equals having folded all."""
        return canonical_json(
            {
                "form": SNAPSHOT,
                "salt_sha256": self._salt_sha256,
                "now": to_text(self.now),
                "standing": self.standing.to_json(),
                "cases": self._cases.to_json(),
                "evidence": self.evidence.to_json(),
                "tally": self.tally.to_json(),
                "silence": self._silence.to_json(),
                "acted_in_step": self._acted_in_step,
                "turning": [[one.turn.value, one.reason, one.stage.value, one.step] for one in self._turning],
                "turns": [to_body(one) for one in self.turns],
                "spent": self.spent,
            }
        )

    @classmethod
    def of_snapshot(cls, text: str, policy: Policy, salt: bytes, labels: tuple[str, ...]) -> Machine:
        """Read what `snapshot` wrote, of a rollout of this policy, salt and labels.

        Raises:
            LogError: it is none of this form, or one of another rollout.
        """
        state, machine = json.loads(text), cls(policy, salt, labels)
        if state.get("form") != SNAPSHOT or state["salt_sha256"] != machine._salt_sha256:
            raise LogError("the snapshot is of another version or rollout; the log has to be read from its beginning")
        machine.now = of_text(state["now"])
        machine.standing = Standing.of_json(policy, state["standing"])
        machine._cases.restore(state["cases"])
        machine.evidence = Evidence.of_json(policy, state["evidence"])
        machine.tally = Tally.of_json(state["tally"])
        machine._silence = Silence.of_json(timedelta(days=policy.rollback.quiet_days), state["silence"])
        machine._acted_in_step = state["acted_in_step"]
        machine._turning.extend(
            Turns(Turn(turn), reason, Stage(stage), step) for turn, reason, stage, step in state["turning"]
        )
        machine.turns.extend(turned for turned in map(of_body, state["turns"]) if isinstance(turned, Turned))
        machine.spent = state["spent"]
        return machine
