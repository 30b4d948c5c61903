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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from direct import Sent, ask, ask_all
from judge import Judge
from mutations import APPENDED, pictures, polyglots
from odd_forms import BOUNDARY, PREDICT, file_part, form_body
from odd_requests import INFER, odd_request, picture_request

from drivetrain.core.records import Role
from drivetrain.data.image.decode import decode
from drivetrain.serve.application import create_app
from drivetrain.serve.http.problems import Problem
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.server import Server
from drivetrain.serve.start import build
from drivetrain.store.new_key import new_key
from drivetrain.store.sql_store import open_store
from postgres import Postgres

# Pillow warns of what it finds in damaged files.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SEED = int(os.environ.get("DRIVETRAIN_FUZZ_SEED", "4"))
SCALE = int(os.environ.get("DRIVETRAIN_FUZZ_SCALE", "1"))

PICTURES, ODD, KEYLESS = 4500 * SCALE, 5500 * SCALE, 800 * SCALE

# Without a key; the empty route is that of addresses which the document does not have: the console's pages.
OPEN = frozenset({"", "/v1/whoami", "/v2/health/live", "/v2/health/ready"})

IMAGE = "/v1/inputs/{sha256}"

STORED_KINDS = frozenset({"image/jpeg", "image/png", "image/webp"})


@dataclass
class Fuzzed:
    """A server, and what it answered."""

    server: Server
    app: Any
    judge: Judge
    sent: int = 0


async def _run(
    folder: Path, bundle: Path, requests: Iterable[Sent], then: Callable[[Fuzzed], Any], store: str | None = None
) -> tuple[Judge, int]:
    """Send everything to an application of its own; ``then`` is awaited while that still answers."""
    url = store or str(folder / "store.db")
    options = ServeOptions(
        bundles=(str(bundle),),
        store=url,
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
    _check_store(fuzzed.judge, url)
    return fuzzed.judge, fuzzed.sent


def _check_store(judge: Judge, url: str) -> None:
    """What was answered is there, read anew."""
    store = open_store(url)
    try:
        stored = {record.id: record for record in store.iterate()}
        by_request = Counter(record.request_id for record in stored.values())
    finally:
        store.close()
    assert set(judge.answered) <= set(stored)
    assert all(stored[record_id].input_sha256 == sha256 for record_id, sha256 in judge.answered.items())
    assert all(by_request[request] >= count for request, count in judge.inferred.items())


async def _check_pictures(fuzzed: Fuzzed) -> None:
    """Stored images, asked for as browsers do: pictures and nothing else."""
    kinds: Counter[str] = Counter()
    for number, sha256 in enumerate(sorted(fuzzed.judge.read)):
        for query in (b"", b"size=32") if number % 4 == 0 else (b"",):
            sent = Sent("stored image", IMAGE, "GET", f"/v1/inputs/{sha256}", query)
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
    assert all(fuzzed.server.store.input(sha256) is None for sha256 in unread[:200])


@pytest.mark.thorough
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


async def _check_history(fuzzed: Fuzzed) -> None:
    """What was accepted can be shown: nothing a caller says of an image spoils the pages of the history."""
    query, shown = b"limit=200", 0
    while True:
        sent = Sent("history", "/v1/predictions", "GET", "/v1/predictions", query)
        answer = await ask(fuzzed.app, sent)
        fuzzed.judge(sent, answer)
        assert answer.status == 200
        page = answer.json()
        shown += len(page["predictions"])
        if page["next"] is None:
            break
        query = b"limit=200&cursor=" + page["next"].encode()
    assert shown >= len(fuzzed.judge.answered)


@pytest.mark.thorough
def test_odd_requests(tmp_path: Path, kept: Path) -> None:
    """Forms, JSON, headers, queries and paths of every shape but the usual."""
    requests = (odd_request(SEED, number) for number in range(ODD))
    judge, sent = asyncio.run(_run(tmp_path, kept, requests, _check_history))
    assert sent == ODD
    assert judge.statuses[PREDICT, 200] > 100
    for status in (400, 403, 404, 413, 415, 422):
        assert any(seen == status for _, seen in judge.statuses), status


@pytest.mark.processes
def test_odd_requests_with_postgresql(tmp_path: Path, kept: Path) -> None:
    """Which takes neither NUL nor half of a surrogate pair, and compares texts in its own way."""
    server = Postgres()
    try:
        requests = (odd_request(SEED + 1, number) for number in range(1000))
        judge, _ = asyncio.run(_run(tmp_path, kept, requests, _check_history, server.new_database()))
    finally:
        server.close()
    assert judge.statuses[PREDICT, 200] > 50


def test_without_a_key_nothing_is_given(tmp_path: Path, kept: Path) -> None:
    """Whatever is sent, a server with keys answers only what is open to all."""
    secret, key = new_key("someone", Role.ADMIN)
    store = open_store(str(tmp_path / "store.db"))
    store.add_key(key)
    store.close()
    requests = [(odd_request if number % 4 else picture_request)(SEED, number) for number in range(KEYLESS)]
    assert not any(secret in sent.dump() for sent in requests)

    async def then(fuzzed: Fuzzed) -> None:
        for route, status in fuzzed.judge.statuses:
            assert status >= 400 or route in OPEN, (route, status)
        assert {status for _, status in fuzzed.judge.statuses} >= {200, 401}
        assert not list(fuzzed.server.store.iterate())

    assert asyncio.run(_run(tmp_path, kept, requests, then))[1] == KEYLESS


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
            sent = Sent(name, IMAGE, "GET", f"/v1/inputs/{sha256}")
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
        nothing = await ask(fuzzed.app, Sent("none", IMAGE, "GET", "/v1/inputs/0"))
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
