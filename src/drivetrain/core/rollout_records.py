"""The records of a rollout as a store keeps them: its log, one hash-chained line an event, and the queue that follows from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

GENESIS = "0" * 64
"""Stands for the hash before the first line."""

ENDED = "ended"
"""The stage of a rollout that is over; its name may be used again."""


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """A rollout, as lists show it."""

    id: str
    name: str
    model: str
    bundle_id: str
    stage: str
    """The stage after its last turn; evidence logged since may have turned it already."""
    step: int
    paused: bool
    opened_at: datetime
    salt: bytes
    """The secret of its assignment, never shown; its SHA-256 stands in the first line of the log."""
    head: int
    """The number of the last line."""
    head_hash: str
    shadow_of: str | None = None
    """The id of the rollout whose cases and blind decisions it reads along, as a candidate beside its champion."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a rollout's log. ``hash`` covers the line before, so that none can be changed, left out or put in later."""

    number: int
    """From 1, without gaps."""
    at: datetime
    case_id: str | None
    body: str
    """The event as canonical JSON."""
    before: str
    hash: str


def line_hash(before: str, number: int, body: str) -> str:
    """Return the hash of a line: SHA-256 over that of the line before, its number, and its body.

    >>> line_hash(GENESIS, 1, "{}")[:12]
    '857ee6299d26'
    """
    return hashlib.sha256(f"{before}\n{number}\n{body}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's answer to a review, before it is logged."""

    label: str | None
    """None: cannot tell."""
    by: str
    at: datetime
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """One thing to be done by a person. Nothing in it depends on the model's answer but ``shown``."""

    id: str
    rollout_id: str
    case_id: str
    kind: str
    """``decide``, ``confirm`` or ``adjudicate``."""
    round: int
    due: datetime | None
    order: str
    """The place among reviews of one due time: from the HMAC of the case, so that it says nothing."""
    shown: tuple[str, ...] = ()
    """The labels to be shown, in the order in which they are shown: the proposal of a ``confirm``, the two answers of an
    ``adjudicate``; none of a ``decide``."""
    not_by: tuple[str, ...] = ()
    """People who must not do it, since they have decided this case already, or have seen what the model proposes for it."""
    seen_by: tuple[str, ...] = ()
    """People who were ever given it, whatever became of their leases."""
    lease_by: str | None = None
    lease_until: datetime | None = None
    leased_at: datetime | None = None
    held: Decision | None = None
    """The decision that was made and can still be taken back."""
    done_at: datetime | None = None
