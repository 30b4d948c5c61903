"""Ten thousand bodies that nobody should send, against the real application.

What must hold: no 5xx but a 503 that says why; every refusal is a problem that the OpenAPI document announces for that
place; and every answer that was given is found in the store afterwards. All of it follows from `SEED`: a failure shows what
was sent, and which maker and number makes it again.

For a longer run: DRIVETRAIN_FUZZ_SEED=5 DRIVETRAIN_FUZZ_SCALE=10.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from direct import Answer, Sent, ask, ask_all
from mutations import APPENDED, pictures, polyglots
from odd_forms import BOUNDARY, PREDICT, file_part, form_body
from odd_requests import INFER, INFER_VERSION, odd_request, picture_request

from drivetrain.app.serving import ServeOptions, build
from drivetrain.data.decode import decode
from drivetrain.serve.application import create_app
from drivetrain.serve.problems import Problem
from drivetrain.serve.server import Server
from drivetrain.store.sql_store import open_store

# Pillow warns of what it finds in damaged files.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SEED = int(os.environ.get("DRIVETRAIN_FUZZ_SEED", "4"))
SCALE = int(os.environ.get("DRIVETRAIN_FUZZ_SCALE", "1"))

PICTURES, ODD = 5500 * SCALE, 4500 * SCALE

IMAGE = "/v1/images/{sha256}"

STORED_KINDS = frozenset({"image/jpeg", "image/png", "image/webp"})


@dataclass
class Judge:
    """Holds each answer against the document, and remembers what was answered."""

    document: dict[str, Any]
    folder: Path
    answered: dict[str, str] = field(default_factory=dict)
    """Record id → SHA-256 of the image."""
    read: set[str] = field(default_factory=set)
    """SHA-256 of the images that could be read."""
    inferred: Counter[str] = field(default_factory=Counter)
    """Request id → images answered by the inference protocol."""
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    _schemas: dict[str, Any] = field(default_factory=dict)

    def __call__(self, sent: Sent, answer: Answer) -> None:
        """Note an answer.

        Raises:
            AssertionError: it is not as promised; what was sent is in the message and in a file.
        """
        self.statuses[sent.route, answer.status] += 1
        fault = self.fault(sent, answer)
        if fault is not None:
            (self.folder / "sent.txt").write_text(sent.dump())
            pytest.fail(
                f"{fault}\n{answer.status} {answer.headers}\n{answer.body[:2000]!r}\n{sent.dump()[:8000]}",
                pytrace=False,
            )

    def fault(self, sent: Sent, answer: Answer) -> str | None:
        """What is wrong with an answer."""
        if not answer.header("x-request-id"):
            return "no request id"
        for name, value in answer.headers.items():
            if b"\r" in value or b"\n" in value or b"evil" in name:
                return "a header was injected"
        if answer.header("x-content-type-options") != "nosniff" or not answer.header("content-security-policy"):
            return "a header that protects browsers is missing"
        operation = self.document["paths"].get(sent.route, {}).get(sent.method.lower())
        announced = operation["responses"].get(str(answer.status)) if operation else {}
        if announced is None:
            return f"{answer.status} is not announced for {sent.method} {sent.route}"
        if sent.method == "HEAD":
            return "an answer to HEAD with a body" if answer.body else None
        if answer.status >= 300:
            return self._refused(sent, answer, announced, documented=operation is not None)
        if operation is not None:
            return self._given(sent, answer, announced)
        return None

    def _refused(self, sent: Sent, answer: Answer, announced: dict[str, Any], *, documented: bool) -> str | None:
        if answer.header("content-type") != "application/problem+json":
            return "a refusal that is no problem"
        problem = answer.json()
        slug = str(problem["type"]).removeprefix("urn:drivetrain:problem:")
        if (
            problem["status"] != answer.status
            or not problem["detail"]
            or problem["request_id"] != answer.header("x-request-id")
        ):
            return "a problem that does not fit its answer"
        # Nothing here overloads a server, so a 503 has but one reason: the caller would not wait.
        if answer.status >= 500 and not (slug == "deadline" and b"timeout_ms" in sent.query):
            return f"{answer.status} {slug} without a reason"
        if documented and slug not in announced["content"]["application/problem+json"]["examples"]:
            return f"the problem {slug} is not announced"
        return self._invalid({"$ref": "#/components/schemas/ProblemDetail"}, problem)

    def _given(self, sent: Sent, answer: Answer, announced: dict[str, Any]) -> str | None:
        kind = answer.header("content-type").partition(";")[0]
        kinds = announced.get("content", {})
        if kind not in kinds and f"{kind.partition('/')[0]}/*" not in kinds:
            return f"the kind {kind} is not announced"
        if kind != "application/json":
            return None
        given = answer.json()
        if sent.route == PREDICT:
            for one in given["predictions"]:
                if one["id"] in self.answered:
                    return "an id was given twice"
                self.answered[one["id"]] = one["image_sha256"]
                if one["error"] is None:
                    self.read.add(one["image_sha256"])
        elif sent.route in (INFER, INFER_VERSION):
            self.inferred[answer.header("x-request-id")] += given["outputs"][0]["shape"][0] if given["outputs"] else 0
        return self._invalid(kinds[kind].get("schema", {}), given)

    def _invalid(self, schema: dict[str, Any], given: Any) -> str | None:
        """How a document departs from its schema."""
        validator = self._schemas.get(str(schema))
        if validator is None:
            whole = {**schema, "components": self.document["components"]}
            validator = self._schemas[str(schema)] = jsonschema_rs.validator_for(whole)
        error = next(iter(validator.iter_errors(given)), None)
        return None if error is None else f"not as its schema says: {error.message[:300]}"


@dataclass
class Fuzzed:
    """A server, and what it answered."""

    server: Server
    app: Any
    judge: Judge
    sent: int = 0


async def _run(
    folder: Path, bundle: Path, requests: Iterable[Sent], then: Callable[[Fuzzed], Any]
) -> tuple[Judge, int]:
    """Send everything to an application of its own; ``then`` is awaited while that still answers."""
    options = ServeOptions(
        bundles=(str(bundle),),
        store=str(folder / "store.db"),
        images="keep",
        watch_s=None,
        # Room for all that are under way, and pictures that are soon decoded: neither is what is tried here.
        queue=4096,
        max_megapixels=2,
        deadline_s=60,
    )
    server = build(options)
    app = create_app(server)
    fuzzed = Fuzzed(server, app, Judge(app.openapi(), folder))
    async with app.router.lifespan_context(app):
        fuzzed.sent = await ask_all(app, requests, fuzzed.judge)
        await then(fuzzed)
    assert server.bodies.held_bytes == 0, "bytes of a request are still counted"
    assert len(server.engine.queue) == 0
    _check_store(fuzzed.judge, folder)
    return fuzzed.judge, fuzzed.sent


def _check_store(judge: Judge, folder: Path) -> None:
    """What was answered is there, read anew from the file."""
    store = open_store(str(folder / "store.db"))
    try:
        stored = {record.id: record for record in store.iterate()}
        by_request = Counter(record.request_id for record in stored.values())
    finally:
        store.close()
    assert set(judge.answered) <= set(stored)
    assert all(stored[record_id].image_sha256 == sha256 for record_id, sha256 in judge.answered.items())
    assert all(by_request[request] >= count for request, count in judge.inferred.items())


async def _check_pictures(fuzzed: Fuzzed) -> None:
    """Stored images, asked for as browsers do: pictures and nothing else."""
    kinds: Counter[str] = Counter()
    for sha256 in sorted(fuzzed.judge.read):
        for query in (b"", b"size=32"):
            sent = Sent("stored image", IMAGE, "GET", f"/v1/images/{sha256}", query)
            answer = await ask(fuzzed.app, sent)
            fuzzed.judge(sent, answer)
            kind = answer.header("content-type")
            kinds[kind] += 1
            assert answer.status == 200, f"{sha256} was read, but was not kept"
            assert kind in ({"image/jpeg"} if query else STORED_KINDS)
            assert "sandbox" in answer.header("content-security-policy")
            assert "default-src 'none'" in answer.header("content-security-policy")
            assert f"image/{decode(answer.body).format.lower()}" in (kind, "image/mpo")
    assert set(kinds) == STORED_KINDS
    unread = [sha256 for sha256 in fuzzed.judge.answered.values() if sha256 not in fuzzed.judge.read]
    assert all(fuzzed.server.store.image(sha256) is None for sha256 in unread[:200])


def test_damaged_pictures(tmp_path: Path, kept: Path) -> None:
    """Files damaged in every way, as forms, as base64 and through the inference protocol."""
    requests = (picture_request(SEED, number) for number in range(PICTURES))
    judge, sent = asyncio.run(_run(tmp_path, kept, requests, _check_pictures))
    assert sent == PICTURES
    # The files get somewhere: some are read, some are not, and some are refused by their size.
    assert len(judge.answered) > PICTURES / 4
    assert judge.statuses[PREDICT, 200] > judge.statuses[PREDICT, 422] > 0
    assert judge.statuses[INFER, 200] > 0
    assert judge.statuses["/v1/explain", 200] > 0


def test_odd_requests(tmp_path: Path, kept: Path) -> None:
    """Forms, JSON, headers, queries and paths of every shape but the usual."""

    async def then(fuzzed: Fuzzed) -> None:
        """What was accepted can be shown: nothing a caller says of an image spoils the history."""
        cursor = ""
        while cursor is not None:
            sent = Sent(
                "history",
                "/v1/predictions",
                "GET",
                "/v1/predictions",
                b"limit=200&cursor=" + cursor.encode() if cursor else b"limit=200",
            )
            answer = await ask(fuzzed.app, sent)
            fuzzed.judge(sent, answer)
            assert answer.status == 200
            cursor = answer.json()["next"]

    requests = (odd_request(SEED, number) for number in range(ODD))
    judge, sent = asyncio.run(_run(tmp_path, kept, requests, then))
    assert sent == ODD
    assert judge.statuses[PREDICT, 200] > 100
    for status in (400, 403, 404, 413, 415, 422):
        assert any(seen == status for _, seen in judge.statuses), status


def test_ten_thousand_bodies() -> None:
    """What the two tests above send together."""
    assert PICTURES + ODD >= 10_000


def test_appended_parts_are_not_stored(tmp_path: Path, kept: Path) -> None:
    """A polyglot is kept as the picture it is, without what else it is; metadata go too."""
    named = pictures()
    marked = {name: data for name, data in named.items() if APPENDED in data}
    assert set(marked) >= set(polyglots(dict(named))) - {"jpeg and zip", "tiff and zip"}
    files = {**marked, **polyglots(dict(named))}

    def requests() -> Iterable[Sent]:
        kind = (b"content-type", b"multipart/form-data; boundary=" + BOUNDARY)
        for name, data in files.items():
            yield Sent(name, PREDICT, "POST", PREDICT, b"", (kind,), form_body([file_part("images", "a.jpg", data)]))

    async def then(fuzzed: Fuzzed) -> None:
        assert len(fuzzed.judge.answered) == len(files)
        for name, data in files.items():
            sha256 = hashlib.sha256(data).hexdigest()
            sent = Sent(name, IMAGE, "GET", f"/v1/images/{sha256}")
            answer = await ask(fuzzed.app, sent)
            fuzzed.judge(sent, answer)
            assert answer.status == 200, name
            assert answer.header("content-type") in STORED_KINDS, name
            for foreign in (APPENDED, b"<html", b"PK\x03\x04", b"index.html"):
                assert foreign not in answer.body, name
            assert decode(answer.body).image.tobytes() == decode(data).image.tobytes(), name

    asyncio.run(_run(tmp_path, kept, requests(), then))


def test_a_fault_is_seen(tmp_path: Path, kept: Path) -> None:
    """What judges the answers is not itself blind."""

    async def then(fuzzed: Fuzzed) -> None:
        sent = Sent("fine", "/v1/models", "GET", "/v1/models")
        fine = await ask(fuzzed.app, sent)
        nothing = await ask(fuzzed.app, Sent("none", IMAGE, "GET", "/v1/images/0"))
        judge = fuzzed.judge
        assert judge.fault(sent, fine) is None
        assert judge.fault(Sent("none", IMAGE, "GET", ""), nothing) is None
        assert judge.fault(sent, replace(fine, body=b'{"models":[{"name":1}]}')) is not None
        assert judge.fault(sent, replace(fine, headers={})) is not None
        assert judge.fault(sent, replace(fine, headers={**fine.headers, b"x-evil": b"1"})) is not None
        for slug in ("fault", "overloaded", "store-unavailable"):
            refused = Problem(slug, "a detail").response(fine.header("x-request-id"))
            answer = replace(fine, status=refused.status_code, body=bytes(refused.body))
            answer.headers = {**fine.headers, b"content-type": b"application/problem+json"}
            assert judge.fault(Sent("", PREDICT, "POST", PREDICT), answer) is not None, slug
            assert judge.fault(sent, answer) is not None, slug
        page = replace(nothing, headers={**nothing.headers, b"content-type": b"text/html"})
        assert judge.fault(Sent("none", IMAGE, "GET", ""), page) is not None

    asyncio.run(_run(tmp_path, kept, (), then))


def test_the_same_seed_sends_the_same() -> None:
    """Else a failure could not be looked into."""
    for number in range(200):
        assert picture_request(7, number) == picture_request(7, number)
        assert odd_request(7, number) == odd_request(7, number)
