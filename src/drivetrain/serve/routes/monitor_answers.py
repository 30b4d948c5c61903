"""The answers of the monitor's routes, as the schemas of the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .answers import HistoryEntry

SourceName = Field(description="A camera, else a site; empty where the caller named neither")


class RateAnswer(BaseModel):
    """A share of votes with its 95 % interval; a source has one vote a minute."""

    value: float | None = Field(description="Null without votes")
    low: float
    high: float
    count: int
    n: int


class EstimateAnswer(BaseModel):
    """An accuracy that nobody has measured."""

    value: float
    low: float
    high: float
    n: int
    is_: Literal["estimate"] = Field(alias="is")
    text: str


class AuditedAnswer(BaseModel):
    """Accepted answers that a person judged without seeing them."""

    n: int
    wrong: int
    value: float
    low: float
    high: float
    text: str


class SourceAnswer(BaseModel):
    """One source as its monitor sees it."""

    source: str = SourceName
    name: str
    n: int = Field(description="Predictions")
    votes: int = Field(description="Independent of each other: one a minute")
    last_seen: datetime | None
    out_of_domain: RateAnswer | None
    evidence: float | None = Field(ge=0, le=1, description="How far the way to an alarm has been gone; 1 is an alarm")
    alarms: list[str] = Field(description="Ids of those that stand for it")
    held: bool = Field(description="Its accepted answers become reviewed ones just now")


class AlarmAnswer(BaseModel):
    """An alarm, which stands until a person clears it."""

    id: str
    model: str
    bundle_id: str
    source: str | None = Field(description="As in the monitor's rows; null: all sources together")
    source_name: str
    monitor: str
    monitor_name: str
    looks_like: str
    looks_like_name: str
    began: datetime = Field(description="As estimated")
    raised: datetime
    text: str
    evidence: dict[str, Any]
    acts: bool = Field(description="It turns accepted answers into reviewed ones just now")
    cleared: datetime | None
    cleared_by: str | None
    reason: str | None


class AlarmDetails(AlarmAnswer):
    """An alarm with the predictions that drive it."""

    predictions: list[HistoryEntry]
    predictions_missing: int = Field(description="Named by the alarm, but no longer in the store")


class AlarmPage(BaseModel):
    """Alarms from the newest back."""

    alarms: list[AlarmAnswer]
    next: str | None


class CertificateAnswer(BaseModel):
    """Whether a bundle's certificate stands."""

    stands: bool = Field(description="False where it has expired, or an alarm stands meanwhile")
    text: str


class ProgressAnswer(BaseModel):
    """How far a monitor has read what the store holds."""

    position: int
    behind: int | None = Field(description="Positions that are known to be unread; null while nobody knows")
    caught_up: bool
    seconds_behind: float | None
    updated: datetime | None
    problem: str | None = Field(description="Why it does not go on")


class MonitoredModel(BaseModel):
    """One served version and what its monitor knows."""

    model: str
    bundle_id: str
    title: str
    current: bool
    state: Literal["ok", "alarm", "no-gate", "learning"]
    text: str
    n: int
    votes: int
    last_seen: datetime | None
    out_of_domain: RateAnswer | None
    expected_out_of_domain: float | None
    sources: list[SourceAnswer]
    sources_left_out: int
    alarms: list[AlarmAnswer]
    estimated_accuracy: EstimateAnswer | None
    audited: AuditedAnswer | None
    certificate: CertificateAnswer | None = Field(description="Null: the bundle has none")
    progress: ProgressAnswer


class WebhookAnswer(BaseModel):
    """What is still to be told to the webhook."""

    waiting: int = Field(description="Messages that have not arrived; at most 100 are counted")
    failed: int = Field(description="Attempts of this process that failed, since it started")
    last_error: str | None
    last_sent: datetime | None


class MonitorAnswer(BaseModel):
    """All monitors of a server."""

    on_alarm: Literal["review", "tell"]
    alarms_known: bool
    webhook: WebhookAnswer | None
    models: list[MonitoredModel]


class ClusterSource(BaseModel):
    """The share of a source in a cluster."""

    source: str = SourceName
    name: str
    n: int


class ClusterExample(BaseModel):
    """An image of a cluster."""

    id: str
    input: str
    label: str | None
    at: datetime


class ClusterAnswer(BaseModel):
    """Refused images that look alike."""

    size: int
    sources: list[ClusterSource]
    first: datetime
    last: datetime
    similarity: float
    ids: list[str]
    examples: list[ClusterExample]


class ClustersAnswer(BaseModel):
    """Clusters among the newest refused images whose files were kept."""

    model: str
    bundle_id: str
    refused: int
    embedded: int
    clusters: list[ClusterAnswer]
    alone: int
    text: str


class ClearBody(BaseModel):
    """Why an alarm is cleared, and by whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: str = Field(min_length=1, max_length=1000, pattern=r"\S")
    by: str | None = Field(None, min_length=1, max_length=200, pattern=r"\S")
