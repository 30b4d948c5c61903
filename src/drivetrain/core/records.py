"""The records of production: predictions that were given, the inputs they were given for, and the keys that may ask.

Plain frozen data between the server, which makes records, and the store, which keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from .role import Role
from .told_how import ToldHow
from .types import Facts, Prediction, Verdict

__all__ = [
    "Alarm",
    "ApiKey",
    "Context",
    "Entry",
    "Fed",
    "MonitorState",
    "Notice",
    "NoticeEvent",
    "Record",
    "RecordFilter",
    "RecordPage",
    "Role",
    "StoredInput",
    "Timings",
    "ToldHow",
    "Truth",
    "TruthFilter",
    "TruthPage",
]


@dataclass(frozen=True, slots=True)
class Context:
    """The caller's own statements about an input, which nobody has verified."""

    camera: str | None = None
    site: str | None = None
    group: str | None = None
    """Inputs of one group (a video, a patient, a module) are not independent of each other."""
    taken_at: datetime | None = None
    """The moment the picture was taken or the values measured, with an offset."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Anything else the caller says, as far as JSON can hold it."""


@dataclass(frozen=True, slots=True)
class Timings:
    """The time that one answer took, step by step, in seconds."""

    queue_s: float
    """Time from acceptance until a worker took the input."""
    decode_s: float
    """Time to turn the bytes into a tensor."""
    network_s: float
    """Time of the network's run that this input was part of."""
    total_s: float
    """Time from acceptance until the answer was ready to be stored."""


@dataclass(frozen=True, slots=True)
class StoredInput:
    """An input's file by the hash of the bytes that were received; ``data`` may have lost its metadata since."""

    sha256: str
    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Record:
    """One prediction as it was given."""

    id: str
    """32 hexadecimal digits that sort by time (UUID version 7)."""
    request_id: str
    at: datetime
    """The moment of the answer, in UTC."""
    model: str
    """The name the model was served under; the bundle's id stands in ``prediction``."""
    prediction: Prediction
    timings: Timings
    input_sha256: str | None = None
    """SHA-256 of the bytes received; None where the retention rule keeps not even that."""
    facts: Facts = field(default_factory=dict)
    """Facts learned by reading the input, such as an image's width and height; empty where it could not be read."""
    context: Context = Context()
    key_id: str | None = None
    """The API key that asked; None where the server needs none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The unit that is written at once: a record, and its input where that is kept."""

    record: Record
    input: StoredInput | None = None


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """The records that are wanted; None is any. ``since`` is included, ``until`` is not."""

    model: str | None = None
    bundle_id: str | None = None
    verdict: Verdict | None = None
    label: str | None = None
    """A label the answer has, alone or among others."""
    camera: str | None = None
    site: str | None = None
    group: str | None = None
    request_id: str | None = None
    input_sha256: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Records from the newest back.

    ``next`` goes on where this page ended, None at the end. A search looks through a bounded stretch of time at once, so a
    page may hold fewer records than asked for, even none, and still have a ``next``; ``searched_to`` says how far it got.
    """

    records: tuple[Record, ...]
    next: str | None
    searched_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret, of which only the SHA-256 is known."""

    id: str
    name: str
    role: Role
    secret_sha256: str
    created_at: datetime
    revoked_at: datetime | None = None
    per_minute: int | None = None
    """Inputs the key may send a minute; None: the key has no limit of its own."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The right answer to one prediction, as a person told it; a later one is added, and replaces none."""

    id: str
    """32 hexadecimal digits that sort by time (UUID version 7)."""
    prediction_id: str
    at: datetime
    """The moment it was told, in UTC."""
    by: str
    """The person, by a name of their own or that of the API key."""
    how: ToldHow
    label: str | None = None
    labels: tuple[str, ...] | None = None
    """The labels, where there may be any number of them; the empty tuple says that none is right."""
    values: Mapping[str, float] = field(default_factory=dict)
    note: str | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class TruthFilter:
    """The truths that are wanted; None is any. ``since`` is included, ``until`` is not."""

    prediction_id: str | None = None
    model: str | None = None
    bundle_id: str | None = None
    how: ToldHow | None = None
    by: str | None = None
    label: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TruthPage:
    """Truths from the newest back; ``next`` goes on where this page ended, None at the end."""

    truths: tuple[Truth, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Fed:
    """One entry of what a monitor reads: a prediction, or a truth told of it, in the order in which they were stored."""

    position: int
    """Grows with every entry stored, and never changes: whatever was read up to a position was all there is up to it."""
    record: Record
    truth: Truth | None = None
    """The truth told of ``record``; None for the prediction itself."""


@dataclass(frozen=True, slots=True)
class MonitorState:
    """The state of one bundle's monitor after all entries up to ``position``."""

    model: str
    bundle_id: str
    position: int
    state: str
    """JSON that the monitor can go on from, exactly."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm of a monitor. It stands until a person clears it."""

    id: str
    """32 hexadecimal digits that sort by time (UUID version 7)."""
    model: str
    bundle_id: str
    source: str | None
    """The camera, or else the site, that it is about; None: all of them together."""
    monitor: str
    """The monitor that raised it: ``out-of-domain-rate``, ``confidence``, ``score``, ``audited-error``,
    ``certificate``."""
    began: datetime
    """The moment at which the change began, as estimated."""
    raised: datetime
    looks_like: str
    """The kind of change it looks like: ``camera-or-processing``, ``class-mix``, ``new-class``, ``harder-cases``, ``errors`` or
    ``unclear``."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Figures and ids of the predictions that drove it, as JSON can hold them."""
    cleared: datetime | None = None
    cleared_by: str | None = None
    reason: str | None = None
    """The reason for clearing it, in that person's words."""
    cleared_position: int | None = None
    """The position in the feed at which it was cleared, so that a monitor that reads the store anew does so at the same place."""


class NoticeEvent(StrEnum):
    """The event that a notice tells of."""

    RAISED = "raised"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Notice:
    """A message that something happened to an alarm, for a webhook; kept until it has arrived."""

    id: str
    """32 hexadecimal digits, the same at every attempt, so that a receiver knows one that comes twice."""
    event: NoticeEvent
    alarm: Alarm
    """The alarm as it was at the event."""
    at: datetime
    """The moment of the event."""
    attempts: int = 0
    """The attempts that were begun to deliver it."""
    next_at: datetime | None = None
    """The moment of the next attempt; None: there is to be none."""
    delivered_at: datetime | None = None
    last_error: str | None = None
