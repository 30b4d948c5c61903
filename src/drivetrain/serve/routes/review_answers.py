"""The forms of the review queue, as the schemas of the API's document. Nothing here can hold a model's answer but `shown`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ...rollout.events import ReviewKind

Words = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"\S")]


class ReviewBody(BaseModel):
    """A person's answer to a review: a label, or `cannot_tell`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: Words | None = Field(None, description="One of `labels`; null with `cannot_tell`")
    cannot_tell: bool = Field(False, description="Nobody could tell from these images; said instead of a label")
    seconds: float | None = Field(
        None, ge=0, le=86_400, allow_inf_nan=False, description="Seconds it was in sight; by default since it was given"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.label is None) is not self.cannot_tell:
            raise ValueError("give a label, or cannot_tell: true with label null")
        return self


class ReviewedCase(BaseModel):
    """What a person sees of a case."""

    metadata: dict[str, str | int | float | bool]
    slices: dict[str, str]
    due: datetime | None
    images: list[str] = Field(description="Addresses of its images, which the same key may ask for")


class ReviewAnswer(BaseModel):
    """One thing that is asked of a person about a case."""

    id: str
    rollout: str
    kind: ReviewKind = Field(
        description="decide: no answer is in sight; confirm: `shown` is the model's proposal; adjudicate: `shown` are two "
        "answers in random order, of which nobody is told whose they are"
    )
    shown: list[str] = Field(description="Answers to be shown, in this order; empty for `decide`")
    labels: list[str] = Field(description="All that may be answered, in the model's order")
    case: ReviewedCase
    lease_until: datetime = Field(description="Until then nobody else is given it; later it may come back to the queue")
    left_today: int | None = Field(description="Reviews that this person may still be given today; null: no limit")
    done_today: int = Field(description="Reviews that this person has done since midnight, UTC")


class NextReview(BaseModel):
    """The next review; null where nothing waits for this person."""

    review: ReviewAnswer | None


class ReviewGrid(BaseModel):
    """Several reviews at once, each leased; empty where nothing waits for this person."""

    reviews: list[ReviewAnswer]


class ReviewDone(BaseModel):
    """A decision that was taken down. It can be undone until `undo_until`, and until the person's next decision."""

    id: str
    undo_until: datetime


class ReviewUndone(BaseModel):
    """The review whose decision was taken back; it is this person's again."""

    review: ReviewAnswer


class ReviewSkipped(BaseModel):
    """A review that was put back."""

    id: str


class QueueCount(BaseModel):
    """How many reviews of a kind there are."""

    open: int = Field(description="Nobody has decided them")
    leased: int = Field(description="Those of them that somebody looks at")
    held: int = Field(description="Decided, and can still be undone")
    overdue: int = Field(description="Those of the open whose due time has passed")


class AgreementAnswer(BaseModel):
    """How far people agree on cases that two of them decided blind: Cohen's kappa, with its interval."""

    kappa: float | None
    low: float | None
    high: float | None
    n: int


class ReviewSummary(BaseModel):
    """The queue, and this person's own part of it; nothing of the model."""

    rollout: str
    by: str = Field(description="The name under which this person's decisions are kept")
    by_kind: dict[ReviewKind, QueueCount]
    overdue: int = Field(description="Reviews of all kinds whose due time has passed")
    left_today: int | None = Field(description="Reviews that this person may still be given today; null: no limit")
    done_today: int = Field(description="Reviews that this person has done since midnight, UTC")
    agreement: AgreementAnswer | None = Field(description="null where fewer than two cases were decided by two people")
