"""The way from a request's body to images: multipart forms and JSON, parsed without trust. No image is decoded here."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
)
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from ...core.records import Context
from ..settings import RequestLimits
from ..work.job import Upload
from .disposition import read_disposition
from .json_body import read_json
from .problems import Fault, Place, Problem, invalid

# One part of a form may have so many headers, and so many bytes of them: far more than any name needs.
MAX_PART_HEADERS = 16
MAX_HEADER_BYTES = 8192
MAX_NAME = 255
MAX_METADATA_BYTES = 64 << 10
MAX_METADATA_VALUES = 4096
MAX_DEPTH = 32

Text = Field(default=None, max_length=200)


def _written_out(given: Any) -> Any:
    # Left to itself pydantic reads numbers too, as seconds or milliseconds by how large they are.
    if isinstance(given, str) and not re.match(r"[0-9]{4}-", given):
        raise ValueError("write it as ISO 8601 with an offset, such as 2026-01-02T03:04:05Z")
    if isinstance(given, int | float):
        raise ValueError("write it as a text, ISO 8601 with an offset, such as 2026-01-02T03:04:05Z")
    return given


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]
"""ISO 8601 with an offset."""


class Metadata(BaseModel):
    """What the caller says of an image."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    camera: str | None = Text
    site: str | None = Text
    group: str | None = Field(
        None, max_length=200, description="Images of one group are not independent: a video, a module"
    )
    taken_at: Moment | None = Field(None, description="When the picture was taken, ISO 8601 with an offset")
    extra: dict[str, JsonValue] = Field(
        default_factory=dict,
        description=f"Anything else, up to {MAX_METADATA_BYTES >> 10} KiB, a few thousand values and {MAX_DEPTH} deep",
    )

    @field_validator("extra")
    @classmethod
    def _can_be_given_back(cls, extra: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Python reads more than JSON can say: 1e400 is infinity, and half of a surrogate pair is no text."""
        if extra and _depth(extra) > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        try:
            size = len(json.dumps(extra, allow_nan=False, ensure_ascii=False).encode())
        except ValueError:
            raise ValueError("holds a number that is not finite, or half of a surrogate pair") from None
        # The size is bounded, as the values are stored with each of the images they are sent for.
        if size > MAX_METADATA_BYTES:
            raise ValueError(f"longer than {MAX_METADATA_BYTES >> 10} KiB")
        return extra

    def context(self) -> Context:
        """Turn it into the context that the inner layers know."""
        return Context(self.camera, self.site, self.group, self.taken_at, self.extra)


class Base64Image(BaseModel):
    """An image in JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str = Field(description="The image file, base64")
    name: str = Field("", max_length=4096)
    metadata: Metadata | None = None


class PredictBody(BaseModel):
    """The JSON form of a request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: list[str | Base64Image] = Field(min_length=1, description="Image files, base64")
    metadata: Metadata | None = Field(None, description="For all images that have none of their own")


def is_json(content_type: str) -> bool:
    """Tells whether `parse_uploads` takes such a body for JSON."""
    if content_type.startswith("multipart/"):  # nearly every request, whose header is read with care once
        return False
    return parse_options_header(content_type.encode("latin-1", "replace"))[0] == b"application/json"


def parse_uploads(content_type: str, body: bytes, limits: RequestLimits, field_name: str = "images") -> list[Upload]:
    """The images of a request.

    Raises:
        Problem: the body is of another kind (415), malformed (400, 422), or holds too many images (413) or none (422).
    """
    kind, options = parse_options_header(content_type.encode("latin-1", "replace"))
    if kind.lower() == b"multipart/form-data":
        boundary = options.get(b"boundary", b"")
        form = parse_form(body, boundary, limits.images + 8)
        uploads = _of_form(form, field_name)
    elif kind == b"application/json":
        uploads = _of_json(body, limits)
    else:
        raise Problem(
            "unsupported-media",
            f"the body is {content_type[:80] or 'of no stated type'!r}; send multipart/form-data with the field {field_name!r}, "
            "or application/json",
        )
    if len(uploads) > limits.images:
        raise Problem("too-large", f"{len(uploads)} images in one request; at most {limits.images}")
    if not uploads:
        raise Problem(
            "unprocessable", f"the form has no file in the field {field_name!r}; send one image or several in it"
        )
    return uploads


@dataclass
class Part:
    """A part of a form; ``file_name`` None is a text field."""

    name: str = ""
    file_name: str | None = None
    data: bytes = b""


@dataclass
class _FormReader:
    """The callbacks of python-multipart on its way through a body."""

    most_parts: int
    parts: list[Part] = field(default_factory=list)
    ended: bool = False
    _headers: dict[bytes, bytes] = field(default_factory=dict)
    _name: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _pieces: list[bytes] = field(default_factory=list)

    def callbacks(self) -> Mapping[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_part_data": lambda data, start, end: self._pieces.append(data[start:end]),
            "on_part_end": self._end,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_headers_finished": self._headers_done,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        if len(self.parts) >= self.most_parts:
            raise Problem("too-large", f"the form has more than {self.most_parts} parts")
        self.parts.append(Part())
        self._headers, self._pieces = {}, []

    def _header(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _headers_done(self) -> None:
        found = read_disposition(self._headers.get(b"content-disposition", b""))
        self.parts[-1].name, self.parts[-1].file_name = found.name, found.file_name

    def _end(self) -> None:
        self.parts[-1].data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def _finish(self) -> None:
        self.ended = True


def parse_form(body: bytes, boundary: bytes, most_parts: int) -> list[Part]:
    """The parts of a multipart form.

    Raises:
        Problem: it is malformed, cut short, or has too many parts.
    """
    if not 1 <= len(boundary) <= 200:
        raise Problem("bad-request", "the Content-Type names no boundary of 1 to 200 characters")
    reader = _FormReader(most_parts)
    try:
        parser = MultipartParser(
            boundary,
            reader.callbacks(),  # type: ignore[arg-type]  # a plain mapping is what it reads
            max_header_count=MAX_PART_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )
        parser.write(body)
        parser.finalize()
    except MultipartParseError as error:
        raise Problem("bad-request", f"the multipart body is malformed: {' '.join(str(error).split())[:200]}") from None
    if not reader.ended:
        raise Problem("bad-request", "the multipart body ends before its last boundary; was it cut short?")
    return reader.parts


def _of_form(parts: Sequence[Part], field_name: str) -> list[Upload]:
    parts = [
        part for part in parts if part.file_name != "" or part.data
    ]  # a browser's field in which nothing was chosen
    files = [part for part in parts if part.name == field_name and part.file_name is not None]
    texts = [part for part in parts if part.name == "metadata"]  # also from a file: curl -F metadata=@x.json
    for part in parts:
        if part.name == field_name and part.file_name is None:
            raise Problem(
                "unprocessable",
                f"the part {field_name!r} has no filename, and so is a text; give its Content-Disposition a "
                'filename="name.jpg"',
            )
        if part.name not in (field_name, "metadata"):
            raise Problem(
                "unprocessable",
                f"the form has a field {part.name[:80]!r}; send files in {field_name!r}, and perhaps a text field 'metadata'",
            )
    contexts = _contexts(texts, len(files))
    return [
        Upload(plain_name(part.file_name or ""), part.data, context)
        for part, context in zip(files, contexts, strict=True)
    ]


def _contexts(texts: Sequence[Part], count: int) -> list[Context]:
    if not texts:
        return [Context()] * count
    if len(texts) > 1 or len(texts[0].data) > MAX_METADATA_BYTES:
        raise Problem("unprocessable", f"send one field 'metadata', of at most {MAX_METADATA_BYTES >> 10} KiB")
    given = read_json(texts[0].data, "metadata", values=MAX_METADATA_VALUES)
    if isinstance(given, list):
        if len(given) != count:
            raise Problem(
                "unprocessable", f"metadata has {len(given)} entries for {count} images; give one each, or an object"
            )
        return [_metadata(one, index) for index, one in enumerate(given)]
    return [_metadata(given, None)] * count


def _metadata(given: Any, index: int | None) -> Context:
    place: Place = ("metadata",) if index is None else ("metadata", index)
    try:
        return Metadata.model_validate(given).context()
    except ValidationError as error:
        raise unprocessable(error, place) from None


def _of_json(body: bytes, limits: RequestLimits) -> list[Upload]:
    given = read_json(body, "the body")
    if isinstance(given, dict) and isinstance(given.get("images"), list) and len(given["images"]) > limits.images:
        raise Problem("too-large", f"{len(given['images'])} images in one request; at most {limits.images}")
    try:
        parsed = PredictBody.model_validate(given)
    except ValidationError as error:
        raise unprocessable(error) from None
    shared = parsed.metadata.context() if parsed.metadata else Context()
    uploads = []
    for index, image in enumerate(parsed.images):
        one = Base64Image(data=image) if isinstance(image, str) else image
        context = one.metadata.context() if one.metadata else shared
        uploads.append(Upload(plain_name(one.name), from_base64(one.data, "images", index), context))
    return uploads


def from_base64(text: str, *place: str | int) -> bytes:
    """Bytes of a base64 text, with or without the head of a data address; ``place`` is where the request holds it.

    Raises:
        Problem: it is not base64.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        if len(text) % 4:
            raise ValueError  # which strict mode lets pass where there is one sign of padding too many
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        fault = Fault(loc=place, msg="is not base64 (the whole file, padded, without line breaks)")
        raise Problem("unprocessable", f"{fault.place} {fault.msg}", errors=[fault]) from None


def _depth(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def unprocessable(error: ValidationError, place: Place = ()) -> Problem:
    """Turn a fault that pydantic found into a problem."""
    return invalid(error.errors(include_url=False, include_context=False, include_input=False), place)


def plain_name(name: str) -> str:
    """A client's file name without folders and without signs that are no text; it names nothing on this machine.

    >>> plain_name("../../etc/passwd"), plain_name("C:\\\\photos\\\\bär.jpg")
    ('passwd', 'bär.jpg')
    """
    last = re.split(r"[/\\]", name)[-1]
    return "".join(c for c in last if c.isprintable())[-MAX_NAME:]
