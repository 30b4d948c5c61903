"""What production leaves behind: predictions that were given, the inputs they were given for, and who may ask.

Plain frozen data between the server, which makes records, and the store, which keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .role import Role
from .types import Facts, Prediction, Verdict

__all__ = [
    "ApiKey",
    "Context",
    "Entry",
    "Record",
    "RecordFilter",
    "RecordPage",
    "Role",
    "StoredInput",
    "Timings",
]


@dataclass(frozen=True, slots=True)
class Context:
    """What the caller says of an input. All of it is the caller's word."""

    camera: str | None = None
    site: str | None = None
    group: str | None = None
    """Inputs of one group (a video, a patient, a module) are not independent of each other."""
    taken_at: datetime | None = None
    """When the picture was taken, or the values measured; with an offset."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Anything else that JSON can hold."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of one answer went, in seconds."""

    queue_s: float
    """From acceptance until a worker took it."""
    decode_s: float
    """Bytes to tensor."""
    network_s: float
    """The run of the network this input was part of."""
    total_s: float
    """From acceptance until the answer was ready to be stored."""


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
    """UTC."""
    model: str
    """The name it was served under; the bundle's id stands in ``prediction``."""
    prediction: Prediction
    timings: Timings
    input_sha256: str | None = None
    """Of the bytes received; None where the retention rule keeps not even that."""
    facts: Facts = field(default_factory=dict)
    """What reading the input taught about it, such as an image's width and height; empty where it could not be read."""
    context: Context = Context()
    key_id: str | None = None
    """Whose key asked; None where the server needs none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is written at once: a record, and its input where that is kept."""

    record: Record
    input: StoredInput | None = None


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records are wanted; None is any. ``since`` is included, ``until`` is not."""

    model: str | None = None
    bundle_id: str | None = None
    verdict: Verdict | None = None
    label: str | None = None
    """The one label, or one of several."""
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
    """A key without its secret: only the SHA-256 of that is known."""

    id: str
    name: str
    role: Role
    secret_sha256: str
    created_at: datetime
    revoked_at: datetime | None = None
    per_minute: int | None = None
    """Inputs it may send a minute; None is no limit of its own."""
