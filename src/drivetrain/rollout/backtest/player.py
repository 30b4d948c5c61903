"""Past cases through the machine of a rollout, as it would have run.

A named person who is simulated looks at the gates before the next case comes in, and advances once they let it: hardly anybody is
faster, so stages are reached at the earliest. What the machine asks of people is answered by what people said then. A blind
decision of the past stands for the answer to a proposal, too: how far people would have followed the model, a log of blind
decisions cannot tell. The log of a rollout is repeated under its own policy, with everything that people did to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ...core.case import ModelAnswer
from ...core.told_how import ToldHow
from ..draw import Draw
from ..effects import Ask, Effect, Settled, Turns, Withdraw
from ..events import Alarmed, Decided, Event, Opened, ReviewKind, Ticked, Turn, Turned, TurnedOut
from ..hold import HoldKind
from ..machine import Machine
from ..policy import Policy
from ..reading import GateReading
from ..run import Run
from ..stage import Stage
from ..way import HOW
from .past import Outcome, PastCase, Said
from .supposed import Supposed, Supposing
from .timeline import Entry, Happening, timeline

PERSON = "backtest"
"""The name of the simulated person who advances."""

REASON = "the gates let it"

SUPPOSED = "supposed"
"""The name of the adjudicator who gives the truth that is known or supposed."""


@dataclass(frozen=True)
class Setting:
    """Everything that a run follows from."""

    policy: Policy
    salt: bytes
    opened: Opened
    cases: Sequence[PastCase]
    answers: Mapping[str, ModelAnswer]
    """By case id, of every case."""
    supposed: Supposed = field(default_factory=lambda: Supposed(Supposing.NOTHING))
    as_logged: Sequence[tuple[int, Alarmed | Ticked | Turned]] | None = None
    """Everything else that was logged, where the log is of this very policy and bundle: then time passes as it did, and what
    people did to the rollout they do again. None: time is looked at where silence may change something."""
    person: str = PERSON
    reason: str = REASON
    looks: int = 250
    """The most times that the simulated person looks at the gates: before every case of a log of no more cases."""
    samples: int = 80
    """Moments at which the gates are read for curves."""


@dataclass(slots=True)
class Way:
    """The way of one case through the rollout."""

    stage: Stage
    step: int
    draw: Draw
    label: str | None = None
    how: ToldHow | None = None
    """None: no decision has taken effect."""
    reviews: int = 0
    """Reviews that people were asked for and that were not withdrawn."""
    unanswered: int = 0
    """Reviews among them that the log has no answer to."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The gates, read when so many cases had come in."""

    at: datetime
    cases: int
    stage: Stage
    step: int
    readings: tuple[GateReading, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """One thing that was done to the rollout."""

    turned: Turned
    cases: int
    """Cases that had come in by then."""
    readings: tuple[GateReading, ...] = ()
    """The gates that an advance rests on."""


@dataclass(frozen=True)
class Played:
    """A rollout as it would have run."""

    opened_at: datetime
    ways: Mapping[str, Way]
    """By case id, in the order in which cases came."""
    turns: tuple[Done, ...]
    samples: tuple[Sample, ...]
    stage: Stage
    step: int
    refusals: tuple[str, ...]
    """The reasons why it cannot go on at the end; empty where it could, or there is nothing beyond."""
    holds: tuple[str, ...]
    """The reasons for which it is paused at the end."""


class Player:
    """One run."""

    def __init__(self, setting: Setting, heard: Callable[[Event], None] = lambda _event: None) -> None:
        """``heard`` is told of every event, in order."""
        self._setting, self._heard = setting, heard
        self._machine = Machine(setting.policy, setting.salt, setting.opened.labels)
        self._run = Run(self._machine, self._wrote)
        self._look_every = -(-len(setting.cases) // setting.looks)
        self._cases = {one.case.id: one for one in setting.cases}
        self._ways: dict[str, Way] = {}
        self._asked: dict[str, list[Ask]] = {}
        self._ready: list[Ask] = []
        self._said: dict[str, list[Said]] = {}
        self._turns: list[Done] = []
        self._samples: list[Sample] = []

    def play(self, advance: Callable[[int], None] = lambda _count: None) -> Played:
        """Play all of the log; ``advance`` is told of every case."""
        setting, machine = self._setting, self._machine
        self._take(setting.opened)
        every, at = max(len(setting.cases) // setting.samples, 1), setting.opened.at
        for entry in timeline(setting.cases, setting.as_logged or ()):
            at = max(entry.at, machine.now)
            self._let_pass(at)
            self._happen(entry, at)
            if isinstance(entry.what, PastCase):
                advance(1)
                if len(self._ways) % every == 0:
                    self._sample(at)
        self._look(at)
        self._sample(at)
        return Played(
            opened_at=setting.opened.at,
            ways=self._ways,
            turns=tuple(self._turns),
            samples=tuple(self._samples),
            stage=machine.stage,
            step=machine.step,
            refusals=machine.refusals(at),
            holds=tuple(hold.words for hold in machine.holds),
        )

    def _happen(self, entry: Entry, at: datetime) -> None:
        what: Happening = entry.what
        match what:
            case PastCase():
                if len(self._ways) % self._look_every == 0:
                    self._look(at)
                self._arrive(what, at)
            case Said():
                self._hear(entry.case_id, what, at)
            case Outcome():
                if entry.case_id in self._ways:
                    self._take(TurnedOut(at, entry.case_id, what.label, what.by))
            case Turned():
                self._again(what, at)
            case Ticked():
                self._carry_out(self._run.pass_time(at))
            case Alarmed():
                self._take(what)
        self._answer_ready(at)

    def _look(self, at: datetime) -> None:
        """Advance, where the gates let it; of its own log a rollout is advanced as people did."""
        if self._setting.as_logged is not None:
            return
        self._carry_out(self._run.pass_time(at))
        machine = self._machine
        if machine.stage in (Stage.ROLLED_BACK, Stage.ENDED) or machine.refusals(at):
            return
        self._advance(self._setting.person, self._setting.reason, at)

    def _advance(self, by: str, reason: str, at: datetime) -> None:
        self._carry_out(self._run.pass_time(at))
        readings = self._machine.readings(at)
        self._take(self._machine.advanced(by, reason, at))
        self._turns[-1] = replace(self._turns[-1], readings=readings)

    def _arrive(self, one: PastCase, at: datetime) -> None:
        machine, answer = self._machine, self._setting.answers[one.case.id]
        draw = machine.draw(one.case, answer, one.known)
        self._ways[one.case.id] = Way(machine.stage, machine.step, draw)
        _, effects = self._run.arrive(one.case, answer, at, one.known)
        self._carry_out(effects)
        # A pause for silence ends with the silence; no other hold is released by anybody.
        if self._setting.as_logged is None and machine.holds and _quiet(machine):
            self._take(machine.resumed(self._setting.person, "cases come again", at))

    def _hear(self, case_id: str, said: Said, at: datetime) -> None:
        """Hear what a person said: in a rollout of its own log it was what had been asked; in any other it may be asked later."""
        if self._setting.as_logged is None:
            self._said.setdefault(case_id, []).append(said)
            for ask in tuple(self._asked.get(case_id, ())):
                self._answer(ask, at)
        elif case_id in self._ways:
            self._asked.pop(case_id, None)
            self._ways[case_id].unanswered = 0
            event = Decided(at, case_id, said.review, said.round, said.by, said.label, said.how, said.seconds)
            self._take(event)

    def _again(self, what: Turned, at: datetime) -> None:
        """Do again what a person did then; the evidence does by itself what it did."""
        machine, by = self._machine, what.by
        if by is None:
            return
        if what.turn is Turn.ADVANCED:
            self._advance(by, what.reason, at)
            return
        make = {
            Turn.PAUSED: machine.paused,
            Turn.RESUMED: machine.resumed,
            Turn.ROLLED_BACK: machine.rolled_back,
            Turn.CLEARED: machine.cleared,
            Turn.ENDED: machine.ended,
        }[what.turn]
        self._take(make(by, what.reason, at))

    def _let_pass(self, at: datetime) -> None:
        """Let time pass up to a moment, and look at it where silence changes something on the way."""
        if self._setting.as_logged is not None:
            return
        while (moment := self._machine.next_moment()) is not None and moment <= at:
            self._carry_out(self._run.pass_time(max(moment, self._machine.now)))
            self._answer_ready(self._machine.now)

    def _take(self, event: Event) -> None:
        self._carry_out(self._run.take(event))

    def _wrote(self, event: Event) -> None:
        self._heard(event)
        if isinstance(event, Turned):
            self._turns.append(Done(event, len(self._ways)))

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Ask():
                    way = self._ways[effect.case_id]
                    way.reviews, way.unanswered = way.reviews + 1, way.unanswered + 1
                    self._asked.setdefault(effect.case_id, []).append(effect)
                    self._ready.append(effect)
                case Withdraw():
                    way = self._ways[effect.case_id]
                    open_ = len(self._asked.pop(effect.case_id, ()))
                    way.reviews, way.unanswered = way.reviews - open_, way.unanswered - open_
                case Settled():
                    way = self._ways[effect.case_id]
                    way.label, way.how = effect.label, effect.how
                case Turns():
                    pass  # the run has logged it

    def _answer_ready(self, at: datetime) -> None:
        """Answer what was asked just now and people have said already."""
        while self._ready:
            ask = self._ready.pop(0)
            if ask in self._asked.get(ask.case_id, ()):
                self._answer(ask, at)

    def _answer(self, ask: Ask, at: datetime) -> None:
        said = self._found(ask, self._cases[ask.case_id])
        if said is None or said.by in ask.not_by:
            return
        self._asked[ask.case_id].remove(ask)
        if not self._asked[ask.case_id]:
            del self._asked[ask.case_id]
        self._ways[ask.case_id].unanswered -= 1
        event = Decided(at, ask.case_id, ask.kind, ask.round, said.by, said.label, HOW[ask.kind], said.seconds)
        self._take(event)

    def _found(self, ask: Ask, one: PastCase) -> Said | None:
        """Find what people said that answers a review; None: nobody has said it, or not yet."""
        by_now = self._said.get(ask.case_id, [])
        exact = [said for said in one.said if said.review is ask.kind and said.round == ask.round]
        if exact and (ask.kind is not ReviewKind.CONFIRM or ask.shown == (one.proposed,)):
            return exact[0] if exact[0] in by_now else None
        if ask.round > 0:
            return None
        if ask.kind is ReviewKind.ADJUDICATE:
            return self._supposed(ask, one, by_now)
        decided = one.decided
        return decided if decided is not None and decided in by_now else None

    def _supposed(self, ask: Ask, one: PastCase, by_now: Sequence[Said]) -> Said | None:
        """Let the truth that is known or supposed adjudicate."""
        if one.decided is not None and one.decided not in by_now:
            return None
        answer = self._setting.answers[ask.case_id]
        truth = self._setting.supposed.truth(ask.case_id, one.people, answer)
        if truth is None and self._setting.supposed.side is Supposing.NOTHING:
            return None
        return Said(0, one.came_at, ask.kind, ask.round, SUPPOSED, truth, ToldHow.ADJUDICATED)

    def _sample(self, at: datetime) -> None:
        machine = self._machine
        self._samples.append(Sample(at, len(self._ways), machine.stage, machine.step, machine.readings(at)))


def _quiet(machine: Machine) -> bool:
    return all(hold.kind is HoldKind.QUIET for hold in machine.holds)
