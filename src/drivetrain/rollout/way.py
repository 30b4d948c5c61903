"""The way of one case: which review it waits for, what a decision leads to, and when everything that was asked is answered.

A case waits for at most one review at a time, so that whoever is asked next can be somebody else than all before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ..core.told_how import ToldHow
from .assignment import Assignment
from .draw import Route
from .effects import Ask, Effect, Settled, Withdraw
from .events import Decided, ReviewKind
from .evidence.resolved import Came, Resolved, Told

HOW = {
    ReviewKind.DECIDE: ToldHow.BLIND,
    ReviewKind.CONFIRM: ToldHow.ASSISTED,
    ReviewKind.ADJUDICATE: ToldHow.ADJUDICATED,
}


@dataclass(slots=True)
class OpenCase:
    """A case that is not done with: it waits for a review, or for a word on what it is evidence of."""

    case_id: str
    came: Came
    second: str | None
    """The label that the model finds next likely."""
    known: str | None = None
    due: datetime | None = None
    waits: tuple[ReviewKind, int] | None = None
    """The review it waits for: its kind and round."""
    decisions: list[Told] = field(default_factory=list)
    confirmed: Told | None = None
    adjudications: list[Told] = field(default_factory=list)
    outcome: str | None = None
    tests: bool = False
    """The case is evidence on the model: the first of its unit that people check blind. No other one is adjudicated."""
    settled: bool = False
    withdrawn: bool = False
    """The proposal was taken back before somebody confirmed it."""

    @property
    def deciders(self) -> tuple[str, ...]:
        """People who have decided it in some way, and so must not do it again."""
        confirmed = () if self.confirmed is None else (self.confirmed.by,)
        return tuple(one.by for one in (*self.decisions, *self.adjudications)) + confirmed

    def resolved(self, at: datetime, *, expired: bool = False) -> Resolved:
        """Return what it is evidence of, as it stands."""
        return Resolved(
            came=self.came,
            at=at,
            decisions=tuple(self.decisions),
            confirmed=self.confirmed,
            adjudications=tuple(self.adjudications),
            outcome=self.outcome,
            known=self.known,
            expired=expired or self.withdrawn,
        )


class Way:
    """Leads cases on their way. Every method changes the case and returns what is to be done; a case that waits for nothing
    afterwards is done with."""

    __slots__ = ("_assignment", "_labels")

    def __init__(self, assignment: Assignment, labels: tuple[str, ...]) -> None:
        self._assignment = assignment
        self._labels = labels

    def begin(self, case: OpenCase) -> list[Effect]:
        """Set a case on its way that has just come."""
        came = case.came
        if came.draw.route is Route.PROPOSED:
            return [self._ask(case, ReviewKind.CONFIRM, 0, (came.label or "",))]
        if came.draw.route is Route.BLIND:
            return [self._ask(case, ReviewKind.DECIDE, 0)]
        case.settled = True
        effects: list[Effect] = [Settled(case.case_id, came.label, ToldHow.MODEL)]
        if came.draw.audit and case.tests:
            effects.append(self._ask(case, ReviewKind.DECIDE, 0))
        return effects

    def decided(self, case: OpenCase, event: Decided, spent: bool) -> list[Effect]:
        """Take a person's decision. ``spent``: the case is no evidence any more, and only needs its decision."""
        told = Told(event.label, event.by)
        case.waits = None
        if event.review is ReviewKind.ADJUDICATE:
            case.adjudications.append(told)
            again = case.came.draw.adjudicate_twice and len(case.adjudications) == 1 and case.outcome is None
            return [self._adjudication(case, 1)] if again else []
        if event.review is ReviewKind.CONFIRM:
            case.confirmed = told
            return self._settle(case, told, event.how) or [self._ask(case, ReviewKind.DECIDE, 0)]
        case.decisions.append(told)
        return self._after_decision(case, told, event.how, spent)

    def _after_decision(self, case: OpenCase, told: Told, how: ToldHow, spent: bool) -> list[Effect]:
        effects = self._settle(case, told, how)
        if not case.settled:
            # Somebody who cannot tell is followed by one more; where that one cannot tell either, nobody can.
            if len(case.deciders) == 1:
                return [self._ask(case, ReviewKind.DECIDE, 1)]
            case.settled = True
            return [Settled(case.case_id, None, how, told.by)]
        if spent:
            return effects
        if case.came.draw.twice and len(case.decisions) == 1:
            return [*effects, self._ask(case, ReviewKind.DECIDE, 1)]
        return [*effects, self._adjudication(case, 0)] if self._adjudicable(case) else effects

    def _settle(self, case: OpenCase, told: Told, how: ToldHow) -> list[Effect]:
        """Let a decision take effect, where none has and it is one."""
        if case.settled or told.label is None:
            return []
        case.settled = True
        return [Settled(case.case_id, told.label, how, told.by)]

    def _adjudicable(self, case: OpenCase) -> bool:
        """Tells whether somebody has to say who is right: where a case tests the model, and first person and model differ or
        chance says so. Nothing is asked of what counts worst-case already, or has turned out."""
        came, first = case.came, case.decisions[0].label
        if not case.tests or first is None or case.outcome is not None:
            return False
        sampled = came.draw.checked if came.draw.route is Route.ACTED else came.draw.audit
        return first != came.label or sampled

    def _adjudication(self, case: OpenCase, round: int) -> Ask:
        """Ask which of two is right: the person's and the model's, or, where both agree, theirs and the model's second."""
        first, label = case.decisions[0].label or "", case.came.label or ""
        other = label
        if first == label:
            second = case.second if case.second not in (None, label) else None
            other = second or self._assignment.other(case.case_id, label, self._labels) or label
        return self._ask(case, ReviewKind.ADJUDICATE, round, self._assignment.pair(case.case_id, first, other))

    def asked(self, case: OpenCase) -> Ask | None:
        """Return again what is asked of a case just now."""
        if case.waits is None:
            return None
        kind, round = case.waits
        if kind is ReviewKind.ADJUDICATE:
            return self._adjudication(case, round)
        return self._ask(case, kind, round, (case.came.label or "",) if kind is ReviewKind.CONFIRM else ())

    def turned_out(self, case: OpenCase, label: str) -> list[Effect]:
        """Take the outcome: nobody has to adjudicate any more."""
        case.outcome = label
        if case.waits is None or case.waits[0] is not ReviewKind.ADJUDICATE:
            return []
        case.waits = None
        return [Withdraw(case.case_id)]

    def held(self, case: OpenCase) -> list[Effect]:
        """Take a proposal back, since the model is not to propose any more: a person decides blind."""
        if case.waits is None or case.waits[0] is not ReviewKind.CONFIRM:
            return []
        case.withdrawn = True
        return [Withdraw(case.case_id), self._ask(case, ReviewKind.DECIDE, 0)]

    def overtaken(self, case: OpenCase) -> list[Effect]:
        """Let a decision go before the review that the case waits for."""
        case.waits = None
        return [Withdraw(case.case_id)]

    def spent(self, case: OpenCase) -> list[Effect]:
        """Ask nothing more of a case than its decision."""
        if not case.settled or case.waits is None:
            return []
        case.waits = None
        return [Withdraw(case.case_id)]

    def _ask(self, case: OpenCase, kind: ReviewKind, round: int, shown: tuple[str, ...] = ()) -> Ask:
        case.waits = (kind, round)
        return Ask(case.case_id, kind, round, shown, case.deciders, case.due)


def late(case: OpenCase, event: Decided) -> bool:
    """Tells whether somebody confirmed a proposal at the very time it was taken back: that decision stands."""
    waits = (ReviewKind.DECIDE, 0)
    return event.review is ReviewKind.CONFIRM and case.withdrawn and case.waits == waits and case.confirmed is None
