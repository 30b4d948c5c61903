"""Problem details (RFC 9457): what went wrong, as programs and people can read it. One kind, one slug, one status."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class ProblemDetail(BaseModel):
    """The body of every answer that is not a success."""

    type: str = Field(description="Names the kind of problem", examples=["urn:drivetrain:problem:overloaded"])
    title: str
    status: int
    detail: str = Field(description="What was received and what to do")
    request_id: str | None = None
    errors: list[dict[str, Any]] | None = Field(None, description="Of an unprocessable request: each place and fault")


# Slug → status and title.
KINDS: Mapping[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be understood"),
    "unauthorized": (401, "A key is needed"),
    "forbidden": (403, "Not allowed"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "Not this way"),
    "timeout": (408, "The request took too long to arrive"),
    "too-large": (413, "Too much at once"),
    "unsupported-media": (415, "Not this kind of body"),
    "unprocessable": (422, "The request cannot be used as it is"),
    "too-many-requests": (429, "Too many requests"),
    "fault": (500, "A fault in this program"),
    "overloaded": (503, "More requests than can be answered"),
    "deadline": (503, "No answer in time"),
    "store-unavailable": (503, "Answers cannot be stored"),
    "draining": (503, "The server is going down"),
}


# What a route may answer with that takes images.
TAKING_IMAGES = (
    "bad-request",
    "unauthorized",
    "forbidden",
    "not-found",
    "timeout",
    "too-large",
    "unsupported-media",
    "unprocessable",
    "too-many-requests",
    "overloaded",
    "store-unavailable",
    "draining",
)


@dataclass
class Problem(Exception):  # noqa: N818  # the term of RFC 9457
    """Raised anywhere below a route; becomes the answer."""

    slug: str
    detail: str
    retry_after_s: int | None = None
    errors: Sequence[Mapping[str, Any]] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.detail)

    @property
    def status(self) -> int:
        """HTTP status."""
        return KINDS[self.slug][0]

    def response(self, request_id: str | None) -> Response:
        """As an answer."""
        status, title = KINDS[self.slug]
        body: dict[str, Any] = {
            "type": f"urn:drivetrain:problem:{self.slug}",
            "title": title,
            "status": status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.errors is not None:
            body["errors"] = list(self.errors)
        headers = dict(self.headers)
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        return Response(json.dumps(body, default=str), status, headers, MEDIA_TYPE)


def documented(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """The problems a route may answer with, for its entry in the OpenAPI document."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for slug in slugs:
        status, title = KINDS[slug]
        example = {
            "type": f"urn:drivetrain:problem:{slug}",
            "title": title,
            "status": status,
            "detail": title + ".",
            "request_id": "019ca1b0d6c87d4a8a4be2f7c0ffee00",
        }
        known = by_status.setdefault(
            status, {"description": title, "content": {MEDIA_TYPE: {"schema": _SCHEMA, "examples": {}}}}
        )
        known["content"][MEDIA_TYPE]["examples"][slug] = {"value": example}
        if status in (429, 503):
            known["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    return by_status


_SCHEMA = {"$ref": "#/components/schemas/ProblemDetail"}
