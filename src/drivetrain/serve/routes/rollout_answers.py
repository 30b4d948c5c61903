"""The forms in which rollouts are answered, as the schemas of the API's document. They are for admins: they tell of the model."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ...core.log_text import to_text
from ...core.rollout_records import LogLine, RolloutRow
from ...rollout.row_json import row_json
from ...rollout.stage import Stage

Reason = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"\S")]


class TurnBody(BaseModel):
    """The reason for which a person turns a rollout."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Reason = Field(description="Why, in a sentence; it stays in the log")
    by: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")] | None = Field(
        None,
        description="Who does it, where the server has no keys and cannot know; else the key's name, and nothing else",
    )


class RolloutAnswer(BaseModel):
    """A rollout, as lists show it."""

    id: str
    name: str
    model: str
    bundle_id: str
    stage: Stage
    step: int = Field(description="The place in the policy's steps of expanding, from 0")
    paused: bool
    opened_at: datetime
    live: bool
    served: bool = Field(description="This server serves its bundle, so that it takes cases here")
    shadow_of: str | None = Field(description="The id of the rollout whose cases it reads along")
    head: int = Field(description="The number of the log's last line")
    head_hash: str


class RolloutsAnswer(BaseModel):
    """All rollouts of the store, the newest first."""

    rollouts: list[RolloutAnswer]


class LineAnswer(BaseModel):
    """A line of the log."""

    number: int
    at: datetime
    case_id: str | None
    event: dict[str, Any] = Field(description="What happened")
    before: str
    hash: str = Field(
        description="SHA-256 over the hash of the line before, the number, and the event's canonical JSON"
    )


class LogAnswer(BaseModel):
    """Lines of the log, in order; ``next`` goes on behind them, null at the end."""

    lines: list[LineAnswer]
    next: int | None


def rollout_json(row: RolloutRow, *, served: bool) -> dict[str, Any]:
    """As `RolloutAnswer`."""
    return {**row_json(row), "live": row.stage != Stage.ENDED, "served": served}


def line_json(line: LogLine) -> dict[str, Any]:
    """As `LineAnswer`, and as a line of an exported log."""
    found: dict[str, Any] = json.loads(to_text(line))
    return found
