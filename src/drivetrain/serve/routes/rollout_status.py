"""The form in which one rollout is answered, as the schema of the API's document: `rollout.status.Status.to_json`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from ...rollout.events import ReviewKind, Turn
from ...rollout.hold import HoldKind
from ...rollout.reading import GateVerdict
from ...rollout.stage import Stage


class HoldAnswer(BaseModel):
    """A reason for which a rollout is paused; it runs on when the last of them is released."""

    kind: HoldKind
    words: str
    at: datetime
    alarm_id: str | None
    by: str | None


class ReadingAnswer(BaseModel):
    """A gate, of everything or of one slice: what is known, against what has to be shown."""

    gate: str = Field(description="Names the gate, and never changes", examples=["non-inferior"])
    slice: str | None = Field(description="`site=north`; null: all cases together")
    value: float | None
    bound: float | None = Field(
        description="The one-sided confidence bound held against the threshold, valid at any time"
    )
    threshold: float
    n: int = Field(description="The cases, or labelled units, it rests on")
    verdict: GateVerdict
    expected_more: int | None = Field(
        description="Labelled cases to be expected until it passes; null: unknown, or none"
    )
    words: str


class CountsAnswer(BaseModel):
    """Counts of cases since the rollout was opened."""

    arrived: int
    waiting: int = Field(description="Nobody has decided them yet")
    blind: int = Field(description="Decided by people without sight of the model's answer")
    assisted: int = Field(description="Decided by people who saw the model's proposal")
    acted: int = Field(description="Decided by the model")
    undecided: int = Field(description="Nobody could tell")
    certified: int = Field(description="The model's own policy lets its answer stand")
    out_of_domain: int
    seeded: int
    final: int = Field(description="Evidence is complete, or counted worst-case")
    unresolved: int = Field(description="Final, as nobody resolved them in time")
    cannot_tell: int = Field(description="Final, and somebody who was asked could not tell")


class ChangedAnswer(BaseModel):
    """What the model would have changed, or changed, on certified cases that a person decided blind."""

    compared: int
    discordant: int = Field(description="Person and model differ")
    model_right: int = Field(description="Discordant, and the adjudicator or the outcome sided with the model")
    person_right: int
    neither: int
    cannot_tell: int
    unresolved: int
    both_wrong: int = Field(description="Both agree, and the adjudicator or the outcome said otherwise")


class OverridesAnswer(BaseModel):
    """Proposals that one person, or all in one slice, confirmed or overrode."""

    by: str | None
    slice: str | None
    proposed: int
    overridden: int
    cannot_tell: int


class WorkloadAnswer(BaseModel):
    """The work of people, and what the model has saved of it."""

    decisions: int
    seconds: float
    timed: int = Field(description="Reviews that tell their seconds")
    saved: int = Field(description="Cases that the model decided and nobody looked at")


class HarmAnswer(BaseModel):
    """The harm to be expected until a fault is found: errors of acted cases between the fault and the rollback."""

    audit_share: float
    audits: int
    acted: int
    error: float
    errors: int


class SpentAnswer(BaseModel):
    """The probability of a false advance that the advances have spent."""

    alpha: float
    spent: float
    attempt: int


class PointAnswer(BaseModel):
    """A reading at an earlier moment."""

    at: datetime
    n: int
    value: float | None
    bound: float | None


class CurveAnswer(BaseModel):
    """The way of a gate over time."""

    gate: str
    slice: str | None
    threshold: float
    points: list[PointAnswer]


class TurnAnswer(BaseModel):
    """A turn: what was done to the rollout, by whom and why, and the evidence it rested on."""

    at: datetime
    turn: Turn
    by: str | None = Field(description="null: the evidence by itself")
    reason: str
    stage: Stage
    step: int
    evidence: dict[str, Any]


class NextAnswer(BaseModel):
    """The place an advance leads to."""

    stage: Stage
    step: int


class QueueAnswer(BaseModel):
    """Reviews of one kind."""

    open: int = 0
    leased: int = 0
    held: int = 0
    overdue: int = 0


class StatusAnswer(BaseModel):
    """Where a rollout stands, and what it takes to advance."""

    id: str
    name: str
    model: str
    bundle_id: str
    shadow_of: str | None
    opened_at: datetime
    at: datetime
    head: int
    head_hash: str
    stage: Stage
    step: int
    share: float | None = Field(description="Of certified cases in scope, the share the model acts on; null before")
    paused: bool
    holds: list[HoldAnswer]
    next: NextAnswer | None
    may_advance: bool
    refusals: list[str] = Field(description="Why it cannot advance just now; empty: a named person may advance it")
    expected_more: int | None
    readings: list[ReadingAnswer]
    counts: CountsAnswer
    slices: dict[str, CountsAnswer]
    changed: ChangedAnswer
    changed_slices: dict[str, ChangedAnswer]
    overrides: list[OverridesAnswer]
    workload: WorkloadAnswer
    harm: HarmAnswer | None
    spent: SpentAnswer
    curves: list[CurveAnswer]
    queue: dict[ReviewKind, QueueAnswer]
    people: dict[str, Any] = Field(description="People's own error and agreement, as far as it is known")
    turns: list[TurnAnswer] = Field(description="The latest turns, the newest first")
