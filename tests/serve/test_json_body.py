"""JSON is judged by what reading it costs, before it is read."""

from __future__ import annotations

import base64
import json
import resource
import threading
import tracemalloc
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json
from running import jpeg, serving

from drivetrain.serve.http.json_body import MOST_VALUES, cost_of, read_json
from drivetrain.serve.http.problems import Problem

MIB = 1 << 20
SIZE = MIB

DEAR = {
    "objects": b"[" + b"{}," * (SIZE // 3) + b"0]",
    "small objects": b"[" + b'{"a":0},' * (SIZE // 8) + b"0]",
    "objects in objects": b"[" + b'{"a":0,"b":{}},' * (SIZE // 14) + b"0]",
    "members": b"{" + b",".join(b'"%x":0' % number for number in range(SIZE // 9)) + b"}",
    "lists": b"[" + b"[0]," * (SIZE // 4) + b"0]",
    "small numbers": b"[" + b"0," * (SIZE // 2) + b"0]",
    "numbers": b"[" + b"0.5," * (SIZE // 4) + b"0]",
    "whole numbers": b"[" + b"1234," * (SIZE // 5) + b"0]",
    "texts": b"[" + b",".join(b'"%x"' % number for number in range(SIZE // 8)) + b"]",
    "long text": b'["' + b"A" * SIZE + b'"]',
    "wide text": b'["' + b"A" * SIZE + "🐻".encode() + b'"]',
    "wide text, escaped": b'["' + b"A" * SIZE + b'\\ud83d\\udc3b"]',
}


@pytest.mark.parametrize("kind", DEAR)
def test_reading_never_takes_more_than_was_reckoned(kind: str) -> None:
    tracemalloc.start()
    from_json(DEAR[kind])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= cost_of([DEAR[kind]]).weight
    halves = [DEAR[kind][: SIZE // 2], DEAR[kind][SIZE // 2 :]]
    assert cost_of(halves).structure == cost_of([DEAR[kind]]).structure


@pytest.mark.parametrize("kind", [kind for kind in DEAR if "text," not in kind and not kind.endswith("text")])
def test_what_is_dear_is_not_even_read(kind: str) -> None:
    tracemalloc.start()
    with pytest.raises(Problem, match="more values than") as caught:
        read_json(DEAR[kind], "the body")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.status == 413
    assert peak < 64 << 10


def test_long_texts_are_cheap_and_numbers_may_come_on_top() -> None:
    assert len(read_json(DEAR["long text"], "the body")[0]) == SIZE
    assert read_json(b"\xef\xbb\xbf[1]", "the body") == [1]
    numbers = json.dumps([0.5] * 3 * MOST_VALUES).encode()
    assert len(read_json(numbers, "the body", numbers=3 * MOST_VALUES)) == 3 * MOST_VALUES
    with pytest.raises(Problem, match="more values"):
        read_json(numbers, "the body", numbers=MOST_VALUES)
    # Objects are no numbers.
    with pytest.raises(Problem, match="more values"):
        read_json(DEAR["objects"], "the body", numbers=10**9)


def post(port: int, path: str, body: bytes, kind: str = "application/json") -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body, {"Content-Type": kind, "Host": "localhost"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


FORM = "multipart/form-data; boundary=b"


def metadata_form(metadata: bytes) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n'
    return head + metadata + b"\r\n--b--\r\n"


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits another process's memory")
def test_no_json_takes_a_server_beyond_its_memory(tmp_path: Path, kept: Path) -> None:
    """Four clients at once, as much as may be sent, on every route that reads JSON."""
    many = 31 * MIB // 3
    objects = b"[" + b"{}," * many + b"0]"
    within = b'{"images": ["QUJD"], "metadata": {"extra": {"x": ' + objects + b"}}}"
    tensor = b'{"inputs": [{"name": "pixels", "datatype": "FP32", "shape": [1, 3, 224, 224], "data": %b}]}'
    attacks = [
        ("/v1/predict", within, "application/json"),
        ("/v1/predict", b'{"images": ' + b"[" * (31 * MIB), "application/json"),
        ("/v1/predict", metadata_form(b'{"extra": {"x": [' + b"{}," * 21_000 + b"0]}}"), FORM),
        ("/v1/explain", within, "application/json"),
        ("/v2/models/farben/infer", tensor % objects, "application/json"),
        ("/v2/models/farben/infer", tensor % (b"[" + b"0," * (15 * MIB) + b"0]"), "application/json"),
        ("/v2/models/farben/infer", b'{"inputs": [{' + b'"%x":0,' * (4 * MIB) % (*range(4 * MIB),) + b"}]}", "application/json"),
        ("/v2/models/farben/infer", b'{"outputs": ' + objects + b"}", "application/json"),
    ]  # fmt: skip
    environment = {"MALLOC_ARENA_MAX": "2"}
    with serving(kept, store=tmp_path / "s.db", log=tmp_path / "log", environment=environment, workers=2) as running:
        post(running.port, "/v1/predict", json.dumps({"images": [base64.b64encode(jpeg(1)).decode()]}).encode())
        pid = running.process.pid
        now = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
        limit = now + 640 * MIB  # 256 MiB for bodies, and threads' stacks
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
        for path, body, kind in attacks:
            told: list[tuple[int, Any]] = []

            def ask(path: str = path, body: bytes = body, kind: str = kind, told: list[Any] = told) -> None:
                told.append(post(running.port, path, body, kind))

            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert len(told) == 4
            assert {status for status, _ in told} <= {413, 422, 429, 503}, (path, told)
            assert any(status == 413 for status, _ in told), (path, told)
        # A large image in base64 is what JSON is for.
        padded = jpeg(2) + bytes(20 * MIB)
        status, answer = post(
            running.port, "/v1/predict", json.dumps({"images": [base64.b64encode(padded).decode()]}).encode()
        )
        assert status == 200
        assert answer["predictions"][0]["verdict"] in ("accept", "review")
        assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()
    assert "MemoryError" not in running.log.read_text()
