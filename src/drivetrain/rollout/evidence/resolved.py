"""A case as evidence sees it: what was known when it came, and what people said of it once all they were asked is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..draw import Draw, Route
from ..stage import Stage


@dataclass(frozen=True, slots=True)
class Came:
    """A case, its answer and its draw, at the moment it came in."""

    number: int
    """The place in the order of arrival within the rollout, from 1."""
    at: datetime
    stage: Stage
    """The stage and step in which it was drawn; a case that is resolved later still counts for these."""
    step: int
    unit: str
    slices: Mapping[str, str]
    """Values by column, of the columns that the policy names."""
    draw: Draw
    label: str | None
    """The model's answer; None: the input could not be read."""
    certified: bool
    in_domain: bool
    latency_s: float
    group: bool = False
    """The unit is a group, so that further cases of it may come. A case by itself is never looked up again."""

    @property
    def counts(self) -> bool:
        """Tells whether what people say of it tests the model: a certified answer, blind, drawn by chance, not seeded.

        In expanding, units that chance keeps blind are like those acted on but for chance, and count as audits of them do.
        """
        if self.draw.seeded or not self.certified or self.label is None:
            return False
        if self.stage is Stage.PARALLEL:
            return True
        if self.stage not in (Stage.SUPERVISED, Stage.EXPANDING):
            return False
        return self.draw.audit if self.draw.route is Route.ACTED else self.draw.held_back and self.draw.in_scope


@dataclass(frozen=True, slots=True)
class Told:
    """One person's answer."""

    label: str | None
    """None: cannot tell."""
    by: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """A case that is final: every answer asked for has come, or nobody has given it within the time that the policy sets."""

    came: Came
    at: datetime
    """The moment it became final."""
    decisions: tuple[Told, ...] = ()
    """Blind decisions by different people, the first asked first."""
    confirmed: Told | None = None
    """The answer to the model's proposal."""
    adjudications: tuple[Told, ...] = ()
    """Blind adjudications by different people, neither of whom decided."""
    outcome: str | None = None
    """The label that turned out, where it was known by then."""
    known: str | None = None
    """The right answer of a seeded case."""
    expired: bool = False
    """Something that was asked has not been answered in time, or was withdrawn."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The evidence itself stops the model."""

    rollback: bool
    """False: it is only paused."""
    reason: str
    """One sentence for people."""


def came_to_json(came: Came) -> dict[str, Any]:
    """Return a case in plain data."""
    draw = came.draw
    return {
        "number": came.number,
        "at": came.at.isoformat(),
        "stage": came.stage.value,
        "step": came.step,
        "unit": came.unit,
        "slices": dict(came.slices),
        "draw": {name: getattr(draw, name) for name in Draw.__dataclass_fields__} | {"route": draw.route.value},
        "label": came.label,
        "certified": came.certified,
        "in_domain": came.in_domain,
        "latency_s": came.latency_s,
        "group": came.group,
    }


def came_of_json(state: Mapping[str, Any]) -> Came:
    """Read what `came_to_json` wrote."""
    draw = Draw(**{**state["draw"], "route": Route(state["draw"]["route"])})
    at, stage = datetime.fromisoformat(state["at"]), Stage(state["stage"])
    return Came(**{**state, "at": at, "stage": stage, "draw": draw})


def _told_to_json(told: tuple[Told, ...]) -> list[list[str | None]]:
    return [[one.label, one.by] for one in told]


def _told_of_json(state: list[Any]) -> tuple[Told, ...]:
    return tuple(Told(label, by) for label, by in state)


def resolved_to_json(resolved: Resolved) -> dict[str, Any]:
    """Return a final case in plain data."""
    return {
        "came": came_to_json(resolved.came),
        "at": resolved.at.isoformat(),
        "decisions": _told_to_json(resolved.decisions),
        "confirmed": None if resolved.confirmed is None else [resolved.confirmed.label, resolved.confirmed.by],
        "adjudications": _told_to_json(resolved.adjudications),
        "outcome": resolved.outcome,
        "known": resolved.known,
        "expired": resolved.expired,
    }


def resolved_of_json(state: Mapping[str, Any]) -> Resolved:
    """Read what `resolved_to_json` wrote."""
    return Resolved(
        came=came_of_json(state["came"]),
        at=datetime.fromisoformat(state["at"]),
        decisions=_told_of_json(state["decisions"]),
        confirmed=None if state["confirmed"] is None else Told(*state["confirmed"]),
        adjudications=_told_of_json(state["adjudications"]),
        outcome=state["outcome"],
        known=state["known"],
        expired=state["expired"],
    )
