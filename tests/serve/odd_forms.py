"""Multipart forms of every shape but the usual, made from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from direct import Headers, Sent
from mutations import pictures
from odd_values import NAMES, WORDS, metadata_text

PREDICT, EXPLAIN = "/v1/predict", "/v1/explain"

BOUNDARY = b"drivetrain-boundary"


def file_part(name: str, file_name: str, data: bytes) -> bytes:
    """A part as browsers write it."""
    shown = file_name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = f'Content-Disposition: form-data; name="{name}"; filename="{shown}"\r\nContent-Type: image/jpeg\r\n\r\n'
    return head.encode("utf-8", "surrogatepass") + data


def _text_part(name: str, data: bytes) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + data


def form_body(parts: list[bytes], boundary: bytes = BOUNDARY) -> bytes:
    """Parts between boundaries."""
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def multipart(how: str, path: str, parts: list[bytes], query: bytes = b"", extra: Headers = ()) -> Sent:
    """A form to a path that is its own route."""
    kind = (b"content-type", b"multipart/form-data; boundary=" + BOUNDARY)
    return Sent(how, path, "POST", path, query, (kind, *extra), form_body(parts))


def picture(rng: random.Random) -> bytes:
    """A sound file."""
    return rng.choice([*pictures().values()])


def _target(rng: random.Random) -> tuple[str, str]:
    return rng.choice(((PREDICT, "images"), (PREDICT, "images"), (PREDICT, "images"), (EXPLAIN, "image")))


def query_of(rng: random.Random, path: str) -> bytes:
    """Mostly a plain query, else odd values for the parameters there are, and for some there are not."""
    if rng.random() < 0.8:
        return b"heatmap=false" if path == EXPLAIN else b""
    names = ("model", "version", "timeout_ms", "output", "similar", "heatmap", "unknown", "")
    pairs = [f"{rng.choice(names)}={rng.choice(WORDS)}" for _ in range(rng.choice((1, 2, 3)))]
    return "&".join(pairs).encode("utf-8", "replace")


def _file_names(rng: random.Random, how: str) -> Sent:
    path, field = _target(rng)
    return multipart(how, path, [file_part(field, rng.choice(NAMES), picture(rng))], query_of(rng, path))


def _part_headers(rng: random.Random, how: str) -> Sent:
    """Missing, doubled, endless and broken headers of a part."""
    path, field = _target(rng)
    f = field.encode()
    heads = (
        b"", b"\r\n", b"Content-Type: image/png\r\n\r\n", b"Content-Disposition: attachment; name=%b\r\n\r\n" % f,
        b"Content-Disposition: form-data\r\n\r\n", b"Content-Disposition:\r\n\r\n",
        b'content-disposition: FORM-DATA; NAME="%b"; filename=a\r\n\r\n' % f,
        b'Content-Disposition: form-data; name="%b"; filename="a\r\nX: b"\r\n\r\n' % f,
        b'Content-Disposition: form-data; name="%b"; filename*=UTF-8\'\'%%e4%%f6\r\n\r\n' % f,
        b'Content-Disposition: form-data; name="%b"; filename*=nonsense\'\'%%ff; filename="b"\r\n\r\n' % f,
        b'Content-Disposition: form-data; name*=utf-8\'\'%b; filename=a\r\n\r\n' % f,
        b'Content-Disposition: form-data; name="%b"; name="metadata"; filename=a\r\n\r\n' % f,
        b'Content-Disposition: form-data; name="%b"; filename="' % f + b"\xff\xfe\xed\xa0\x80" + b'"\r\n\r\n',
        b'Content-Disposition: form-data; name="%b"; filename="a\r\n\r\n' % f,
        b"Content-Disposition: form-data; name=\0; filename=\0\r\n\r\n",
        b'Content-Disposition: form-data; name="%b"; filename=a\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n' % f,
        b'Content-Disposition: form-data; name="%b"; filename=a\r\nContent-Transfer-Encoding: base64\r\n\r\n' % f,
        b'Content-Disposition: form-data; name="%b"; filename=a\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n' % f,
        b'Content-Disposition: form-data; name="%b"; filename=a\nContent-Type: image/png\n\n' % f,
        b"No colon here\r\n\r\n", b": empty\r\n\r\n",
        b'Content-Disposition: form-data; name="%b"; filename=a\r\n folded: yes\r\n\r\n' % f,
        b'Content-Disposition: form-data; name="%b"; filename=a\r\n' % f + b"X-Many: 1\r\n" * rng.choice((10, 20,
        4000)) + b"\r\n",
        b'Content-Disposition: form-data; name="%b"; filename=a; ' % f + b"x=1; " * rng.choice((100, 1600,
        20000)) + b"\r\n\r\n",
        b'Content-Disposition: form-data; name="%b"; filename=a\r\nX-Long: ' % f + b"y" * rng.choice((8000, 9000,
        70000)) + b"\r\n\r\n",
    )  # fmt: skip
    return multipart(how, path, [rng.choice(heads) + picture(rng)], query_of(rng, path))


def _boundaries(rng: random.Random, how: str) -> Sent:
    """Boundaries that are odd, missing, too long, or occur where they should not."""
    path, field = _target(rng)
    boundary = rng.choice(
        (
            b"",
            b"-",
            b"--",
            b"a" * 70,
            b"a" * 201,
            b"a b",
            b"\xff",
            b"\0",
            b"a\tb",
            b"x",
            b"=",
            BOUNDARY,
            BOUNDARY,
            BOUNDARY,
        )
    )
    data = rng.choice((
        picture(rng), b"\r\n--" + boundary, b"--" + boundary + b"\r\n", b"\r\n--" + boundary + b"--\r\n",
        b"\r\n--" + boundary + b"x\r\n",
        b"\r\n--" + boundary[:-1], b"\r\n-" * 300, b"\r" * 300, b"\r\n--" + boundary + b"-",
        b"\n--" + boundary + b"\n", (b"\r\n--" + boundary[:-1]) * 200,
    ))  # fmt: skip
    body = form_body([file_part(field, "a.jpg", data)], boundary)
    body = rng.choice((
        body, body, body[: rng.randrange(len(body) + 1)], b"preamble\r\n" + body, body + b"epilogue",
        body.replace(b"\r\n", b"\n"), body.replace(b"--", b"-"),
        body[2:], b"\r\n" * 50 + body, body[:-4], body[:-2], body * 2, b"",
    ))  # fmt: skip
    kinds = (
        b"multipart/form-data; boundary=" + boundary, b'multipart/form-data; boundary="' + boundary + b'"',
        b"Multipart/Form-Data;BOUNDARY=" + boundary,
        b"multipart/form-data; boundary=a; boundary=" + boundary,
        b"multipart/form-data; charset=utf-16; boundary=" + boundary,
        b"multipart/form-data;boundary*=utf-8''" + boundary,
        b"multipart/form-data; boundary=" + boundary + b"; x=" + b"y" * 3000,
    )  # fmt: skip
    return Sent(how, path, "POST", path, query_of(rng, path), ((b"content-type", rng.choice(kinds)),), body)


def _many_parts(rng: random.Random, how: str) -> Sent:
    path, field = _target(rng)
    count = rng.choice((2, 9, 64, 65, 72, 73, 200, 4000))
    one = rng.choice(
        (
            file_part(field, "a", b""),
            file_part(field, "a", b"GIF89a"),
            _text_part("metadata", b"{}"),
            _text_part(field, b"text"),
            file_part("other", "a", b"x"),
        )
    )
    parts = [one] * count
    if rng.random() < 0.3:  # a form in a form
        parts = [file_part(field, "a", form_body([one] * 3, BOUNDARY if rng.random() < 0.3 else b"inner"))]
    if rng.random() < 0.3:
        parts.append(_text_part("metadata", json.dumps([{}] * rng.choice((0, 1, count, count + 1))).encode()))
    return multipart(how, path, parts, query_of(rng, path))


def _form_metadata(rng: random.Random, how: str) -> Sent:
    text = metadata_text(rng)
    data = text.encode(rng.choice(("utf-8", "utf-8", "utf-8", "utf-16", "utf-32", "latin-1")), "replace")
    if rng.random() < 0.05:
        data = data + b" " * 70_000
    return multipart(how, PREDICT, [file_part("images", "a.jpg", picture(rng)), _text_part("metadata", data)])


FORMS: tuple[tuple[Callable[[random.Random, str], Sent], int], ...] = (
    (_file_names, 3),
    (_part_headers, 5),
    (_boundaries, 6),
    (_many_parts, 1),
    (_form_metadata, 6),
)
"""Each with how often it is wanted."""
