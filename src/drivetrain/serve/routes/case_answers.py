"""The forms in which cases are sent and answered, as the schemas of the API's document."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    StringConstraints,
    field_validator,
)

from ...core.case import Case
from ...core.told_how import ToldHow
from ..http.uploads import Base64Image, Moment
from .answers import moment

MOST_IMAGES = 16
MOST_SLICES = 16
MOST_METADATA = 64
MOST_METADATA_BYTES = 16 << 10

Words = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Key = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")
]


def _in_utc(moment: datetime) -> datetime:
    """Turn to UTC, in which logs are written; at either end of the calendar it may have no name there."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside of the years 1 to 9999 in UTC") from None


InUtc = Annotated[Moment, AfterValidator(_in_utc)]
Value = Annotated[str, StringConstraints(max_length=2000)] | StrictBool | StrictInt | FiniteFloat


class CaseBody(BaseModel):
    """A case: what is known of a unit of work that needs a decision, beside its images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Key | None = Field(
        None,
        description="Your own name for it, in ASCII; the header Idempotency-Key says the same. A case whose key is there "
        "already is not taken again",
    )
    at: InUtc | None = Field(None, description="When it came up, ISO 8601 with an offset; by default now")
    slices: dict[Words, Words] = Field(
        default_factory=dict,
        max_length=MOST_SLICES,
        description="Parts of the field it belongs to, by column; the monitor's sources are `camera`, else `site`",
        examples=[{"site": "north", "camera": "7"}],
    )
    group: Words | None = Field(
        None, description="Cases of one group (a burst, a module, a patient) are assigned and counted as one"
    )
    due: InUtc | None = Field(None, description="When it has to be decided; the queue is in this order")
    metadata: dict[Words, Value] = Field(
        default_factory=dict, max_length=MOST_METADATA, description="Anything else that people should see beside it"
    )
    known: Words | None = Field(
        None, description="The right answer of a seeded case, which checks the people and says nothing of the model"
    )

    @field_validator("metadata")
    @classmethod
    def _bounded(cls, metadata: dict[str, Value]) -> dict[str, Value]:
        if len(json.dumps(metadata, ensure_ascii=False).encode("utf-8", "replace")) > MOST_METADATA_BYTES:
            raise ValueError(f"longer than {MOST_METADATA_BYTES >> 10} KiB")
        return metadata


class CaseJson(BaseModel):
    """A case in JSON: its images in base64, and what is known of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: list[str | Base64Image] = Field(
        min_length=1,
        max_length=MOST_IMAGES,
        description="Image files, base64; the model answers the first, people see all",
    )
    case: CaseBody = Field(default_factory=CaseBody)


class CaseDecisionBody(BaseModel):
    """The decision of a person who decides in another system, without sight of the model's answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: Words | None = Field(description="null: the person cannot tell")
    by: Words = Field(description="The person, by the name that is used throughout")
    how: Literal["blind"] = Field(
        "blind", description="Without sight of the model's answer; nothing else is taken here"
    )
    seconds: float | None = Field(None, ge=0, le=86_400, allow_inf_nan=False, description="Seconds it took")


class OutcomeBody(BaseModel):
    """What turned out about a case: a laboratory's finding, a returned part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: Words
    by: Words | None = Field(None, description="Who says so; by default the key's name")


class DecisionAnswer(BaseModel):
    """The decision that takes effect."""

    label: str | None = Field(description="null: whoever decided could not tell")
    how: ToldHow = Field(description="model: the model acted by itself, which it does in the stage `expanding` only")
    at: datetime


class CaseAnswer(BaseModel):
    """A case as its sender may know it: nothing of the model's answer, but where that is the decision."""

    id: str
    key: str
    rollout: str
    status: Literal["waiting", "decided"]
    decision: DecisionAnswer | None


def case_json(
    case_id: str, key: str, rollout: str, settled: tuple[str | None, str, datetime] | None
) -> dict[str, object]:
    """As `CaseAnswer`."""
    decision = None
    if settled is not None:
        label, how, at = settled
        decision = {"label": label, "how": how, "at": moment(at)}
    status = "waiting" if decision is None else "decided"
    return {"id": case_id, "key": key, "rollout": rollout, "status": status, "decision": decision}


def case_of(body: CaseBody, key: str, case_id: str, at: datetime, inputs: tuple[str, ...]) -> Case:
    """The case that a body describes; ``at`` is now."""
    return Case(
        id=case_id,
        key=key,
        at=body.at or at,
        inputs=inputs,
        slices=body.slices,
        group=body.group,
        due=body.due,
        metadata=body.metadata,
    )
