"""The log of a rollout → past cases: what people said of them, what became of them, and the answers that the model gave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from ...core.case import ModelAnswer
from ...core.errors import DataError
from ...core.rollout_records import LogLine, RolloutRow
from ..draw import Route
from ..event_json import of_body
from ..events import Alarmed, Arrived, Decided, Event, Followed, Looked, Opened, Ticked, Turned, TurnedOut
from .past import Outcome, PastCase, PastLog, Said


@dataclass(frozen=True)
class Recorded:
    """A rollout's past, and the answers of the bundle that it was about."""

    past: PastLog
    answers: dict[str, ModelAnswer]
    """By case id."""
    bundle_id: str


@dataclass(slots=True)
class _Reading:
    """The events read so far, by what they are about."""

    opened: Opened | None = None
    arrived: dict[str, tuple[int, Arrived]] = field(default_factory=dict)
    said: dict[str, list[Said]] = field(default_factory=dict)
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    happened: list[tuple[int, Alarmed | Ticked | Turned]] = field(default_factory=list)

    def take(self, number: int, event: Event) -> None:
        """Take the event of a line."""
        match event:
            case Opened():
                self.opened = event
            case Arrived():
                self.arrived[event.case.id] = (number, event)
            case Decided(at, name, review, round_, by, label, how, seconds):
                said = Said(number, at, review, round_, by, label, how, seconds)
                self.said.setdefault(name, []).append(said)
            case TurnedOut(at, name, label, by):
                self.outcomes.setdefault(name, []).append(Outcome(number, at, label, by))
            case Alarmed() | Ticked() | Turned():
                self.happened.append((number, event))
            case Looked() | Followed():
                pass  # no stage depends on either
            case _:
                assert_never(event)


def past_of_lines(lines: Iterable[LogLine], row: RolloutRow, source: str) -> Recorded:
    """Read the lines of a rollout's log, all of them.

    Raises:
        LogError: a line is no event.
        DataError: no case has come in.
    """
    found = _Reading()
    for line in lines:
        found.take(line.number, of_body(line.body))
    if not found.arrived or found.opened is None:
        raise DataError(f"the rollout {row.name} in {source} has no case yet; a backtest needs past cases")
    cases = tuple(_case(found, number, event) for number, event in found.arrived.values())
    columns = tuple(dict.fromkeys(name for one in cases for name in one.case.slices))
    past = PastLog(
        f"{row.name} in {source}",
        cases,
        columns,
        happened=tuple(found.happened),
        salt=row.salt,
        opened=found.opened,
        remarks=tuple(_remarks(cases)),
    )
    answers = {name: event.answer for name, (_, event) in found.arrived.items()}
    return Recorded(past, answers, found.opened.bundle_id)


def _case(found: _Reading, number: int, event: Arrived) -> PastCase:
    name = event.case.id
    return PastCase(
        order=number,
        case=event.case,
        said=tuple(found.said.get(name, ())),
        outcomes=tuple(found.outcomes.get(name, ())),
        known=event.known,
        arrived_at=event.at,
        proposed=event.answer.label if event.draw.route is Route.PROPOSED else None,
        acted=event.draw.route is Route.ACTED,
    )


def _remarks(cases: Iterable[PastCase]) -> Iterable[str]:
    cases = list(cases)
    assisted = sum(one.decided is not None and not one.decided.how.tests_the_model for one in cases)
    if assisted:
        yield (
            f"{assisted:,} of {len(cases):,} decisions were made with the model's proposal in sight: people alone might have "
            "decided otherwise, which no log can tell"
        )
    if unseen := sum(one.decided is None and one.acted for one in cases):
        yield (
            f"{unseen:,} of {len(cases):,} cases were decided by the model and seen by nobody: how people would have decided "
            "them is known only by the audited ones, which stand for them"
        )
