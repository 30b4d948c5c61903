"""From bodies to images: forms and JSON, their limits, and what is malformed, odd or ill meant."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core.records import Context
from drivetrain.serve.http.problems import Fault, Problem
from drivetrain.serve.http.uploads import MAX_METADATA_BYTES, MAX_NAME, parse_form, parse_uploads, plain_name
from drivetrain.serve.settings import RequestLimits
from drivetrain.serve.work.job import Upload

B = "0123456789abcdef"
FORM = f"multipart/form-data; boundary={B}"
JSON = "application/json"


def part(head: str, data: bytes) -> bytes:
    return f"--{B}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"


def file(data: bytes = b"image", name: str = "a.jpg", field: str = "images") -> bytes:
    return part(f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: image/jpeg', data)


def text(value: Any, field: str = "metadata") -> bytes:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return part(f'Content-Disposition: form-data; name="{field}"', raw)


def form(*parts: bytes, end: bytes = f"--{B}--\r\n".encode(), **limits: int) -> list[Upload]:
    return parse_uploads(FORM, b"".join(parts) + end, RequestLimits(**limits))


def document(value: Any, **limits: int) -> list[Upload]:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return parse_uploads(JSON, raw, RequestLimits(**limits))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@contextmanager
def refused(slug: str, match: str | None = None) -> Iterator[pytest.ExceptionInfo[Problem]]:
    """As `pytest.raises`, of a problem of that kind."""
    with pytest.raises(Problem, match=match) as caught:
        yield caught
    assert caught.value.slug == slug, caught.value


# Forms


def test_files_of_a_form_come_in_order_with_their_bytes() -> None:
    odd = bytes(range(256)) + b"\r\n--" + B[:-1].encode() + b"\r\n\r\n"
    uploads = form(file(odd, "1.jpg"), file(b"", "2.jpg"), file(b"\r\n", "3.jpg"))
    assert [(upload.name, upload.data) for upload in uploads] == [("1.jpg", odd), ("2.jpg", b""), ("3.jpg", b"\r\n")]
    assert all(upload.context == Context() for upload in uploads)


def test_metadata_for_all_or_for_each() -> None:
    shared = form(
        file(), file(), text({"camera": "c1", "taken_at": "2026-01-02T03:04:05+02:00", "extra": {"a": [1, None]}})
    )
    taken_at = datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert [upload.context for upload in shared] == [Context("c1", None, None, taken_at, {"a": [1, None]})] * 2
    each = form(text([{"site": "s1"}, {"group": "g2"}]), file(), file())
    assert [upload.context for upload in each] == [Context(site="s1"), Context(group="g2")]


def test_what_follows_the_end_is_no_matter() -> None:
    uploads = parse_uploads(FORM, file() + f"--{B}--\r\nand more".encode(), RequestLimits())
    assert len(uploads) == 1


@pytest.mark.parametrize(
    "content_type",
    [f'Multipart/Form-Data; Boundary="{B}"', f"multipart/form-data; charset=utf-8; boundary={B}"],
)
def test_the_type_may_be_written_in_other_ways(content_type: str) -> None:
    assert len(parse_uploads(content_type, file() + f"--{B}--\r\n".encode(), RequestLimits())) == 1


MALFORMED = {
    "nothing": (FORM, b""),
    "no boundary in it": (FORM, b"an image, perhaps"),
    "cut short in a part": (FORM, file()[:-10]),
    "no last boundary": (FORM, file()),
    "last boundary cut": (FORM, file() + f"--{B}-".encode()),
    "another boundary": ("multipart/form-data; boundary=other", file() + f"--{B}--\r\n".encode()),
    "no boundary named": ("multipart/form-data", file() + f"--{B}--\r\n".encode()),
    "empty boundary": ('multipart/form-data; boundary=""', file() + f"--{B}--\r\n".encode()),
    "endless boundary": ("multipart/form-data; boundary=" + "b" * 5000, file()),
    "part without a head": (FORM, f"--{B}\r\n\r\ndata\r\n--{B}--\r\n".encode()),
    "part without a name": (FORM, part("Content-Disposition: form-data", b"x") + f"--{B}--\r\n".encode()),
    "part of another kind": (
        FORM,
        part('Content-Disposition: attachment; name="images"', b"x") + f"--{B}--\r\n".encode(),
    ),
    "head without end": (FORM, f"--{B}\r\n".encode() + b"X-A: " + b"a" * 20_000),
    "heads without end": (FORM, f"--{B}\r\n".encode() + b"X-A: b\r\n" * 100 + b"\r\n"),
    "head with NUL": (FORM, part("Content\0-Disposition: x", b"x") + f"--{B}--\r\n".encode()),
    "metadata not JSON": (FORM, file() + text(b"{camera: 1}") + f"--{B}--\r\n".encode()),
    "metadata not UTF-8": (FORM, file() + text(b'{"camera": "\xff"}') + f"--{B}--\r\n".encode()),
}


@pytest.mark.parametrize(("content_type", "body"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_form_is_a_bad_request(content_type: str, body: bytes) -> None:
    with refused("bad-request"):
        parse_uploads(content_type, body, RequestLimits())


def test_a_form_has_so_many_images_and_no_more() -> None:
    assert len(form(*[file()] * 4, images=4)) == 4
    with refused("too-large", "5 images in one request; at most 4"):
        form(*[file()] * 5, images=4)


def test_parts_beyond_what_could_be_images_are_not_even_kept() -> None:
    with refused("too-large", "more than 12 parts"):
        form(*[file()] * 100_000, images=4)


def test_a_form_needs_images_in_the_right_field() -> None:
    with refused("unprocessable", "no file in the field 'images'"):
        form(text({"camera": "c"}))
    with refused("unprocessable", "has a field 'file'"):
        form(file(field="file"))
    with refused("unprocessable", "the part 'images' has no filename"):
        form(text(b"plain text", "images"))


def test_the_field_can_have_another_name() -> None:
    body = file(field="image") + f"--{B}--\r\n".encode()
    assert len(parse_uploads(FORM, body, RequestLimits(), "image")) == 1


METADATA: dict[str, tuple[Any, str]] = {
    "two for one": ([{}, {}], "metadata has 2 entries for 1 images"),
    "a number": (7, "metadata"),
    "a text": ("camera", "metadata"),
    "unknown key": ({"kamera": "c"}, r"metadata\.kamera"),
    "unknown key in a list": ([{"kamera": "c"}], r"metadata\.0\.kamera"),
    "camera of numbers": ({"camera": 7}, r"metadata\.camera"),
    "camera too long": ({"camera": "c" * 201}, r"metadata\.camera"),
    "time without an offset": ({"taken_at": "2026-01-02T03:04:05"}, r"metadata\.taken_at"),
    "no time": ({"taken_at": "yesterday"}, r"metadata\.taken_at"),
    "extra of text": ({"extra": "x"}, r"metadata\.extra"),
    "too much": ({"extra": {"x": "y" * MAX_METADATA_BYTES}}, "at most 64 KiB"),
}


@pytest.mark.parametrize(("given", "reason"), METADATA.values(), ids=METADATA.keys())
def test_metadata_that_is_none_is_refused_with_its_place(given: Any, reason: str) -> None:
    with refused("unprocessable", reason):
        form(file(), text(given))


def test_metadata_comes_once() -> None:
    with refused("unprocessable", "send one field 'metadata'"):
        form(file(), text({}), text({}))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none_are_not_json(number: str) -> None:
    with refused("bad-request", "not valid JSON"):
        form(file(), text(f'{{"extra": {{"x": {number}}}}}'.encode()))


@pytest.mark.parametrize("value", ['"\\ud800"', "1e999", "[" * 3000 + "]" * 3000, "9" * 10_000], ids=lambda v: v[:8])
def test_values_that_could_not_be_given_back_are_refused(value: str) -> None:
    with pytest.raises(Problem) as caught:
        form(file(), text(f'{{"extra": {{"x": {value}}}}}'.encode()))
    assert caught.value.slug in ("bad-request", "unprocessable")


# JSON


def test_json_images_are_base64_with_or_without_a_name() -> None:
    uploads = document(
        {
            "images": [
                b64(b"one"),
                {"data": b64(b"two"), "name": "x/2.png"},
                {"data": b64(b"three"), "metadata": {"site": "s"}},
            ],
            "metadata": {"camera": "c"},
        }
    )
    assert uploads == [
        Upload("", b"one", Context(camera="c")),
        Upload("2.png", b"two", Context(camera="c")),
        Upload("", b"three", Context(site="s")),
    ]


def test_json_images_may_be_data_addresses() -> None:
    (upload,) = document({"images": ["data:image/png;base64," + b64(b"\x89PNG")]})
    assert upload.data == b"\x89PNG"


@pytest.mark.parametrize(
    "image", ["", "AAA", "AA=A", "not base64!", " QUJD", "QUJD\n", "data:image/png,QUJD!", "data:", "ÄÖÜ="]
)
def test_json_images_that_are_no_base64_are_refused_with_their_place(image: str) -> None:
    if image in ("", "data:"):
        # No bytes at all are valid base64; the image is unreadable, not the request.
        assert document({"images": [image]})[0].data == b""
        return
    with refused("unprocessable", "images.1 is not base64") as caught:
        document({"images": [b64(b"fine"), image]})
    assert [fault.loc for fault in caught.value.errors] == [("images", 1)]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"{'a': 1}", b"[" * 10_000, b'{"images": ["' + b"A" * 100, b"nul"]
)
def test_a_body_that_is_no_json_is_a_bad_request(body: bytes) -> None:
    with refused("bad-request", "not valid JSON"):
        document(body)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ([], "the body"),
        ({}, "images"),
        ({"images": []}, "images"),
        ({"images": "QUJD"}, "images"),
        ({"images": [7]}, r"images\.0"),
        ({"images": [{"name": "x"}]}, r"images\.0"),
        ({"images": [{"data": "QUJD", "path": "/etc/passwd"}]}, r"images\.0"),
        ({"images": ["QUJD"], "model": "x"}, "model"),
        ({"images": ["QUJD"], "metadata": [{}]}, "metadata"),
        ({"images": [{"data": "QUJD", "name": "x" * 5000}]}, r"images\.0"),
    ],
)
def test_json_of_another_shape_is_unprocessable_and_says_where(body: Any, place: str) -> None:
    with refused("unprocessable", place) as caught:
        document(body)
    assert caught.value.errors
    assert all(isinstance(fault, Fault) and fault.msg for fault in caught.value.errors)


def test_what_was_sent_does_not_come_back_in_the_reason() -> None:
    with refused("unprocessable") as caught:
        document({"images": [{"data": 7, "name": "SECRET" * 100}] * 60})
    assert "SECRET" not in caught.value.detail + repr(caught.value.errors)
    assert len(caught.value.errors) <= 20


def test_json_has_so_many_images_and_no_more() -> None:
    assert len(document({"images": ["QUJD"] * 4}, images=4)) == 4
    with refused("too-large", "5 images in one request; at most 4"):
        document({"images": ["QUJD"] * 5}, images=4)


@pytest.mark.parametrize(
    "content_type",
    ["", "image/jpeg", "text/plain", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x", "\u20ac"],
)
def test_a_body_of_another_kind_is_refused(content_type: str) -> None:
    with refused("unsupported-media", "multipart/form-data"):
        parse_uploads(content_type, b"x", RequestLimits())


# Names

NAMES = {
    "../../etc/passwd": "passwd",
    "/etc/passwd": "passwd",
    "C:\\photos\\bär.jpg": "bär.jpg",
    "..\\..\\x.png": "x.png",
    "a\0b.jpg": "ab.jpg",
    "line\r\nbreak\u2028.jpg": "linebreak.jpg",
    "\u202egnp.exe": "gnp.exe",
    "\ud83d.jpg": ".jpg",
    "熊 🐻.jpg": "熊 🐻.jpg",
    "..": "..",
    "": "",
    "folder/": "",
}


@pytest.mark.parametrize(("given", "plain"), NAMES.items())
def test_a_name_is_only_a_name(given: str, plain: str) -> None:
    assert plain_name(given) == plain


def test_a_long_name_keeps_its_end() -> None:
    assert plain_name("x" * 10_000 + ".jpg").endswith(".jpg")
    assert len(plain_name("x" * 10_000 + ".jpg")) == MAX_NAME


@pytest.mark.parametrize("name", ["bär 🐻.jpg", "a%22b.jpg", "semi;colon.jpg", "sp ace.jpg"])
def test_a_forms_names_may_be_any_text(name: str) -> None:
    (upload,) = form(file(name=name))
    assert upload.name in (name, name.replace("%22", '"'))


def test_a_form_name_in_another_encoding_is_no_fault() -> None:
    body = part("XX", b"x").replace(b"XX", b'Content-Disposition: form-data; name="images"; filename="b\xe4r.jpg"')
    (upload,) = form(body)
    assert upload.name == "b\ufffdr.jpg"


def named(parameters: str | bytes, data: bytes = b"image") -> list[Upload]:
    """A form with one part, whose Content-Disposition ends in these parameters."""
    raw = parameters.encode() if isinstance(parameters, str) else parameters
    head = b'Content-Disposition: form-data; name="images"' + raw + b"\r\nContent-Type: image/jpeg"
    return form(f"--{B}\r\n".encode() + head + b"\r\n\r\n" + data + b"\r\n")


FILE_NAMES: dict[str, str] = {
    "; filename*=UTF-8''na%C3%AFve.jpg": "naïve.jpg",
    "; filename*=utf-8'en'na%c3%afve.jpg": "naïve.jpg",
    "; filename*=\"UTF-8''na%C3%AFve.jpg\"": "naïve.jpg",
    "; filename*=UTF-8''naïve.jpg": "naïve.jpg",
    "; FileName*=UTF-8''%e2%82%ac%20rates.jpg": "€ rates.jpg",
    "; filename*=ISO-8859-1''b%E4r.jpg": "bär.jpg",
    "; filename*=UTF-8''it's.jpg": "it's.jpg",
    "; filename*=UTF-8''a%2Fb%5Cc%0D%0A.jpg": "c.jpg",
    "; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd": "passwd",
    "; filename*=UTF-8''": "",
    "; filename=plain.jpg; filename*=UTF-8''na%C3%AFve.jpg": "naïve.jpg",
    "; filename*=UTF-8''na%C3%AFve.jpg; filename=plain.jpg": "naïve.jpg",
    "; filename=plain.jpg; filename*=na%C3%AFve.jpg": "plain.jpg",
    "; filename=plain.jpg; filename*=UTF-8''%ZZ": "plain.jpg",
    '; filename="a.jpg"': "a.jpg",
    "; filename=a.jpg": "a.jpg",
    "; filename = a.jpg ;x=y": "a.jpg",
    '; filename="say \\"hi\\".jpg"': 'say "hi".jpg',
    '; filename="a;b, c=d.jpg"': "a;b, c=d.jpg",
    '; filename="C:\\new\\x.jpg"': "x.jpg",
    '; filename="/home/me/x.jpg"': "x.jpg",
    '; filename="na%C3%AFve.jpg"': "na%C3%AFve.jpg",
    '; filename="naïve.jpg"': "naïve.jpg",
    '; filename="unclosed.jpg': '"unclosed.jpg',
    '; filename=""': "",
    "; filename=": "",
}


@pytest.mark.parametrize(("parameters", "name"), FILE_NAMES.items())
def test_a_file_name_is_read_as_clients_write_it(parameters: str, name: str) -> None:
    (upload,) = named(parameters)
    assert (upload.name, upload.data) == (name, b"image")


@pytest.mark.parametrize(
    ("parameters", "missing"),
    [
        ("", "the part 'images' has no filename"),
        ("; filename*=na%C3%AFve.jpg", "filename\\* without a charset and two apostrophes"),
        ("; filename*=''x.jpg", "filename\\* that names no charset"),
        ("; filename*=KOI8-R''x.jpg", "of the charset 'KOI8-R', which is not UTF-8"),
        ("; filename*=UTF-8''x%F.jpg", "with a % that two hexadecimal digits do not follow"),
        ("; filename*=UTF-8''b%E4r.jpg", "that is not UTF-8, as it says"),
        ("; filename*0=a; filename*1=b.jpg", "filename\\*0 that is cut into pieces"),
    ],
)
def test_a_file_name_that_is_none_is_refused_with_what_is_missing(parameters: str, missing: str) -> None:
    with pytest.raises(Problem, match=f"{missing}.*filename") as caught:
        named(parameters)
    assert caught.value.slug in ("bad-request", "unprocessable")
    assert "\n" not in caught.value.detail


def test_a_field_in_which_nothing_was_chosen_is_no_image() -> None:
    with refused("unprocessable", "the form has no file in the field 'images'"):
        named('; filename=""', b"")
    (upload,) = form(file(b"", ""), file())
    assert upload.name == "a.jpg"


def test_metadata_may_come_from_a_file() -> None:
    (upload,) = form(file(), file(b'{"camera": "c1"}', "about.json", "metadata"))
    assert upload.context == Context("c1")


# Anything at all


def status_of(content_type: str, body: bytes) -> int:
    """200 where there are images."""
    try:
        return 200 if parse_uploads(content_type, body, RequestLimits()) else 0
    except Problem as problem:
        return problem.status


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([FORM, JSON]))
def test_any_bytes_are_images_or_a_problem(body: bytes, content_type: str) -> None:
    assert status_of(content_type, body) in (200, 400, 413, 422)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_form_with_bytes_changed_is_a_form_or_a_problem(data: st.DataObject) -> None:
    body = bytearray(file(b"\xff\xd8" * 20) + text({"camera": "c"}) + f"--{B}--\r\n".encode())
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    assert status_of(FORM, bytes(body)) in (200, 400, 413, 422)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_whatever_the_bytes_a_form_gives_them_back(files: list[bytes]) -> None:
    boundary = b"x" * 60  # 60 bytes that the drawn ones hardly hold
    body = b"".join(
        b"--" + boundary + b'\r\nContent-Disposition: form-data; name="images"; filename="f"\r\n\r\n' + data + b"\r\n"
        for data in files
    )
    parts = parse_form(body + b"--" + boundary + b"--\r\n", boundary, 10)
    assert [part.data for part in parts] == files
