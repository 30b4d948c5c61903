"""A run of a rollout: what happens, put into the order of a log. The live rollout, the backtest and the plan are runs alike.

A machine takes events only in the order in which they may stand in a log: a tick where time has changed something, the event,
and whatever the evidence then turned by itself. A run puts them there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ..core.case import Case, ModelAnswer
from .effects import Effect, Turns
from .events import Arrived, Event, Ticked
from .machine import Machine


class Run:
    """A machine, and the log that it is a fold of."""

    __slots__ = ("_write", "machine")

    def __init__(self, machine: Machine, write: Callable[[Event], object]) -> None:
        """``write`` appends an event to the log, once the machine has taken it."""
        self.machine = machine
        self._write = write

    def arrive(
        self, case: Case, answer: ModelAnswer, at: datetime, known: str | None = None
    ) -> tuple[Arrived, tuple[Effect, ...]]:
        """Draw a case that has come and take it; return the event and all effects, those of time that passed included."""
        passed = self.pass_time(at)
        event = Arrived(at, case, answer, self.machine.draw(case, answer, known), known)
        return event, (*passed, *self._step(event))

    def take(self, event: Event) -> tuple[Effect, ...]:
        """Take an event; return all effects, those of time that passed included."""
        return (*self.pass_time(event.at), *self._step(event))

    def pass_time(self, at: datetime) -> tuple[Effect, ...]:
        """Let time pass: nothing, where that changes nothing."""
        due = self.machine.next_moment()
        return () if due is None or at < due else self._step(Ticked(at))

    def _step(self, event: Event) -> tuple[Effect, ...]:
        effects = self.machine.take(event)
        self._write(event)
        for effect in effects:
            if isinstance(effect, Turns):
                turned = effect.recorded(event.at)
                self.machine.take(turned)
                self._write(turned)
        return effects
