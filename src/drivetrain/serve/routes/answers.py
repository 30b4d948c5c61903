"""What the API answers with, as plain data and as the schemas of its OpenAPI document."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ...core.records import Context, Record, Timings, ToldHow, Truth
from ...core.types import Verdict
from ...model.kinds.registry import KINDS
from ..http.uploads import Metadata

TaskName = Annotated[str, Field(json_schema_extra={"enum": list(KINDS)})]


class ValueAnswer(BaseModel):
    """A number with the interval that holds the true one with the probability the model states."""

    value: float
    low: float
    high: float


class ReasonAnswer(BaseModel):
    """A rule that did not let an answer stand."""

    code: str = Field(description="Names the rule, and never changes")
    text: str = Field(description="The reason as a person reads it")


class PredictionAnswer(BaseModel):
    """An image's answer, as ``drivetrain predict --json`` gives it."""

    path: str = Field(description="The file's name as it was sent, without folders")
    label: str | None = Field(description="The one label; null for other tasks and for what cannot be read")
    confidence: float = Field(ge=0, le=1)
    probs: dict[str, float] = Field(description="Calibrated probability of each class or label")
    labels: list[str] = Field(description="Of a model that gives any number of labels")
    values: dict[str, ValueAnswer] = Field(description="Of a model that gives numbers, or more than a label")
    verdict: Verdict = Field(
        description="accept: the answer may stand; review: a person should look; out_of_domain: the image is unlike those "
        "trained on, so the answer says nothing; unreadable: there is no answer"
    )
    p_in_domain: float | None = Field(
        ge=0,
        le=1,
        description="Of images like those trained on, about this share looks as unlike them as this one or more so",
    )
    reasons: list[ReasonAnswer] = Field(description="Why it is not accepted; empty where it is")
    error: str | None = Field(description="Why the image cannot be read")


class StoredAnswer(PredictionAnswer):
    """An answer that was stored."""

    id: str
    input_sha256: str | None = Field(description="Of the file as it was received; null where that is not kept")


class RequestTimings(BaseModel):
    """Milliseconds. Of several images the longest wait, and decoding and network added up."""

    queue_ms: float
    decode_ms: float
    network_ms: float
    store_ms: float
    total_ms: float


class PredictAnswer(BaseModel):
    """The answers to one request, in the order of its images."""

    predictions: list[StoredAnswer]
    request_id: str
    bundle_id: str
    model: str
    timings: RequestTimings


class RecordTimings(BaseModel):
    """Milliseconds."""

    queue_ms: float
    decode_ms: float
    network_ms: float
    total_ms: float


class TruthAnswer(BaseModel):
    """The right answer to one prediction, as a person told it. Nothing replaces it: who knows better tells another."""

    id: str
    prediction_id: str
    at: datetime
    by: str = Field(description="The person, or the name of the key it was told with")
    how: ToldHow = Field(
        description="blind: without seeing the model's answer; assisted: with it in sight, which is no test of the model; "
        "adjudicated: by somebody who decided between answers without knowing whose they were; outcome: it turned out later"
    )
    label: str | None = Field(description="The one right label; null for other tasks")
    labels: list[str] | None = Field(
        description="All right labels, of a model that gives any number of them; empty where none is right, null for other tasks"
    )
    values: dict[str, float] = Field(description="The true numbers, of a model that gives numbers")
    note: str | None


class HistoryEntry(StoredAnswer):
    """An answer given earlier."""

    request_id: str
    at: datetime
    model: str
    bundle_id: str
    input: str | None = Field(description="Where the input is; null where it was not kept, or no longer is")
    facts: dict[str, int | float | str] = Field(
        description="What reading the input taught about it: of an image its width and height, upright, in pixels; empty "
        "where it could not be read"
    )
    metadata: Metadata
    timings: RecordTimings
    truths: list[TruthAnswer] = Field(description="The right answers that people told, the oldest first")


class HistoryPage(BaseModel):
    """Answers from the newest back. A page may be short, even empty, and still have a ``next``: go on with it."""

    predictions: list[HistoryEntry]
    next: str | None
    searched_to: datetime | None


def stored_json(record: Record) -> dict[str, Any]:
    """As `StoredAnswer`."""
    return {**record.prediction.to_json(), "id": record.id, "input_sha256": record.input_sha256}


def truth_json(truth: Truth) -> dict[str, Any]:
    """As `TruthAnswer`."""
    return {
        "id": truth.id,
        "prediction_id": truth.prediction_id,
        "at": moment(truth.at),
        "by": truth.by,
        "how": truth.how.value,
        "label": truth.label,
        "labels": None if truth.labels is None else list(truth.labels),
        "values": dict(truth.values),
        "note": truth.note,
    }


def history_json(record: Record, *, input_kept: bool, truths: Sequence[Truth] = ()) -> dict[str, Any]:
    """As `HistoryEntry`."""
    return {
        **stored_json(record),
        "request_id": record.request_id,
        "at": moment(record.at),
        "model": record.model,
        "bundle_id": record.prediction.bundle_id,
        "input": f"/v1/inputs/{record.input_sha256}" if input_kept else None,
        "facts": dict(record.facts),
        "metadata": context_json(record.context),
        "timings": _record_timings(record.timings),
        "truths": [truth_json(truth) for truth in truths],
    }


def context_json(context: Context) -> dict[str, Any]:
    """As `Metadata`."""
    return {
        "camera": context.camera,
        "site": context.site,
        "group": context.group,
        "taken_at": moment(context.taken_at),
        "extra": _sayable(dict(context.extra)),
    }


def moment(at: datetime | None) -> str | None:
    """ISO 8601 in UTC; a moment that UTC cannot name, at either end of the calendar, with its own offset."""
    if at is None:
        return None
    try:
        return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return at.isoformat()


def _sayable(value: Any) -> Any:
    """As JSON in UTF-8 can say it: halves of surrogate pairs become question marks, infinite numbers null."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {_sayable(name): _sayable(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_sayable(inner) for inner in value]
    return value


def milliseconds(seconds: float) -> float:
    """Rounded to a microsecond."""
    return round(seconds * 1000, 3)


def _record_timings(timings: Timings) -> dict[str, float]:
    return {
        "queue_ms": milliseconds(timings.queue_s),
        "decode_ms": milliseconds(timings.decode_s),
        "network_ms": milliseconds(timings.network_s),
        "total_ms": milliseconds(timings.total_s),
    }
