"""The cases of a rollout that are not done with, in the order in which they came. All others are forgotten."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ..core.errors import LogError
from .effects import Ask, Effect
from .events import Arrived, Decided, ReviewKind
from .evidence.resolved import Came, Told, came_of_json, came_to_json
from .moments import of_text, to_text
from .stage import Stage
from .way import HOW, OpenCase, Way, late


class Caseload:
    """Cases that wait for a review, and those of which only the decision is still wanted."""

    __slots__ = ("_columns", "_open", "_spent", "_within", "number", "way")

    def __init__(self, way: Way, columns: Sequence[str], within: timedelta) -> None:
        self.way = way
        self.number = 0
        """Cases that have come so far."""
        self._columns = tuple(columns)
        self._within = within
        self._open: OrderedDict[str, OpenCase] = OrderedDict()
        self._spent: dict[str, OpenCase] = {}

    def __len__(self) -> int:
        return len(self._open) + len(self._spent)

    def __contains__(self, case_id: str) -> bool:
        return case_id in self._open or case_id in self._spent

    def new(self, event: Arrived, stage: Stage, step: int) -> OpenCase:
        """Make a case of one that has just come; it is not kept yet."""
        self.number += 1
        case, answer = event.case, event.answer
        slices = case.slices
        came = Came(
            number=self.number,
            at=event.at,
            stage=stage,
            step=step,
            unit=case.unit,
            slices={column: slices[column] for column in self._columns if column in slices},
            draw=event.draw,
            label=answer.label,
            certified=answer.certified,
            in_domain=answer.in_domain,
            latency_s=answer.latency_s,
            group=case.group is not None,
        )
        return OpenCase(case.id, came, answer.second, event.known, case.due)

    def keep(self, case: OpenCase, *, spent: bool) -> None:
        """Keep a case that waits for a review. ``spent``: it is no evidence, or counts already."""
        (self._spent if spent else self._open)[case.case_id] = case

    def case(self, case_id: str) -> OpenCase | None:
        """Return a case that is kept."""
        return self._open.get(case_id) or self._spent.get(case_id)

    def is_spent(self, case_id: str) -> bool:
        """Tells whether only the decision of a case is still wanted."""
        return case_id in self._spent

    def drop(self, case_id: str) -> None:
        """Forget a case that waits for nothing."""
        if self._open.pop(case_id, None) is None:
            del self._spent[case_id]

    def waiting_for(self, event: Decided, labels: Sequence[str]) -> OpenCase:
        """Return the case that waits for this very decision.

        Raises:
            LogError: there is none, or not of this person or label.
        """
        case = self.case(event.case_id)
        if case is None:
            raise LogError(f"case {event.case_id} is decided, and waits for nothing")
        if case.waits != (event.review, event.round) and not late(case, event):
            raise LogError(f"case {event.case_id} does not wait for {event.review.value} {event.round}")
        if event.by in case.deciders:
            raise LogError(f"{event.by} has decided case {event.case_id} before, and may not do it again")
        if event.label is not None and event.label not in labels:
            raise LogError(f"case {event.case_id} is decided {event.label!r}, which is none of {', '.join(labels)}")
        if event.how is not HOW[event.review]:
            raise LogError(f"a {event.review.value} of case {event.case_id} is told {event.how.value}")
        return case

    @property
    def deadline(self) -> datetime | None:
        """The moment at which the oldest case is to count worst-case."""
        return next(iter(self._open.values())).came.at + self._within if self._open else None

    def expiring(self, now: datetime) -> list[OpenCase]:
        """List cases that nobody has resolved in time."""
        found = []
        for case in self._open.values():
            if case.came.at + self._within > now:
                break
            found.append(case)
        return found

    def asks(self) -> Iterator[Ask]:
        """Yield what is asked of each case just now."""
        for case in (*self._open.values(), *self._spent.values()):
            ask = self.way.asked(case)
            if ask is not None:
                yield ask

    def hold(self) -> Iterator[Effect]:
        """Take every proposal back."""
        for case in (*self._open.values(), *self._spent.values()):
            yield from self.way.held(case)

    def spend(self, case: OpenCase) -> list[Effect]:
        """Go on with a case for its decision alone; one that has it is forgotten."""
        effects = self.way.spent(case)
        self._open.pop(case.case_id, None)
        if case.waits is None:
            self._spent.pop(case.case_id, None)
        else:
            self._spent[case.case_id] = case
        return effects

    def spend_all(self) -> Iterator[Effect]:
        """Go on with all cases for their decisions alone."""
        for case in list(self._open.values()):
            yield from self.spend(case)

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "number": self.number,
            "open": [_to_json(case) for case in self._open.values()],
            "spent": [_to_json(case) for case in self._spent.values()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.number = state["number"]
        self._open = OrderedDict((case.case_id, case) for case in map(_of_json, state["open"]))
        self._spent = {case.case_id: case for case in map(_of_json, state["spent"])}


def _to_json(case: OpenCase) -> dict[str, Any]:
    return {
        "id": case.case_id,
        "came": came_to_json(case.came),
        "second": case.second,
        "known": case.known,
        "due": None if case.due is None else to_text(case.due),
        "waits": None if case.waits is None else [case.waits[0].value, case.waits[1]],
        "decisions": [[one.label, one.by] for one in case.decisions],
        "confirmed": None if case.confirmed is None else [case.confirmed.label, case.confirmed.by],
        "adjudications": [[one.label, one.by] for one in case.adjudications],
        "outcome": case.outcome,
        "tests": case.tests,
        "settled": case.settled,
        "withdrawn": case.withdrawn,
    }


def _of_json(state: Mapping[str, Any]) -> OpenCase:
    waits = state["waits"]
    return OpenCase(
        case_id=state["id"],
        came=came_of_json(state["came"]),
        second=state["second"],
        known=state["known"],
        due=None if state["due"] is None else of_text(state["due"]),
        waits=None if waits is None else (ReviewKind(waits[0]), waits[1]),
        decisions=[Told(label, by) for label, by in state["decisions"]],
        confirmed=None if state["confirmed"] is None else Told(*state["confirmed"]),
        adjudications=[Told(label, by) for label, by in state["adjudications"]],
        outcome=state["outcome"],
        tests=state["tests"],
        settled=state["settled"],
        withdrawn=state["withdrawn"],
    )
