"""The recomputation of a rollout from its log alone: every draw, every turn and every reading that an advance rested on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..core.canonical_json import canonical_json
from ..core.errors import LogError
from ..core.rollout_records import LogLine
from .event_json import of_body
from .events import Arrived, Event, Opened, Turn, Turned
from .machine import Machine
from .policy import Policy


@dataclass(frozen=True, slots=True)
class Difference:
    """A line that says something else than its log leads to."""

    number: int
    words: str


class Recomputation:
    """Folds a log, and notes where it is not what its salt and its own evidence lead to.

    A log that was written by another version may differ in the readings of gates, whose methods may have been improved.
    """

    def __init__(self, salt: bytes, *, draws: bool = True) -> None:
        """``draws``: hold draws against the salt; not of a candidate, which takes over those of its champion."""
        self._salt, self._draws = salt, draws
        self.head_hash = ""
        """The hash of the last line."""
        self.machine: Machine | None = None
        """The machine after the last line; None: the log has not begun."""
        self.lines = 0

    def take(self, lines: Iterable[LogLine]) -> Iterator[Difference]:
        """Take lines, whose chain was checked before, and yield what differs.

        Raises:
            LogError: a line says what cannot have happened; says which.
        """
        for line in lines:
            try:
                yield from self._take(line, of_body(line.body))
            except LogError as error:
                raise LogError(f"line {line.number}: {error}") from None
            self.head_hash, self.lines = line.hash, line.number

    def _take(self, line: LogLine, event: Event) -> Iterator[Difference]:
        if isinstance(event, Opened) and self.machine is None:
            policy = Policy.model_validate_json(canonical_json(dict(event.policy)))
            self.machine = Machine(policy, self._salt, event.labels)
        machine = self.machine
        if machine is None:
            raise LogError("the log does not begin with the rollout's being opened")
        if isinstance(event, Arrived) and not self._is_drawn(machine, event):
            yield Difference(line.number, f"case {event.case.id} was drawn otherwise than its salt and stage say")
        if isinstance(event, Turned) and event.turn is Turn.ADVANCED:
            yield from self._advance(machine, line, event)
        machine.take(event)

    def _is_drawn(self, machine: Machine, event: Arrived) -> bool:
        return not self._draws or machine.draw(event.case, event.answer, event.known) == event.draw

    def _advance(self, machine: Machine, line: LogLine, event: Turned) -> Iterator[Difference]:
        again = [one.to_json() for one in machine.readings(event.at)]
        if canonical_json(again) != canonical_json(event.evidence.get("readings")):
            yield Difference(line.number, "the readings that the advance rests on are not those of the log before it")
        if machine.refusals(event.at):
            yield Difference(line.number, f"it could not advance: {'; '.join(machine.refusals(event.at))}")
        if event.evidence.get("head_hash") != self.head_hash:
            yield Difference(line.number, "the advance names another line than the one before it as what it rests on")
