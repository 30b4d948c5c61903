"""Telling the right answer: what is taken, what is refused, and that it is there for good."""

from __future__ import annotations

import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from held import MakeClient, with_keys
from running import form, jpeg, serving
from starlette.testclient import TestClient

from drivetrain.core.records import Record, Role, Timings, ToldHow
from drivetrain.core.types import Interval, Prediction, Verdict
from drivetrain.serve.http.problems import Problem
from drivetrain.serve.routes.truths import UNNAMED, LabelBody, _check
from drivetrain.store.sql_store import open_store


@pytest.fixture
def make_client(make_client: MakeClient) -> MakeClient:
    """Without the measurement of batches, which nothing here is about."""
    return partial(make_client, max_batch=1)


def predict(client: Any, *images: bytes, **headers: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.post("/v1/predict", **form(*images or (jpeg(),)), **headers).json()[
        "predictions"
    ]
    return found


def tell(client: Any, prediction: dict[str, Any], **body: Any) -> httpx.Response:
    answer: httpx.Response = client.post(f"/v1/predictions/{prediction['id']}/label", json=body)
    return answer


def test_what_is_told_stands_beside_the_prediction_and_replaces_nothing(client: TestClient) -> None:
    one, other = predict(client, jpeg(1), jpeg(2))
    first = tell(client, one, label="rot", how="blind", by="Ada", note="in the shade")
    assert first.status_code == 200
    assert first.json() == {
        "id": first.json()["id"],
        "prediction_id": one["id"],
        "at": first.json()["at"],
        "by": "Ada",
        "how": "blind",
        "label": "rot",
        "labels": None,
        "values": {},
        "note": "in the shade",
    }
    second = tell(client, one, label="blau")
    assert (second.json()["by"], second.json()["how"]) == (UNNAMED, "assisted")
    both = [first.json(), second.json()]
    assert client.get(f"/v1/predictions/{one['id']}/labels").json() == {"truths": both}
    assert client.get(f"/v1/predictions/{other['id']}/labels").json() == {"truths": []}
    entry = client.get(f"/v1/predictions/{one['id']}").json()
    assert entry["truths"] == both
    assert {name: entry[name] for name in one} == one
    page = client.get("/v1/predictions").json()["predictions"]
    assert {found["id"]: found["truths"] for found in page} == {one["id"]: both, other["id"]: []}


def test_the_same_told_again_is_one_and_another_under_its_id_is_refused(client: TestClient) -> None:
    one, other = predict(client, jpeg(1), jpeg(2))
    body = {"label": "rot", "by": "Ada", "id": "0a" * 16}
    first = tell(client, one, **body)
    again = tell(client, one, **body)
    assert (again.status_code, again.json()) == (200, first.json())
    for answer in (tell(client, one, **{**body, "label": "blau"}), tell(client, other, **body)):
        assert answer.status_code == 409
    assert len(client.get("/v1/labels").json()["truths"]) == 1
    assert 'drivetrain_labels_told_total{how="assisted",model="farben"} 1.0' in client.get("/metrics").text


def test_labels_are_searched_and_paged_as_the_history_is(client: TestClient) -> None:
    predictions = predict(client, *(jpeg(n) for n in range(5)))
    for number, one in enumerate(predictions):
        how = "blind" if number % 2 else "adjudicated"
        assert tell(client, one, label="rot" if number < 3 else "blau", how=how, by=f"p{number}").status_code == 200

    def found(**query: Any) -> list[str]:
        names: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = client.get("/v1/labels", params={"limit": 2, **query, **cursor}).json()
            names += [truth["by"] for truth in page["truths"]]
            if page["next"] is None:
                return names
            cursor = {"cursor": page["next"]}

    assert found() == ["p4", "p3", "p2", "p1", "p0"]
    assert found(label="rot") == ["p2", "p1", "p0"]
    assert found(how="blind") == ["p3", "p1"]
    assert found(prediction_id=predictions[1]["id"]) == found(by="p1") == ["p1"]
    assert found(model="farben", label="blau") == ["p4", "p3"]
    assert found(model="bears") == found(bundle_id="x") == found(until="2020-01-01T00:00:00Z") == []
    assert len(found(since="2020-01-01T00:00:00Z")) == 5
    for query in ({"limit": 0}, {"how": "drunk"}, {"cursor": "x"}, {"site": "x"}):
        assert client.get("/v1/labels", params=query).status_code == 422


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "give one of label, labels and values"),
        ({"label": "rot", "labels": ["rot"]}, "label and labels given"),
        ({"labels": ["rot"]}, "labels was given, and farben answers with label; give label"),
        ({"values": {"age": 1.0}}, "values was given"),
        ({"label": "lila"}, r"farben knows no 'lila', but blau, grün, rot; if .* add \"new\": true"),
        ({"label": "  "}, "label"),
        ({"label": "x" * 501, "new": True}, "label"),
        ({"label": "rot", "how": "guessed"}, "how"),
        ({"label": "rot", "id": "1"}, "id"),
        ({"label": "rot", "colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_right_is_refused(client: TestClient, body: dict[str, Any], said: str) -> None:
    (one,) = predict(client)
    answer = tell(client, one, **body)
    assert answer.status_code == 422
    assert re.search(said, answer.json()["detail"])
    assert answer.json()["errors"]
    assert client.get("/v1/labels").json() == {"truths": [], "next": None}


def test_a_label_that_the_model_does_not_know_is_taken_where_that_is_said(client: TestClient) -> None:
    (one,) = predict(client)
    assert tell(client, one, label="polar bear", new=True).json()["label"] == "polar bear"
    assert [truth["label"] for truth in client.get("/v1/labels?label=polar bear").json()["truths"]] == ["polar bear"]


def test_what_could_not_be_read_can_be_labelled_too(client: TestClient) -> None:
    (one,) = predict(client, b"no image")
    assert one["verdict"] == "unreadable"
    assert tell(client, one, label="lila").status_code == 422
    assert tell(client, one, label="rot").status_code == 200


def test_nothing_is_told_of_what_is_not_there(client: TestClient) -> None:
    missing = {"id": "f" * 32}
    assert tell(client, missing, label="rot").status_code == 404
    assert client.get(f"/v1/predictions/{missing['id']}/labels").status_code == 404
    (one,) = predict(client)
    answer = client.post(f"/v1/predictions/{one['id']}/label", data={"label": "rot"})
    assert answer.status_code == 415


def test_only_reviewers_tell_and_their_keys_name_them(make_client: MakeClient, tmp_path: Path) -> None:
    weak, strong = with_keys(tmp_path / "store.db", Role.PREDICT, Role.REVIEW)
    client = make_client()
    (one,) = predict(client, headers=weak)
    path = f"/v1/predictions/{one['id']}/label"
    assert client.post(path, json={"label": "rot"}).status_code == 401
    for refused in (
        client.post(path, json={"label": "rot"}, headers=weak),
        client.get(f"{path}s", headers=weak),
        client.get("/v1/labels", headers=weak),
    ):
        assert refused.status_code == 403
    assert client.post(path, json={"label": "rot"}, headers=strong).json()["by"] == "review 1"
    assert client.post(path, json={"label": "rot", "by": "Ada"}, headers=strong).json()["by"] == "Ada"


def answered(**changes: Any) -> Record:
    plain = Prediction("a.jpg", None, 0.5, {}, Verdict.REVIEW, "b" * 32)
    return Record("1" * 32, "2" * 32, datetime.now(UTC), "farben", replace(plain, **changes), Timings(0, 0, 0, 0))


LABELS = answered(probs={"rust": 0.9, "crack": 0.2}, labels=("rust",))
NUMBERS = answered(values={"age": Interval(3.0, 1.0, 5.0, "split"), "mass": Interval(3.0, 1.0, 5.0, "split")})
GRADE = answered(label="2", probs={"1": 0.2, "2": 0.8}, values={"expected": Interval(1.8, 1.0, 2.0, "range")})


@pytest.mark.parametrize(
    ("record", "right", "wrong"),
    [
        (LABELS, {"labels": ["crack", "rust"]}, {"label": "rust"}),
        (LABELS, {"labels": []}, {"labels": ["dent"]}),
        (LABELS, {"labels": ["dent"], "new": True}, {"values": {"rust": 1}}),
        (NUMBERS, {"values": {"age": 7}}, {"values": {"height": 7}, "new": True}),
        (NUMBERS, {"values": {"age": 7, "mass": -2.5}}, {"label": "7"}),
        (GRADE, {"label": "1"}, {"values": {"expected": 1}}),
    ],
)
def test_each_task_has_its_form(record: Record, right: Any, wrong: Any) -> None:
    server: Any = None  # asked only where a prediction has no answer
    _check(server, record, LabelBody.model_validate(right))
    with pytest.raises(Problem):
        _check(server, record, LabelBody.model_validate(wrong))


@pytest.mark.processes
def test_labels_that_were_acknowledged_survive_a_kill(kept: Path, tmp_path: Path) -> None:
    """Killed while several people tell, twice."""
    store, acknowledged = tmp_path / "store.db", list[str]()
    for first in (0, 10_000):
        with serving(kept, store=store, log=tmp_path / "log.txt", max_batch=1) as running:
            (one,) = predict(httpx.Client(base_url=running.address, timeout=30), jpeg(first))
            enough = threading.Event()

            def go_on(teller: int, address: str = running.address, one: Any = one, enough: Any = enough) -> None:
                with suppress(httpx.HTTPError), httpx.Client(base_url=address, timeout=30) as client:
                    for number in range(1000):
                        answer = tell(client, one, label="rot", id=f"{teller + number:032x}", how="blind")
                        assert answer.status_code == 200
                        acknowledged.append(answer.json()["id"])
                        if number == 15:
                            enough.set()

            with ThreadPoolExecutor(3) as pool:
                tellers = [pool.submit(go_on, first + 1000 * n) for n in range(3)]
                assert enough.wait(30)
                os.kill(running.process.pid, signal.SIGKILL)
                for teller in tellers:
                    teller.result()
            running.process.wait(30)
    assert len(acknowledged) >= 32
    opened = open_store(str(store))
    found = [truth for fed in opened.feed(0, 100_000) if (truth := fed.truth)]
    opened.close()
    assert set(acknowledged) <= {truth.id for truth in found}
    assert all(truth.how is ToldHow.BLIND for truth in found)
