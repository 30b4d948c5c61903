"""Problem details (RFC 9457): what went wrong, as programs and people can read it. One kind, one slug, one status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import ErrorDetails
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"

# An answer names so many of the faults that pydantic finds, each with a place of so many steps of so many characters.
MOST_FAULTS = 20
MOST_STEPS = 16
MOST_SIGNS = 80


def _sayable(given: Any) -> Any:
    """A text as UTF-8 can say it: a caller's own words may hold half of a surrogate pair."""
    return given.encode("utf-8", "replace").decode() if isinstance(given, str) else given


Place = tuple[str | int, ...]
"""The way to something in a request: names of fields, and places in lists from 0."""

Said = Annotated[str, BeforeValidator(_sayable)]


class Fault(BaseModel):
    """One thing that is wrong with a request, and where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    loc: tuple[Said | int, ...] = Field(
        description="The way to it: names of fields, and places in lists from 0. Of an image: `images` and its place",
        examples=[["images", 3], ["query", "limit"]],
    )
    msg: Said = Field(description="What is wrong there and what to do")

    @property
    def place(self) -> str:
        """Write the place in one text, such as ``images.3``."""
        return ".".join(map(str, self.loc))


class ProblemDetail(BaseModel):
    """The body of every answer that is not a success."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="Names the kind of problem", examples=["urn:drivetrain:problem:overloaded"])
    title: str
    status: int
    detail: Said = Field(description="What was received and what to do")
    request_id: str | None
    errors: tuple[Fault, ...] = Field(
        description="Each place that is wrong, where the problem lies in some of them; empty otherwise"
    )


Slug = Literal[
    "bad-request",
    "unauthorized",
    "forbidden",
    "not-found",
    "method-not-allowed",
    "conflict",
    "not-now",
    "timeout",
    "too-large",
    "unsupported-media",
    "unprocessable",
    "too-many-requests",
    "fault",
    "overloaded",
    "deadline",
    "store-unavailable",
    "draining",
]
"""Names a kind of problem."""

# Slug → status and title.
KINDS: Mapping[Slug, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be understood"),
    "unauthorized": (401, "A key is needed"),
    "forbidden": (403, "Not allowed"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "Not this way"),
    "conflict": (409, "It is there already, and says something else"),
    "not-now": (409, "Not as things stand"),
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


# A route that takes a body may answer with any of these.
TAKING_BODIES: tuple[Slug, ...] = (
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
)
# And one that takes images with any of these.
TAKING_IMAGES: tuple[Slug, ...] = (*TAKING_BODIES, "draining")


@dataclass
class Problem(Exception):  # noqa: N818  # the term of RFC 9457
    """Raised anywhere below a route; becomes the answer."""

    slug: Slug
    detail: str
    retry_after_s: int | None = None
    errors: Sequence[Fault] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.detail)

    @property
    def status(self) -> int:
        """HTTP status."""
        return KINDS[self.slug][0]

    def response(self, request_id: str | None) -> Response:
        """Turn the problem into an HTTP answer."""
        status, title = KINDS[self.slug]
        body = ProblemDetail(
            type=f"urn:drivetrain:problem:{self.slug}",
            title=title,
            status=status,
            detail=self.detail,
            request_id=request_id,
            errors=tuple(self.errors),
        )
        headers = dict(self.headers)
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        return Response(body.model_dump_json(), status, headers, MEDIA_TYPE)


def invalid(found: Sequence[ErrorDetails], place: Place = ()) -> Problem:
    """Turn a fault that pydantic found at a place of the request into a problem."""
    faults = [
        Fault(
            loc=tuple(
                step if isinstance(step, int) else step[:MOST_SIGNS] for step in (*place, *one["loc"])[:MOST_STEPS]
            ),
            msg=one["msg"],
        )
        for one in found[:MOST_FAULTS]
    ]
    detail = f"{faults[0].place or 'the body'}: {faults[0].msg}" if faults else "the request cannot be used as it is"
    return Problem("unprocessable", detail, errors=faults)


def documented(*slugs: Slug) -> dict[int | str, dict[str, Any]]:
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
            "errors": [],
        }
        known = by_status.setdefault(
            status, {"description": title, "content": {MEDIA_TYPE: {"schema": _SCHEMA, "examples": {}}}}
        )
        known["content"][MEDIA_TYPE]["examples"][slug] = {"value": example}
        if status in (429, 503):
            known["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    return by_status


_SCHEMA = {"$ref": "#/components/schemas/ProblemDetail"}
