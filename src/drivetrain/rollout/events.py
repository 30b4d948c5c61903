"""The events of a rollout, in the order in which they were logged. Everything else (stage, gates, queue) follows from them.

Plain frozen data; `to_json` and `of_json` are in `event_json`. Every event has the moment it was logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ..core.case import Case, ModelAnswer
from ..core.told_how import ToldHow
from .draw import Draw
from .stage import Stage


class ReviewKind(StrEnum):
    """The thing a person is asked to do with a case."""

    DECIDE = "decide"
    """Decide without sight of any answer."""
    CONFIRM = "confirm"
    """Confirm the model's proposal, or override it."""
    ADJUDICATE = "adjudicate"
    """Say which of two unnamed answers is right, or that neither is."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The rollout began: with a policy, a bundle, and a commitment to the salt of its assignment (SHA-256)."""

    at: datetime
    by: str
    policy: Mapping[str, Any]
    bundle_id: str
    labels: tuple[str, ...]
    salt_sha256: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A case came in, the model answered it, and chance assigned its checks."""

    at: datetime
    case: Case
    answer: ModelAnswer
    draw: Draw
    known: str | None = None
    """The right answer of a seeded case."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A person finished a review."""

    at: datetime
    case_id: str
    review: ReviewKind
    round: int
    """0 for the first person asked to do this with this case, 1 for the second."""
    by: str
    label: str | None
    """None: the person cannot tell."""
    how: ToldHow
    seconds: float | None = None
    """Seconds between being shown the case and deciding."""


@dataclass(frozen=True, slots=True)
class TurnedOut:
    """The outcome of a case became known."""

    at: datetime
    case_id: str
    label: str
    by: str


@dataclass(frozen=True, slots=True)
class Alarmed:
    """A monitor of the model raised an alarm, or a person cleared it."""

    at: datetime
    alarm_id: str
    monitor: str
    words: str
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time passed without anything else: silence may pause a rollout, and never advances it."""

    at: datetime


class Turn(StrEnum):
    """A change of where a rollout stands."""

    ADVANCED = "advanced"
    """To the next stage, or the next share of expanding: by a named person, where the gates let it."""
    PAUSED = "paused"
    """The model neither proposes nor acts; people decide blind. Evidence stands."""
    RESUMED = "resumed"
    ROLLED_BACK = "rolled-back"
    """Latched, by a person or by the evidence."""
    CLEARED = "cleared"
    """A person cleared a rollback with a reason: back to parallel, with fresh evidence."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Turned:
    """The rollout was advanced, paused, resumed, rolled back, cleared or ended."""

    at: datetime
    turn: Turn
    by: str | None
    """The person; None: the evidence by itself, by the policy's own rule."""
    reason: str
    stage: Stage
    """The stage after it."""
    step: int = 0
    """The place in the policy's steps of expanding, after it."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Readings of the gates it rested on, and the hash of the log's head that they were computed from."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Bundles were compared on cases that no model is trained on. No stage or gate depends on it; it stands in the log, since a
    reserve that is looked at again and again until somebody likes the answer is no reserve any more."""

    at: datetime
    by: str
    bundle_ids: tuple[str, ...]
    reserve: int
    """Cases of the random reserve among those compared on."""
    recent: int
    """Cases that came after what the models were trained on, and are not of the reserve."""
    words: str
    """The answer, in a sentence."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A shadow has read its champion's log up to a line, and everything that follows from it stands before this event."""

    at: datetime
    line: int
    line_hash: str
    """The hash of that line, so that the evidence names the log it was taken from."""
    passed_over: int = 0
    """Cases read since the last such event that people were not to decide blind, or that were thinned out."""


Event = Opened | Arrived | Decided | TurnedOut | Alarmed | Ticked | Turned | Looked | Followed

REMARKS = (Looked, Followed)
"""Events that nothing follows from; they stand in the log to be read."""
