"""Every problem the server can send, asked for over a real connection, is what the OpenAPI document promises.

What came is also kept in `web/tests/problems.json`, from which the console's tests show each one. After a change:
``DRIVETRAIN_KEEP=1 pytest tests/serve/test_problems.py``.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import httpx2 as httpx
import pytest
import uvicorn
from held import HeldSession, with_keys
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from running import KEPT, form, jpeg
from waiting import LONG_S, Beside

from drivetrain.core.errors import StoreError
from drivetrain.core.records import Role
from drivetrain.serve.application import create_app, front
from drivetrain.serve.http.problems import KINDS, Fault, Problem, ProblemDetail, Slug, invalid
from drivetrain.serve.http.protocol import PatientProtocol
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.server import Server
from drivetrain.serve.start import build
from drivetrain.serve.work.job import Job

EXAMPLES = Path(__file__).resolve().parents[2] / "web" / "tests" / "problems.json"
REQUEST_ID = "f" * 32


@dataclass(frozen=True)
class Listening:
    """The real application on a real socket, in this process, so that its parts can be held up or broken."""

    address: str
    server: Server
    keys: tuple[dict[str, str], ...] = ()

    def ask(self, method: str, path: str, *, key: int | None = None, **arguments: Any) -> httpx.Response:
        """``key``: which of the keys to send."""
        own = self.keys[key] if key is not None else {}
        headers = {"X-Request-ID": REQUEST_ID, **own, **arguments.pop("headers", {})}
        return httpx.request(method, self.address + path, headers=headers, timeout=LONG_S, **arguments)

    def predict(self, *images: bytes, query: str = "", key: int | None = None, **fields: str) -> httpx.Response:
        return self.ask("POST", f"/v1/predict{query}", key=key, **form(*images, **fields))

    def hold(self) -> HeldSession:
        """Let the network of the only model wait until ``go`` is set."""
        model = self.server.shelf.models[0]
        session = HeldSession(model.predictor._session)
        object.__setattr__(model.predictor, "_session", session)
        object.__setattr__(model.predictor, "_wide", None)  # or a lone image may pass by
        session.go.clear()
        return session


@contextmanager
def listening(store: Path, keys: tuple[dict[str, str], ...] = (), **options: Any) -> Iterator[Listening]:
    given = {"bundles": (str(KEPT),), "store": str(store), "watch_s": None, "workers": 1, "max_batch": 1, **options}
    server = build(ServeOptions(**given))
    with socket.create_server(("127.0.0.1", 0)) as bound:
        app = front(create_app(server), server)
        running = uvicorn.Server(uvicorn.Config(app, http=PatientProtocol, lifespan="on", log_config=None))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        try:
            # The socket takes connections already; the answer comes when the application has started.
            httpx.get(f"{address}/v2/health/live", timeout=LONG_S)
            yield Listening(address, server, keys)
        finally:
            running.should_exit = True
            thread.join(LONG_S)
            assert not thread.is_alive()


def _slow(here: Listening) -> httpx.Response:
    """A body that does not end."""
    head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: {REQUEST_ID}\r\nContent-Length: 9\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(here.address.rpartition(":")[2])), LONG_S) as line:
        line.sendall(head.encode() + b"x")
        answer = b""
        while piece := line.recv(65536):
            answer += piece
    top, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = top.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)


def _overloaded(here: Listening) -> httpx.Response:
    """One image runs, one waits, and a third comes."""
    session, queued, put = here.hold(), threading.Semaphore(0), here.server.engine.queue.put

    def watched(jobs: Sequence[Job]) -> None:
        put(jobs)
        queued.release()

    here.server.engine.queue.put = watched  # type: ignore[method-assign]
    first = Beside(lambda: here.predict(jpeg(1)))
    assert session.running.acquire(timeout=LONG_S)
    second = Beside(lambda: here.predict(jpeg(2)))
    assert queued.acquire(timeout=LONG_S)
    assert queued.acquire(timeout=LONG_S)
    try:
        return here.predict(jpeg(3))
    finally:
        session.go.set()
        first.result()
        second.result()


def _late(here: Listening) -> httpx.Response:
    session = here.hold()
    try:
        return here.predict(jpeg(1), query="?timeout_ms=1")
    finally:
        session.go.set()


def _store_down(here: Listening) -> httpx.Response:
    def down(*_: object) -> None:
        raise StoreError("the database at db.secret:5432 is down")

    here.server.store.append = down  # type: ignore[method-assign]
    return here.predict(jpeg(1))


def _draining(here: Listening) -> httpx.Response:
    here.server.state.draining = True
    return here.predict(jpeg(1))


def _broken(here: Listening) -> httpx.Response:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of this test")

    here.server.guard.caller = broken  # type: ignore[assignment, method-assign]
    return here.ask("GET", "/v1/models")


def _too_often(here: Listening) -> httpx.Response:
    here.predict(jpeg(1), key=0)
    return here.predict(jpeg(2), key=0)


def _told_twice(here: Listening) -> httpx.Response:
    """Another answer under the id of the first."""
    (one,) = here.predict(jpeg(1)).json()["predictions"]
    for label in ("rot", "blau"):
        body = {"label": label, "id": "a" * 32}
        answer = here.ask("POST", f"/v1/predictions/{one['id']}/label", json=body)
    return answer


@dataclass(frozen=True)
class Case:
    """How to come by a problem: the server's options, keys of these roles, and what to ask."""

    ask: Callable[[Listening], httpx.Response]
    options: Mapping[str, Any] = field(default_factory=dict)
    roles: tuple[Role, ...] = ()


def sent(method: str, path: str, **arguments: Any) -> Callable[[Listening], httpx.Response]:
    return lambda here: here.ask(method, path, **arguments)


def body(kind: str, content: bytes) -> Callable[[Listening], httpx.Response]:
    return sent("POST", "/v1/predict", content=content, headers={"Content-Type": kind})


LARGE = jpeg(2, (200, 100))
ONE = {"image": ("one.jpg", jpeg())}
WRONG_METADATA = json.dumps({"camera": "x" * 201, "where": 1})
TENSOR = {"name": "image", "datatype": "BYTES", "shape": [1], "data": ["no base64"]}

# The part before the colon is the slug.
CASES: Mapping[str, Case] = {
    "bad-request: form": Case(body("multipart/form-data; boundary=x", b"--x")),
    "bad-request: json": Case(body("application/json", b"{")),
    "unauthorized: no key": Case(sent("GET", "/v1/models"), roles=(Role.PREDICT,)),
    "forbidden: role": Case(lambda here: here.ask("GET", "/v1/predictions", key=0), roles=(Role.PREDICT,)),
    "forbidden: another site": Case(sent("POST", "/v1/predict", headers={"Origin": "http://evil.example"})),
    "not-found: address": Case(sent("GET", "/v1/nowhere")),
    "not-found: model": Case(lambda here: here.predict(jpeg(), query="?model=unicorns")),
    "not-found: prediction": Case(sent("GET", "/v1/predictions/x")),
    "not-found: image": Case(sent("GET", f"/v1/inputs/{'0' * 64}")),
    "method-not-allowed": Case(sent("DELETE", "/v1/models")),
    "conflict": Case(_told_twice),
    "not-now": Case(sent("GET", "/v1/reviews/next")),
    "timeout": Case(_slow, {"upload_s": 0.2}),
    "too-large: images": Case(lambda here: here.predict(jpeg(1), jpeg(2), jpeg(3)), {"max_images": 2}),
    "too-large: bytes": Case(lambda here: here.predict(b"x" * (1 << 20)), {"max_body_mb": 1}),
    "unsupported-media": Case(body("image/jpeg", jpeg())),
    "unprocessable: pixels": Case(lambda here: here.predict(jpeg(1), LARGE, jpeg(3), LARGE), {"max_megapixels": 0.01}),
    "unprocessable: pixels of one": Case(
        sent("POST", "/v1/explain", files={"image": ("large.jpg", LARGE)}), {"max_megapixels": 0.01}
    ),
    "bad-request: half a pair": Case(body("application/json", b'{"images": ["\\ud800"]}')),
    "unprocessable: metadata": Case(lambda here: here.predict(jpeg(), metadata=WRONG_METADATA)),
    "unprocessable: base64": Case(sent("POST", "/v1/predict", json={"images": ["QUJD", "no base64"]})),
    "unprocessable: body": Case(body("application/json", b'{"images": 7, "more": 1}')),
    "unprocessable: timeout_ms": Case(lambda here: here.predict(jpeg(), query="?timeout_ms=soon")),
    "unprocessable: query": Case(sent("GET", "/v1/predictions?limit=0&verdict=perhaps")),
    "unprocessable: cursor": Case(sent("GET", "/v1/predictions?cursor=nonsense")),
    "unprocessable: output": Case(sent("POST", "/v1/explain?output=unicorn", files=ONE)),
    "unprocessable: no image": Case(sent("POST", "/v1/predict", files={"picture": ("a.jpg", jpeg())})),
    "unprocessable: tensor": Case(sent("POST", "/v2/models/farben/infer", json={"inputs": [TENSOR]})),
    "too-many-requests": Case(_too_often, roles=(Role.PREDICT,)),
    "fault": Case(_broken),
    "overloaded": Case(_overloaded, {"queue": 1}),
    "deadline": Case(_late),
    "store-unavailable": Case(_store_down),
    "draining": Case(_draining),
}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """Of the schema that the kept OpenAPI document has for every problem."""
    document = json.loads((EXAMPLES.parents[1] / "openapi.json").read_text(encoding="utf-8"))
    registry: Registry[Any] = Registry().with_resource("urn:api", Resource(document, DRAFT202012))
    return Draft202012Validator({"$ref": "urn:api#/components/schemas/ProblemDetail"}, registry=registry)


def test_each_kind_of_problem_is_asked_for() -> None:
    assert {name.partition(":")[0] for name in CASES} == set(KINDS) == set(get_args(Slug))


@pytest.mark.parametrize("name", CASES)
def test_a_problem_is_what_the_document_promises(name: str, tmp_path: Path, validator: Draft202012Validator) -> None:
    case = CASES[name]
    keys = tuple(with_keys(tmp_path / "store.db", *case.roles, per_minute=1)) if case.roles else ()
    with listening(tmp_path / "store.db", keys, **case.options) as here:
        answer = case.ask(here)
    slug: Any = name.partition(":")[0]
    problem = answer.json()
    validator.validate(problem)
    assert set(problem) == set(ProblemDetail.model_fields)
    assert (answer.status_code, answer.headers["content-type"]) == (KINDS[slug][0], "application/problem+json")
    assert (problem["type"], problem["status"]) == (f"urn:drivetrain:problem:{slug}", answer.status_code)
    assert problem["request_id"] == answer.headers["x-request-id"] == REQUEST_ID
    assert ("retry-after" in answer.headers) == (answer.status_code in (429, 503))
    example = {"problem": problem, "retry_after": answer.headers.get("retry-after")}
    kept = json.loads(EXAMPLES.read_text(encoding="utf-8")) if EXAMPLES.exists() else {}
    if os.environ.get("DRIVETRAIN_KEEP"):
        fresh = {one: (example if one == name else kept.get(one)) for one in CASES}
        EXAMPLES.write_text(json.dumps(fresh, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    else:
        assert list(kept) == list(CASES), "run this again with DRIVETRAIN_KEEP=1"
        # The words may change; what a program reads may not without the console being tested with it.
        assert _told(kept[name]["problem"]) == _told(problem), "run this again with DRIVETRAIN_KEEP=1"


def _told(problem: Mapping[str, Any]) -> tuple[Any, ...]:
    return problem["type"], problem["status"], problem["title"], [fault["loc"] for fault in problem["errors"]]


def test_a_fault_has_one_shape_only() -> None:
    with pytest.raises(ValidationError):
        Fault(loc="images.1", msg="too many pixels")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Problem("unprocessable", "text", errors=[{"loc": 1}]).response(None)  # type: ignore[list-item]


def test_a_place_has_no_more_steps_and_signs_than_a_reader_takes_in() -> None:
    found = [{"loc": ("x" * 1000, *range(100)), "msg": "wrong", "type": "", "input": None}] * 100
    problem = invalid(found)  # type: ignore[arg-type]
    assert len(problem.errors) == 20
    assert {(len(fault.loc), len(str(fault.loc[0]))) for fault in problem.errors} == {(16, 80)}
