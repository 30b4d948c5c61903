"""What fuzzing found, each as a test of its own: requests that were answered wrongly, or cost more than they should."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import threading
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from direct import Sent, ask
from odd_values import MODEL
from running import form, jpeg
from starlette.testclient import TestClient

from drivetrain.data.image.preprocess import Preprocess
from drivetrain.data.image.true_size import TrueSize
from drivetrain.model.inputs import image
from drivetrain.serve.http.problems import Problem
from drivetrain.serve.http.uploads import MAX_DEPTH, MAX_METADATA_BYTES
from drivetrain.serve.routes.input_limits import sizes_checked
from drivetrain.serve.work.job import Upload


def _with_metadata(client: TestClient, metadata: str) -> Any:
    return client.post("/v1/predict", **form(jpeg(), metadata=metadata))


@pytest.mark.parametrize("query", [b"\xff", b"a=\x80"])
@pytest.mark.parametrize("path", ["/nowhere", "/v1/models", "/v1/predictions/x"])
def test_a_query_that_is_no_text_is_no_fault(client: TestClient, path: str, query: bytes) -> None:
    answer = asyncio.run(ask(client.app, Sent("", path, "DELETE", path, query)))
    assert answer.status in (404, 405)
    assert answer.header("content-type") == "application/problem+json"


@pytest.mark.parametrize("given", ["0", "1767323045", "1767323045000", '"1767323045"', '"now"', "true", "[]", "1e400"])
def test_a_moment_is_written_out(client: TestClient, given: str) -> None:
    """Of a number nobody knows whether it means seconds or milliseconds."""
    answer = _with_metadata(client, f'{{"taken_at":{given}}}')
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["metadata", "taken_at"])


@pytest.mark.parametrize("name", ["since", "until"])
def test_a_search_by_a_number_of_seconds_is_refused(client: TestClient, name: str) -> None:
    assert client.get("/v1/predictions", params={name: "1767323045"}).status_code == 422
    assert client.get("/v1/predictions", params={name: "2026-01-02T03:04:05Z"}).status_code == 200


@pytest.mark.parametrize(
    ("extra", "status", "said"),
    [
        ('{"k":1e400}', 422, "not finite"),
        ('{"k":[{"m":-1e400}]}', 422, "not finite"),
        ('{"k":"\\ud800"}', 400, "surrogate"),
        ('{"\\udfff":1}', 400, "surrogate"),
        ('{"k":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}", 422, "deeper"),
        ('{"k":' + "[" * 300 + "]" * 300 + "}", 400, "recursion"),
    ],
)
def test_what_could_not_be_given_back_is_refused(client: TestClient, extra: str, status: int, said: str) -> None:
    """Else the store would keep something else than was sent."""
    answer = _with_metadata(client, f'{{"extra":{extra}}}')
    assert answer.status_code == status
    assert said in answer.json()["detail"]


def test_what_can_be_given_back_is(client: TestClient) -> None:
    deep: Any = 1.5
    for _ in range(MAX_DEPTH - 1):
        deep = [deep]
    extra = {"k": deep, "ü": "👩‍🔬", "": None, "n": 10**400, "nul": "\0"}
    given = _with_metadata(client, json.dumps({"extra": extra, "taken_at": "0001-01-01T00:00:00+14:00"}))
    assert given.status_code == 200
    answer = client.get("/v1/predictions").json()["predictions"][0]["metadata"]
    assert answer["extra"] == extra


def test_long_metadata_is_not_multiplied(client: TestClient) -> None:
    """It is stored with each of a request's images."""
    image = base64.b64encode(jpeg()).decode()
    body = {"images": [image] * 2, "metadata": {"extra": {"k": "x" * MAX_METADATA_BYTES}}}
    answer = client.post("/v1/predict", json=body)
    assert answer.status_code == 422
    assert "64 KiB" in answer.json()["detail"]
    assert client.get("/v1/predictions").json()["predictions"] == []


def test_an_unknown_output_is_refused_before_the_work(client: TestClient) -> None:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(jpeg()).decode()]}
    answer = client.post(f"/v2/models/{MODEL}/infer", json={"inputs": [tensor], "outputs": [{"name": "logits"}]})
    assert answer.status_code == 422
    assert "probabilities, label, verdict" in answer.json()["detail"]
    assert client.get("/v1/predictions").json()["predictions"] == []


FORM = image.ImageInput(preprocess=Preprocess())


def _text_bomb() -> bytes:
    """A PNG of 64 KiB with 60 MiB of text, which a reader of the header unpacks."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    text = zlib.compress(b"\0" * ((1 << 20) - 1))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    texts = b"".join(chunk(b"zTXt", b"a%d\0\0" % number + text) for number in range(60))
    return b"\x89PNG\r\n\x1a\n" + header + texts + chunk(b"IDAT", zlib.compress(b"\0" * 72)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "aside"), [(jpeg(), False), (b"", False), (_text_bomb(), True), (b"\0\0\1\0\xff\xff" * 9, True)]
)
def test_headers_that_take_long_are_not_read_on_the_loop(
    monkeypatch: pytest.MonkeyPatch, data: bytes, aside: bool
) -> None:
    threads: list[int] = []
    read: Callable[[bytes], TrueSize | None] = image.true_size

    def noted(given: bytes) -> TrueSize | None:
        threads.append(threading.get_ident())
        return read(given)

    monkeypatch.setattr(image, "true_size", noted)
    asyncio.run(sizes_checked(FORM, [Upload("a", data)], 1000_000))
    assert [one != threading.get_ident() for one in threads] == [aside]


def test_too_many_pixels_are_refused_from_aside_as_well() -> None:
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 9000, 9000, 8, 0, 0, 0, 0)
    data = header + struct.pack(">I", zlib.crc32(header[12:])) + struct.pack(">I", 0) + b"IDAT" + b"\0" * 4
    with pytest.raises(Problem, match="9000×9000"):
        asyncio.run(sizes_checked(FORM, [Upload("a", data)], 50_000_000))
