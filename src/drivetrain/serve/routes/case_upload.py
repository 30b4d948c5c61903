"""The way from a request's body to a case: a form with images and a part `case`, or the same in JSON. No image is decoded."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from ...core.case import Case
from ...core.records import Context
from ..http.body import Body
from ..http.json_body import cost_of, read_json
from ..http.problems import Fault, Problem
from ..http.uploads import Base64Image, Part, from_base64, is_json, parse_form, plain_name, unprocessable
from ..server import Server
from ..work.job import Upload
from .case_answers import MOST_IMAGES, CaseBody, CaseJson
from .prediction import FORM_IN_THREAD, JSON_IN_THREAD

MOST_CASE_BYTES = 64 << 10
MOST_VALUES = 1024
KEY_HEADER = "Idempotency-Key"


@dataclass(frozen=True)
class SentCase:
    """A case as it was sent."""

    uploads: tuple[Upload, ...]
    body: CaseBody
    key: str
    hashes: tuple[str, ...]
    """SHA-256 of each image's file."""

    def context(self, rollout: str) -> Context:
        """The context of the prediction that answers it, by which monitors tell its source."""
        slices = dict(self.body.slices)
        return Context(
            camera=slices.get("camera"),
            site=slices.get("site"),
            group=self.body.group,
            taken_at=self.body.at,
            extra={"rollout": rollout, "case": self.key, "slices": slices},
        )

    def answered_first(self, rollout: str) -> list[Upload]:
        """The image that the model answers."""
        return [replace(self.uploads[0], context=self.context(rollout))]

    def is_same(self, case: Case, known: str | None) -> bool:
        """Tells whether a case that was taken before says the same."""
        body = self.body
        return (
            (case.inputs, case.group, case.due, known) == (self.hashes, body.group, body.due, body.known)
            and dict(case.slices) == body.slices
            and dict(case.metadata) == body.metadata
            and (body.at is None or case.at == body.at)
        )


async def sent_case(server: Server, request: Request, body: Body) -> SentCase:
    """Read a case; a large body is read outside of the event loop.

    Raises:
        Problem: it is none, holds too much, or has no key.
    """
    content_type = request.headers.get("content-type", "")
    as_json = is_json(content_type)
    aside = body.size >= (JSON_IN_THREAD if as_json else FORM_IN_THREAD)
    cost = (await asyncio.to_thread(cost_of, body.pieces)).weight if as_json and aside else body.size
    header = request.headers.get(KEY_HEADER)
    most = min(MOST_IMAGES, server.settings.limits.images)
    return await body.read(lambda data: _sent(content_type, data, header, most), cost=cost, aside=aside)


def _sent(content_type: str, data: bytes, header: str | None, most: int) -> SentCase:
    kind, options = parse_options_header(content_type.encode("latin-1", "replace"))
    if kind.lower() == b"multipart/form-data":
        uploads, told = _of_form(parse_form(data, options.get(b"boundary", b""), most + 4))
    elif kind == b"application/json":
        uploads, told = _of_json(data)
    else:
        raise Problem(
            "unsupported-media",
            f"the body is {content_type[:80] or 'of no stated type'!r}; send multipart/form-data with files in 'images' and "
            "JSON in 'case', or application/json",
        )
    if len(uploads) > most:
        raise Problem("too-large", f"{len(uploads)} images of one case; at most {most}")
    hashes = tuple(hashlib.sha256(upload.data).hexdigest() for upload in uploads)
    return SentCase(tuple(uploads), told, _key(told, header), hashes)


def _key(told: CaseBody, header: str | None) -> str:
    if header is not None:
        given = _told({"key": header}).key
        if told.key not in (None, given):
            raise Problem("unprocessable", f"the header {KEY_HEADER} and the case's key say different things; send one")
        return given or ""
    if told.key is None:
        message = (
            f"the case has no key; send one in {KEY_HEADER}, so that a request that is sent again is not a second case"
        )
        raise Problem("unprocessable", message, errors=[Fault(loc=("case", "key"), msg=message)])
    return told.key


def _of_form(parts: Sequence[Part]) -> tuple[list[Upload], CaseBody]:
    files = [part for part in parts if part.name == "images" and part.file_name is not None and part.data]
    texts = [part for part in parts if part.name == "case"]
    for part in parts:
        if part.name not in ("images", "case"):
            raise Problem(
                "unprocessable", f"the form has a field {part.name[:80]!r}; send files in 'images', and JSON in 'case'"
            )
    if not files:
        raise Problem("unprocessable", "the form has no file in the field 'images'; send one image or several in it")
    if len(texts) > 1 or any(len(text.data) > MOST_CASE_BYTES for text in texts):
        raise Problem("unprocessable", f"send one field 'case', of at most {MOST_CASE_BYTES >> 10} KiB")
    told = _told(read_json(texts[0].data, "case", values=MOST_VALUES)) if texts else CaseBody.model_validate({})
    return [Upload(plain_name(part.file_name or ""), part.data) for part in files], told


def _told(given: Any) -> CaseBody:
    try:
        return CaseBody.model_validate(given)
    except ValidationError as error:
        raise unprocessable(error, ("case",)) from None


def _of_json(data: bytes) -> tuple[list[Upload], CaseBody]:
    try:
        parsed = CaseJson.model_validate(read_json(data, "the body", values=MOST_VALUES))
    except ValidationError as error:
        raise unprocessable(error) from None
    uploads = []
    for number, image in enumerate(parsed.images):
        one = Base64Image(data=image) if isinstance(image, str) else image
        if one.metadata is not None:
            raise Problem("unprocessable", "images of a case have no metadata of their own; say it of the case")
        uploads.append(Upload(plain_name(one.name), from_base64(one.data, "images", number)))
    return uploads, parsed.case
