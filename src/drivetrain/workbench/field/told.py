"""Statements about cases of a rollout, gathered from its log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ...core.case import Case
from ...core.told_how import ToldHow
from ...rollout.draw import Draw
from ...rollout.events import Arrived, Decided, Event, Opened, TurnedOut

BLIND_SHARE = 0.2
"""The share kept blind of a rollout whose log does not state one: the policy's default."""


@dataclass(frozen=True, slots=True)
class Told:
    """One statement about a case."""

    label: str | None
    """None: cannot tell."""
    how: ToldHow
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FieldCase:
    """A case of the field, and all that was said of it, in the log's order."""

    rollout: str
    """The name of the rollout it came in by."""
    case: Case
    draw: Draw
    blind_share: float
    """The share that the policy kept blind where the model might propose."""
    told: tuple[Told, ...]

    @property
    def chance(self) -> float | None:
        """The probability with which chance had a person look at it blind; None where nobody was to.

        Where every case is decided blind, it is 1. Of proposed ones a share is held back, and of those that the model acted on a
        share is audited; each stands for the others of its kind, which nobody looked at blind.
        """
        blind = any(one.how in {ToldHow.BLIND, ToldHow.ADJUDICATED} for one in self.told)
        if not blind:
            return None
        if self.draw.held_back:
            return self.blind_share
        if self.draw.audit and self.draw.route == "acted":
            return self.draw.audit_share
        return 1.0


def field_cases(rollout: str, events: Iterable[Event]) -> tuple[FieldCase, ...]:
    """Gather what a log says of each case, in the order of arrival.

    Seeded cases are left out: their answer was known before, and they were put in to check people. The model's own answers are
    no statements, and are not among them.
    """
    arrived: dict[str, tuple[Case, Draw, float]] = {}
    told: dict[str, list[Told]] = {}
    blind_share = BLIND_SHARE
    for event in events:
        match event:
            case Opened(policy=policy):
                blind_share = float(policy.get("supervised", {}).get("blind", BLIND_SHARE))
            case Arrived(case=case, draw=draw, known=None) if not draw.seeded:
                arrived.setdefault(case.id, (case, draw, blind_share))
            case Decided(how=how) if how is not ToldHow.MODEL and event.case_id in arrived:
                told.setdefault(event.case_id, []).append(Told(event.label, how, event.by, event.at))
            case TurnedOut() if event.case_id in arrived:
                told.setdefault(event.case_id, []).append(Told(event.label, ToldHow.OUTCOME, event.by, event.at))
            case _:
                pass
    return tuple(
        FieldCase(rollout, case, draw, share, tuple(told.get(case_id, ())))
        for case_id, (case, draw, share) in arrived.items()
    )
