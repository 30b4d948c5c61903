"""Cases: taken once whatever is sent again, answered by the rollout's model, and silent of its answer."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from held import MakeClient, held
from rolled import NAME, Key, admin, answer, following, opened, policy, reviewers, send, sender
from running import form, jpeg
from starlette.testclient import TestClient

from drivetrain.serve.work import rollouts
from drivetrain.store.sql_store import open_store


@pytest.fixture(autouse=True)
def _taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process knows of a rollout as soon as it is there."""
    monkeypatch.setattr(rollouts, "SETTLE_S", 0.0)


class Place:
    """A server with a rollout, and who asks it."""

    def __init__(self, client: TestClient, store: Path, who: Key, ada: Key) -> None:
        self.client, self.store, self.who, self.ada = client, store, who, ada

    def predictions(self) -> int:
        """How many answers are stored."""
        kept = open_store(str(self.store))
        try:
            return sum(entry.truth is None for entry in kept.feed(0, 10_000))
        finally:
            kept.close()

    def post(self, path: str, **given: Any) -> Any:
        headers = {**self.who, **given.pop("headers", {})}
        return self.client.post(path, headers=headers, **given)


@pytest.fixture
def place(make_client: MakeClient, tmp_path: Path) -> Place:
    store = tmp_path / "store.db"
    opened(store)
    who, (ada,) = sender(store), reviewers(store, "Ada")
    return Place(make_client(max_batch=1), store, who, ada)


def test_a_case_waits_until_a_person_decides_it(place: Place) -> None:
    said = send(place.client, "m-1", place.who, jpeg(1), slices={"site": "north"}, metadata={"module": 7})
    assert said == {"id": said["id"], "key": "m-1", "rollout": NAME, "status": "waiting", "decision": None}
    review = following(place.client, place.ada)
    assert review is not None
    answer(place.client, place.ada, review, "rot")
    for path in (f"/v1/cases/{said['id']}", "/v1/cases?key=m-1"):
        now = place.client.get(path, headers=place.who).json()
        assert (now["id"], now["status"]) == (said["id"], "decided")
        assert (now["decision"]["label"], now["decision"]["how"]) == ("rot", "blind")


def test_the_same_case_sent_again_is_the_first_one_and_is_not_answered_twice(place: Place) -> None:
    first = send(place.client, "m-1", place.who, jpeg(1), jpeg(2), group="burst 4", metadata={"a": 1.5, "b": True})
    for _ in range(3):
        again = send(place.client, "m-1", place.who, jpeg(1), jpeg(2), group="burst 4", metadata={"a": 1.5, "b": True})
        assert again == first
    assert place.predictions() == 1


@pytest.mark.parametrize(
    ("images", "case"),
    [
        ((jpeg(2),), {"group": "g"}),
        ((jpeg(1), jpeg(2)), {"group": "g"}),
        ((jpeg(1),), {}),
        ((jpeg(1),), {"group": "g", "slices": {"site": "a"}}),
        ((jpeg(1),), {"group": "g", "metadata": {"x": 1}}),
        ((jpeg(1),), {"group": "g", "due": "2027-01-01T00:00:00Z"}),
        ((jpeg(1),), {"group": "g", "at": "2020-01-01T00:00:00Z"}),
        ((jpeg(1),), {"group": "g", "known": "rot"}),
    ],
)
def test_another_case_under_its_key_is_a_conflict(
    place: Place, images: tuple[bytes, ...], case: dict[str, Any]
) -> None:
    send(place.client, "m-1", place.who, jpeg(1), group="g")
    other = place.post("/v1/cases", **form(*images, case=json.dumps({"key": "m-1", **case})))
    assert (other.status_code, other.json()["type"]) == (409, "urn:drivetrain:problem:conflict")
    assert place.predictions() == 1


def test_json_and_a_form_say_the_same(place: Place) -> None:
    first = send(place.client, "m-1", place.who, jpeg(1), slices={"camera": "7"})
    body = {"images": [base64.b64encode(jpeg(1)).decode()], "case": {"key": "m-1", "slices": {"camera": "7"}}}
    assert place.post("/v1/cases", json=body).json() == first


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        (form(jpeg(1)), 422, "the case has no key"),
        (form(jpeg(1), case='{"key": "a", "colour": 1}'), 422, "case.colour"),
        (form(jpeg(1), case='{"key": "ä"}'), 422, "case.key"),
        (form(jpeg(1), case='{"key": "a", "known": "lila"}'), 422, "knows no 'lila'"),
        (form(jpeg(1), case='{"key": "a", "due": "tomorrow"}'), 422, "case.due"),
        (form(jpeg(1), case='{"key": "a", "due": "0001-01-01T00:00:00+14:00"}'), 422, "case.due"),
        (form(jpeg(1), case='{"key": "a", "at": "9999-12-31T23:00:00-14:00"}'), 422, "outside of the years 1 to 9999"),
        (form(jpeg(1), case="{"), 400, "not valid JSON"),
        (form(jpeg(1), metadata="{}"), 422, "has a field 'metadata'"),
        ({"files": [("case", (None, '{"key": "a"}'))]}, 422, "no file in the field 'images'"),
        ({"json": {"images": []}}, 422, "images"),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415, "text/plain"),
        ({**form(jpeg(1), case='{"key": "a"}'), "headers": {"Idempotency-Key": "b"}}, 422, "say different things"),
        (form(*[jpeg(1)] * 17, case='{"key": "a"}'), 413, "17 images of one case"),
    ],
)
def test_what_is_no_case_is_refused_in_words(place: Place, request_: dict[str, Any], status: int, words: str) -> None:
    answer_ = place.post("/v1/cases", **request_)
    assert answer_.status_code == status, answer_.text
    assert words in answer_.json()["detail"]
    assert place.predictions() == 0


def test_a_case_is_answered_as_a_prediction_that_monitors_see(place: Place) -> None:
    send(
        place.client,
        "m-1",
        place.who,
        jpeg(1),
        group="g",
        slices={"site": "valley", "camera": "7"},
        at="2026-03-01T00:00:00Z",
    )
    kept = open_store(str(place.store))
    (record,) = (entry.record for entry in kept.feed(0, 10))
    kept.close()
    assert (record.context.camera, record.context.site, record.context.group) == ("7", "valley", "g")
    assert record.context.extra["rollout"] == NAME
    assert record.context.extra["case"] == "m-1"


def test_an_image_that_cannot_be_read_is_a_case_all_the_same(place: Place) -> None:
    assert send(place.client, "m-1", place.who, b"no image", jpeg(3))["status"] == "waiting"
    review = following(place.client, place.ada)
    assert review is not None
    statuses = [place.client.get(url, headers=place.ada).status_code for url in review["case"]["images"]]
    assert statuses == [404, 200]


def test_people_see_every_image_although_the_server_keeps_none(make_client: MakeClient, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    opened(store)
    (ada,), who = reviewers(store, "Ada"), sender(store)
    client = make_client(images="none", max_batch=1)
    send(client, "m-1", who, jpeg(1), jpeg(2))
    review = following(client, ada)
    assert review is not None
    for number, url in enumerate(review["case"]["images"]):
        image = client.get(url, headers=ada)
        assert (image.status_code, image.headers["content-type"]) == (200, "image/jpeg"), number
        assert image.headers["cache-control"] == "no-store"
        assert "etag" not in image.headers


def test_a_case_needs_a_live_rollout_whose_bundle_is_served(make_client: MakeClient, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    who, boss = sender(store), admin(store)
    other = Path(__file__).parents[1] / "bundles" / "v4-classes"
    opened(store, policy("other", model="other"), bundle=other)
    client = make_client(max_batch=1)

    def sent(query: str = "") -> tuple[int, str]:
        said = client.post(f"/v1/cases{query}", headers=who, **form(jpeg(1), case='{"key": "a"}'))
        return said.status_code, said.json()["detail"]

    assert sent() == (409, sent()[1])
    assert "which this server does not serve as other; serve it: drivetrain serve other=BUNDLE" in sent()[1]
    status, words = sent("?rollout=nothing")
    assert (status, words) == (404, "no rollout 'nothing' is live; live are: other")
    assert client.post("/v1/rollouts/other/end", headers=boss, json={"reason": "done"}).status_code == 200
    until_ended(client, who)
    assert sent()[0] == 404
    assert "drivetrain rollout open" in sent()[1]


def until_ended(client: TestClient, who: Key) -> None:
    """Wait until the server has seen that the last rollout has ended."""
    end_s = time.monotonic() + 20
    while client.get("/v1/cases?key=x", headers=who).json()["detail"].startswith("the rollout"):
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_of_several_rollouts_one_has_to_be_named(make_client: MakeClient, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    who = sender(store)
    opened(store, policy("one"))
    opened(store, policy("two"))
    client = make_client(max_batch=1)
    said = client.post("/v1/cases", headers=who, **form(jpeg(1), case='{"key": "a"}'))
    assert (said.status_code, "one of: one, two" in said.json()["detail"]) == (422, True)
    for name in ("one", "two"):
        answer_ = client.post(f"/v1/cases?rollout={name}", headers=who, **form(jpeg(1), case='{"key": "a"}'))
        assert answer_.json()["rollout"] == name


def test_a_person_who_decides_elsewhere_is_heard_once(place: Place) -> None:
    case = send(place.client, "m-1", place.who)
    path = f"/v1/cases/{case['id']}/decision"
    said = place.post(path, json={"label": "blau", "by": "Bo"})
    assert said.status_code == 200, said.text
    assert said.json()["decision"]["label"] == "blau"
    again = place.post(path, json={"label": "rot", "by": "Bo"})
    assert (again.status_code, "does not wait" in again.json()["detail"]) == (409, True)
    assert place.post("/v1/cases/x/decision", json={"label": "rot", "by": "Bo"}).status_code == 404
    for wrong in ({"label": "rot"}, {"label": "rot", "by": "Bo", "how": "assisted"}, {"by": "Bo"}):
        assert place.post(path, json=wrong).status_code == 422


def test_an_outcome_changes_no_decision(place: Place) -> None:
    case = send(place.client, "m-1", place.who)
    place.post(f"/v1/cases/{case['id']}/decision", json={"label": "blau", "by": "Bo"})
    for _ in range(2):
        said = place.post(f"/v1/cases/{case['id']}/outcome", json={"label": "rot", "by": "laboratory"})
        assert (said.status_code, said.json()["decision"]["label"]) == (200, "blau")
    assert place.post(f"/v1/cases/{case['id']}/outcome", json={"label": "lila"}).status_code == 409


def test_a_case_is_turned_away_like_a_prediction_and_says_when_to_come_back(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    opened(store)
    who = sender(store)
    with held(store, queue=1) as bench:
        bench.server.state.draining = True
        said = bench.client.post("/v1/cases", headers=who, **form(jpeg(1), case='{"key": "a"}'))
        assert said.status_code == 503
        assert int(said.headers["retry-after"]) >= 1
        bench.server.state.draining = False


def test_a_rollout_that_was_opened_a_moment_ago_takes_no_case_yet(
    make_client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollouts, "SETTLE_S", 3600.0)
    store = tmp_path / "store.db"
    opened(store)
    who = sender(store)
    said = make_client(max_batch=1).post("/v1/cases", headers=who, **form(jpeg(1), case='{"key": "a"}'))
    assert (said.status_code, "opened a moment ago" in said.json()["detail"]) == (503, True)
    assert int(said.headers["retry-after"]) >= 1
