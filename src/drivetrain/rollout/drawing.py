"""The drawing of a case: its route and checks, by stage, policy and chance."""

from __future__ import annotations

from ..core.case import Case, ModelAnswer
from .assignment import Assignment
from .draw import Draw, Route
from .policy import Policy, Scope
from .stage import Stage

AT_WORK = (Stage.SUPERVISED, Stage.EXPANDING)
"""The stages in which the model proposes or acts, where nothing holds it."""


def within(scope: Scope, case: Case, label: str) -> bool:
    """Tells whether a case lies in a scope's slices, labels and hours."""
    for column, values in scope.slices.items():
        if case.slices.get(column) not in values:
            return False
    if scope.labels and label not in scope.labels:
        return False
    if scope.hours is None:
        return True
    first, end = scope.hours
    hour = case.at.hour
    return first <= hour < end if first < end else hour >= first or hour < end


class Drawing:
    """Draws cases for one policy and salt."""

    __slots__ = ("_policy", "assignment")

    def __init__(self, policy: Policy, assignment: Assignment) -> None:
        self._policy = policy
        self.assignment = assignment

    def draw(
        self, case: Case, answer: ModelAnswer, known: str | None, stage: Stage, step: int, held: bool, early: bool
    ) -> Draw:
        """Draw a case. ``held``: the rollout is paused; ``early``: the step is young, and more of it is audited."""
        chosen, unit = self.assignment.chosen, case.unit
        reserve = chosen("reserve", unit, self._policy.cases.reserve)
        seeded = known is not None
        if stage in AT_WORK:
            return self._at_work(case, answer, seeded, reserve, stage, step, held, early)
        tested = stage is Stage.PARALLEL and not seeded
        if not tested:
            return Draw(Route.BLIND, seeded=seeded, reserve=reserve)
        parallel, certified = self._policy.parallel, answer.certified and answer.label is not None
        return Draw(
            Route.BLIND,
            audit=certified and chosen("audit", unit, parallel.audit),
            audit_share=parallel.audit if certified else 0.0,
            twice=chosen("twice", unit, parallel.decide_twice),
            adjudicate_twice=certified and chosen("adjudicate-twice", unit, parallel.adjudicate_twice),
            reserve=reserve,
        )

    def _at_work(
        self,
        case: Case,
        answer: ModelAnswer,
        seeded: bool,
        reserve: bool,
        stage: Stage,
        step: int,
        held: bool,
        early: bool,
    ) -> Draw:
        if not self._in_scope(case, answer, stage):
            return Draw(Route.BLIND, seeded=seeded, reserve=reserve)
        expanding = self._policy.expanding
        acts = stage is Stage.EXPANDING and not seeded and not held
        if acts and self.assignment.chosen("step", case.unit, expanding.steps[step]):
            return self._acted(case.unit, reserve, expanding.audit_early if early else expanding.audit)
        chosen, unit, parallel = self.assignment.chosen, case.unit, self._policy.parallel
        held_back = chosen("held-back", unit, self._policy.supervised.blind)
        tested = held_back and not seeded
        return Draw(
            Route.BLIND if held_back or held else Route.PROPOSED,
            audit=tested and chosen("audit", unit, parallel.audit),
            audit_share=parallel.audit if tested else 0.0,
            adjudicate_twice=tested and chosen("adjudicate-twice", unit, parallel.adjudicate_twice),
            held_back=held_back,
            in_scope=True,
            seeded=seeded,
            reserve=reserve,
        )

    def _acted(self, unit: str, reserve: bool, share: float) -> Draw:
        chosen, parallel = self.assignment.chosen, self._policy.parallel
        audit = chosen("audit-acted", unit, share)
        return Draw(
            Route.ACTED,
            audit=audit,
            audit_share=share,
            checked=audit and chosen("audit", unit, parallel.audit),
            checked_share=parallel.audit if audit else 0.0,
            adjudicate_twice=audit and chosen("adjudicate-twice", unit, parallel.adjudicate_twice),
            in_scope=True,
            reserve=reserve,
        )

    def _in_scope(self, case: Case, answer: ModelAnswer, stage: Stage) -> bool:
        """Tells whether the model may do more than watch. The scope holds for expanding too, but for its share."""
        if not (answer.certified and answer.in_domain) or answer.label is None:
            return False
        scope = self._policy.supervised.scope
        if not within(scope, case, answer.label):
            return False
        return stage is Stage.EXPANDING or self.assignment.chosen("scope", case.unit, scope.share)
