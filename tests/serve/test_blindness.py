"""Reviewers are blind: while a rollout is live nothing that a review key can ask for holds the model's answer, and nothing in the
queue depends on it."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from resealing import reseal
from rolled import NAME, Key, admin, answer, following, forced, opened, policy, reviewers, send, sender
from running import KEPT, form, jpeg
from starlette.testclient import TestClient

from drivetrain.core.records import Context, Record
from drivetrain.core.types import Prediction, Verdict
from drivetrain.rollout.stage import Stage
from drivetrain.serve.application import create_app, front
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.routes import cases as case_routes
from drivetrain.serve.server import Server
from drivetrain.serve.start import build
from drivetrain.serve.work import rollouts
from drivetrain.store.sql_store import open_store

TOKENS = {"blau": "qxblue7413", "grün": "qxgreen5521", "rot": "qxred9986"}
"""Names of labels that stand nowhere else."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW")
ALLOWED = re.compile(r"/|/v1/whoami|/v2/health/(live|ready)|/v1/reviews(/.*)?")
MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture(autouse=True)
def _taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process knows of a rollout as soon as it is there."""
    monkeypatch.setattr(rollouts, "SETTLE_S", 0.0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle, with labels that cannot be mistaken."""
    place = tmp_path_factory.mktemp("tokens") / "tokens.bundle"
    shutil.copytree(KEPT, place)
    for name in ("manifest.json", "golden/golden.json"):
        text = (place / name).read_text(encoding="utf-8")
        for label, token in TOKENS.items():
            text = text.replace(f'"{label}"', f'"{token}"').replace(
                f'"{label}"'.encode("ascii", "backslashreplace").decode(), f'"{token}"'
            )
        (place / name).write_text(text, encoding="utf-8")
    reseal(place)
    return place


@dataclass(frozen=True)
class Place:
    """A server with a rollout: its front, as uvicorn asks it, and who asks."""

    client: TestClient
    server: Server
    store: Path
    who: Key
    boss: Key
    ada: Key
    bo: Key

    def records(self) -> list[Record]:
        """The answers that the model gave."""
        kept = open_store(str(self.store))
        try:
            return [entry.record for entry in kept.feed(0, 10_000) if entry.truth is None]
        finally:
            kept.close()


@contextmanager
def place(folder: Path, bundle: Path, live: bool = True, **changes: Any) -> Iterator[Place]:
    """A server with a rollout of the bundle until the end of the block."""
    folder.mkdir(exist_ok=True)
    store = folder / "store.db"
    keys = sender(store), admin(store), *reviewers(store, "Ada", "Bo")
    if live:
        opened(store, policy(**{"parallel": {"decide_twice": 0.3}, **changes}), bundle=bundle)
    server = build(ServeOptions((str(bundle),), store=str(store), watch_s=None, max_batch=1, images="30d"))
    with TestClient(front(create_app(server), server), base_url="http://localhost") as client:
        yield Place(client, server, store, *keys)


# No answer of the model


def secrets(records: list[Record], sizes: Mapping[str, int]) -> Callable[[bytes, str], None]:
    """A check that no answer holds what the model said: labels but in the list of all, confidences, ids of predictions."""
    labels = json.dumps(list(TOKENS.values()), separators=(",", ":")).encode()
    hidden = [token.encode() for token in TOKENS.values()]
    for record in records:
        hidden.append(record.id.encode())
        hidden += [str(p)[:8].encode() for p in record.prediction.probs.values() if 0.01 < p < 0.999]
    assert len(hidden) > 3 + len(records)
    assert sizes

    def check(said: bytes, what: str) -> None:
        rest = said.replace(b'"labels":' + labels, b"")
        for secret in hidden:
            assert secret not in rest, f"{what} tells {secret!r}: {said[:2000]!r}"

    return check


def said(response: Any) -> bytes:
    """Every byte that came back: status line, headers, body."""
    head = f"{response.status_code} {response.reason_phrase}\n"
    return head.encode() + b"\n".join(b": ".join(pair) for pair in response.headers.raw) + b"\n" + response.content


def bodies(data: bytes, record: Record) -> list[dict[str, Any]]:
    """Bodies that some route would take: the case's own image, in every form."""
    image = base64.b64encode(data).decode()
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [image]}
    return [
        {},
        form(data),
        {"files": {"image": ("x.jpg", data)}},
        {"json": {"images": [image]}},
        {"json": {"inputs": [tensor]}},
        {"json": {"input_sha256": record.input_sha256}},
        {"json": {"label": TOKENS["rot"], "how": "blind", "reason": "x", "by": "x"}},
        {"content": b"{"},
    ]


def walked(routes: Any) -> Iterator[str]:
    """The pattern of every route, those of routers within included."""
    for route in routes:
        path = getattr(route, "path", None)
        if path:
            yield path
        within = getattr(route, "original_router", None) or route
        yield from walked(getattr(within, "routes", ()))


def paths(app: Any, values: Mapping[str, str]) -> Iterator[str]:
    """The address of every route, with what is there and with what is not; and a few that no route has."""
    for route in walked(app.routes):
        names = re.findall(r"{(\w+)}", route)
        there, zero, unknown = (
            {name: values[name] for name in names},
            dict.fromkeys(names, "0"),
            dict.fromkeys(names, "f" * 32),
        )
        for given in (there, zero, unknown):
            yield route.format(**given)
    yield from (
        "/nothing",
        "/v1/",
        "/v1/reviewsx",
        "/v1/reviews/../predictions",
        "//v1/predict",
        "/v1/predict/",
        "/V1/predict",
    )


def test_no_route_tells_a_reviewer_the_models_answer(tmp_path: Path, bundle: Path) -> None:
    with place(tmp_path, bundle) as here:
        # One that was answered before, as the way into production begins with trying the model.
        here.client.post("/v1/predict", headers=here.boss, **form(jpeg(50)))
        for number in range(6):
            send(here.client, f"m-{number}", here.who, jpeg(number), jpeg(number + 10), metadata={"n": number})
        review = following(here.client, here.ada)
        assert review is not None
        records = here.records()
        check = secrets(records, {"cases": 6})
        record = records[-1]
        case = here.client.get("/v1/cases?key=m-5", headers=here.who).json()
        values = {
            "name": "farben",
            "version": record.prediction.bundle_id,
            "row": "0",
            "record_id": record.id,
            "sha256": str(record.input_sha256),
            "number": "0",
            "alarm_id": "x",
            "case_id": case["id"],
            "review_id": review["id"],
        }
        files = {f"/{path}" for path in here.server.files if not path.startswith("docs/")}
        asked, closed = 0, set()
        app = create_app(here.server)
        for path in dict.fromkeys([*paths(app, values), *paths(app, {**values, "name": NAME})]):
            for method in METHODS:
                given = bodies(jpeg(5), record) if method == "POST" and not path.startswith("/v1/reviews/") else [{}]
                for body in given:
                    response = here.client.request(method, path, headers=here.ada, **body)
                    check(said(response), f"{method} {path}")
                    asked += 1
                    if not ALLOWED.fullmatch(path) and path not in files:
                        assert response.status_code == 403, f"{method} {path}: {response.status_code}"
                        closed.add(path)
        assert set(app.openapi()["paths"]) <= set(walked(app.routes))
        assert asked > 500
        assert {"/v1/predict", "/metrics", "/docs", "/openapi.json", "/v1/predictions", "/v1/cases", "/v2"} <= closed
        # The key is what is closed, however it is sent; an admin goes on seeing all of it.
        secret = here.ada["Authorization"].partition(" ")[2]
        assert here.client.get("/v1/predictions", headers={"X-API-Key": secret}).status_code == 403
        assert TOKENS["rot"] in here.client.get("/v1/models", headers=here.boss).text
        assert here.client.get("/v1/whoami", headers=here.ada).json()["blind"] is True


def test_what_a_reviewer_does_on_the_way_to_a_decision_tells_nothing(tmp_path: Path, bundle: Path) -> None:
    with place(tmp_path, bundle) as here:
        for number in range(20):
            send(here.client, f"m-{number}", here.who, jpeg(number))
        check = secrets(here.records(), {"cases": 20})
        decided = 0
        while True:
            response = here.client.get("/v1/reviews/next", headers=here.ada)
            check(said(response), "next")
            review = response.json()["review"]
            if review is None:
                break
            assert (review["kind"], review["shown"]) == ("decide", [])
            for url in (*review["case"]["images"], review["case"]["images"][0] + "?size=32"):
                check(said(here.client.get(url, headers=here.ada)), url)
            for path in ("/v1/reviews/grid", "/v1/reviews/summary", "/v1/whoami", "/v2/health/ready"):
                check(said(here.client.get(path, headers=here.ada)), path)
            path = f"/v1/reviews/{review['id']}"
            check(
                said(here.client.post(path, headers=here.ada, json={"label": "lila"})).replace(
                    f"which are {', '.join(TOKENS.values())}".encode(), b""
                ),
                "a wrong label",
            )
            check(said(here.client.post(path, headers=here.ada, json={"label": TOKENS["rot"]})), "the decision")
            decided += 1
        assert decided == 20


def test_without_a_live_rollout_a_reviewer_sees_what_a_reviewer_does(tmp_path: Path, bundle: Path) -> None:
    with place(tmp_path, bundle, live=False) as here:
        here.client.post("/v1/predict", headers=here.who, **form(jpeg(5)))
        assert here.client.get("/v1/whoami", headers=here.ada).json()["blind"] is False
        found = here.client.get("/v1/predictions", headers=here.ada).json()["predictions"]
        assert len(found) == 1
        assert here.client.get("/v1/reviews/next", headers=here.ada).status_code == 404


def test_who_cannot_tell_whether_a_rollout_is_live_shows_nothing(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollouts, "UNKNOWN_S", -1.0)
    with place(tmp_path, bundle, live=False) as here:
        closed = here.client.get("/v1/predictions", headers=here.ada)
        assert (closed.status_code, closed.headers["retry-after"]) == (503, "2")
        assert here.client.get("/v1/predictions", headers=here.boss).status_code == 200


def test_where_the_model_proposes_those_kept_blind_are_told_nothing(tmp_path: Path, bundle: Path) -> None:
    with place(tmp_path, bundle, supervised={"blind": 0.5, "seeded": 0.0}) as here:
        here.server.engine._judged = sure
        forced(here.store, (Stage.SUPERVISED, 0))
        for number in range(30):
            send(here.client, f"m-{number}", here.who, jpeg(number), metadata={"number": number})
        records = here.records()
        check, kinds = secrets(records, {"cases": 30}), Counter[str]()
        while True:
            response = here.client.get("/v1/reviews/next", headers=here.ada)
            review = response.json()["review"]
            if review is None:
                break
            kinds[review["kind"]] += 1
            if review["kind"] == "decide":
                check(said(response), "a review that is kept blind")
            else:
                assert review["shown"] == [records[review["case"]["metadata"]["number"]].prediction.label]
                check(said(response).replace(f'"shown":["{review["shown"][0]}"]'.encode(), b""), "a proposal")
            answer(here.client, here.ada, review, TOKENS["rot"])
        assert set(kinds) == {"decide", "confirm"}
        assert min(kinds.values()) >= 5


def test_where_the_model_acts_its_sender_is_told_and_an_auditor_is_not(tmp_path: Path, bundle: Path) -> None:
    changes = {"steps": [1.0], "audit": 0.5, "audit_early": 0.5}
    with place(tmp_path, bundle, expanding=changes) as here:
        here.server.engine._judged = sure
        forced(here.store, (Stage.SUPERVISED, 0), (Stage.EXPANDING, 0))
        sent = [send(here.client, f"m-{number}", here.who, jpeg(number)) for number in range(30)]
        records = here.records()
        check, audits = secrets(records, {"cases": 30}), 0
        for case, record in zip(sent, records, strict=True):
            assert (case["status"], case["decision"]["how"]) == ("decided", "model")
            assert case["decision"]["label"] == record.prediction.label
        while True:
            response = here.client.get("/v1/reviews/next?kind=decide", headers=here.ada)
            check(said(response), "an audit")
            review = response.json()["review"]
            if review is None:
                break
            audits += 1
            answer(here.client, here.ada, review, TOKENS["rot"])
        assert 5 <= audits <= 25


# The queue knows nothing of the answers


Judged = Callable[[str, Context, Prediction], Prediction]


def sure(_: str, __: Context, prediction: Prediction) -> Prediction:
    """A model that is sure of whatever it says."""
    return replace(prediction, verdict=Verdict.ACCEPT, reasons=())


def turned(by: int) -> Judged:
    """A model whose answers are those of another, one label on; in every second case it is unsure, or does not know the image."""
    numbers = count()

    def judged(_: str, __: Context, prediction: Prediction) -> Prediction:
        if by == 0:
            return prediction
        names, number = list(prediction.probs), next(numbers)
        probs = {name: prediction.probs[names[(place + by) % len(names)]] for place, name in enumerate(names)}
        verdict = (Verdict.ACCEPT, Verdict.REVIEW, Verdict.OUT_OF_DOMAIN)[number % 3]
        label = max(probs, key=probs.__getitem__)
        return replace(prediction, label=label, probs=probs, verdict=verdict)

    return judged


def numbered(start: int) -> Callable[[], str]:
    """Ids that are the same in every run."""
    numbers = count(start)
    return lambda: f"{next(numbers):032x}"


def watched(folder: Path, bundle: Path, judged: Judged) -> tuple[list[bytes], list[str | None]]:
    """All that a reviewer is answered, byte for byte but for moments, from the first case to the last; and the model's labels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(case_routes, "new_id", numbered(1))
        patch.setattr(rollouts, "new_id", numbered(1 << 20))
        with place(folder, bundle) as here:
            here.server.engine._judged = judged
            for number in range(24):
                send(
                    here.client, f"m-{number}", here.who, jpeg(number), group=f"g{number // 2}" if number < 8 else None
                )
            found = list(_answers(here))
            return found, [record.prediction.label for record in here.records()]


def _answers(here: Place) -> Iterator[bytes]:
    asked = {**here.ada, "X-Request-ID": "one"}
    for number in count():
        response = here.client.get("/v1/reviews/next", headers=asked)
        yield MOMENT.sub(b"T", said(response))
        review = response.json()["review"]
        if review is None:
            return
        yield said(here.client.get(review["case"]["images"][0], headers=asked))
        label = list(TOKENS.values())[number % 3]
        done = here.client.post(f"/v1/reviews/{review['id']}", headers=asked, json={"label": label})
        yield MOMENT.sub(b"T", said(done))


def test_the_queue_is_the_same_whatever_the_model_says(tmp_path: Path, bundle: Path) -> None:
    runs = [watched(tmp_path / str(by), bundle, turned(by)) for by in range(3)]
    answers, labels = [run[0] for run in runs], [run[1] for run in runs]
    assert len(answers[0]) > 24 * 3
    assert labels[0] != labels[1] != labels[2]
    assert answers[0] == answers[1] == answers[2]


def test_adjudicators_see_two_answers_in_an_order_that_tells_nothing(tmp_path: Path, bundle: Path) -> None:
    with place(tmp_path, bundle) as here:
        here.server.engine._judged = sure
        first = {True: 0, False: 0}
        for number in range(60):
            send(here.client, f"m-{number}", here.who, jpeg(number % 7), metadata={"number": number})
        models = {f"m-{number}": record.prediction.label for number, record in enumerate(here.records())}
        while (review := following(here.client, here.ada, kind="decide")) is not None:
            model = models[f"m-{review['case']['metadata']['number']}"]
            other = next(token for token in TOKENS.values() if token != model)
            answer(here.client, here.ada, review, other)
        while (review := following(here.client, here.bo, kind="adjudicate")) is not None:
            assert len(review["shown"]) == len(set(review["shown"])) == 2
            model = models[f"m-{review['case']['metadata']['number']}"]
            assert model in review["shown"]
            first[review["shown"][0] == model] += 1
            answer(here.client, here.bo, review, review["shown"][0])
        # By chance alone, a side with fewer than 10 of 40 and more comes once in a thousand times; the salt is fixed.
        assert sum(first.values()) >= 20
        assert min(first.values()) >= sum(first.values()) / 4
