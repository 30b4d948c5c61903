"""The review queue over HTTP: who may review, what is given, leases, undo, several people at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from held import MakeClient
from rolled import NAME, Key, admin, answer, following, opened, policy, reviewers, send, sender
from running import form, jpeg
from starlette.testclient import TestClient

from drivetrain.serve.work import rollouts
from drivetrain.store.sql_store import open_store
from postgres import Postgres

LABELS = ["blau", "grün", "rot"]


@pytest.fixture(autouse=True)
def _taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process knows of a rollout as soon as it is there."""
    monkeypatch.setattr(rollouts, "SETTLE_S", 0.0)


@dataclass(frozen=True)
class Desk:
    """A server with a rollout, its sender, its admin, and two people."""

    client: TestClient
    store: Path
    who: Key
    boss: Key
    ada: Key
    bo: Key


def desk(make_client: MakeClient, store: Path, **changes: Any) -> Desk:
    opened(store, policy(**changes))
    who, boss, (ada, bo) = sender(store), admin(store), reviewers(store, "Ada", "Bo")
    return Desk(make_client(max_batch=1), store, who, boss, ada, bo)


@pytest.fixture
def here(make_client: MakeClient, tmp_path: Path) -> Desk:
    return desk(make_client, tmp_path / "store.db")


def slow(make_client: MakeClient, store: Path, **changes: Any) -> Desk:
    """With a minute to take a decision back."""
    return desk(make_client, store, cases={"undo_seconds": 60, **changes})


def test_a_review_shows_the_case_and_nothing_else(here: Desk) -> None:
    send(
        here.client,
        "m-1",
        here.who,
        jpeg(1),
        jpeg(2),
        slices={"site": "a"},
        metadata={"module": 7},
        due="2027-01-01T00:00:00Z",
    )
    review = following(here.client, here.ada)
    assert review is not None
    assert set(review) == {
        "id", "rollout", "kind", "shown", "labels", "case", "lease_until", "left_today", "done_today"
    }  # fmt: skip
    assert (review["kind"], review["shown"], review["labels"]) == ("decide", [], LABELS)
    assert review["case"] == {
        "metadata": {"module": 7},
        "slices": {"site": "a"},
        "due": "2027-01-01T00:00:00Z",
        "images": [f"/v1/reviews/{review['id']}/images/{number}" for number in (0, 1)],
    }
    assert (review["left_today"], review["done_today"]) == (None, 0)


def test_without_a_case_there_is_no_review(here: Desk) -> None:
    assert following(here.client, here.ada) is None
    assert here.client.get("/v1/reviews/grid", headers=here.ada).json() == {"reviews": []}


def test_no_review_is_given_to_two_people(here: Desk) -> None:
    for number in range(6):
        send(here.client, f"m-{number}", here.who, jpeg(number))
    first, second = (following(here.client, who) for who in (here.ada, here.bo))
    assert first is not None
    assert second is not None
    assert first["id"] != second["id"]
    again = following(here.client, here.ada)
    assert again is not None
    assert again["id"] == first["id"]  # whoever asks again is given the same one

    grid = here.client.get("/v1/reviews/grid?n=9", headers=here.bo).json()["reviews"]
    assert len(grid) == 5
    assert first["id"] not in {review["id"] for review in grid}
    assert second["id"] in {review["id"] for review in grid}


def test_reviews_come_by_due_time(here: Desk) -> None:
    for number, due in enumerate(("2027-03-01", "2027-01-01", None, "2027-02-01")):
        given = {} if due is None else {"due": f"{due}T00:00:00Z"}
        send(here.client, f"m-{number}", here.who, jpeg(number), metadata={"number": number}, **given)
    order = []
    while (review := following(here.client, here.ada)) is not None:
        order.append(review["case"]["metadata"]["number"])
        answer(here.client, here.ada, review, "rot")
    assert order == [1, 3, 0, 2]


def test_who_skips_is_given_another_one_and_others_the_skipped(here: Desk) -> None:
    for number in range(2):
        send(here.client, f"m-{number}", here.who, jpeg(number))
    first = following(here.client, here.ada)
    assert first is not None
    put_back = here.client.post(f"/v1/reviews/{first['id']}/skip", headers=here.ada)
    assert put_back.json() == {"id": first["id"]}
    other = following(here.client, here.ada, skip=first["id"])
    assert other is not None
    assert other["id"] != first["id"]
    given = following(here.client, here.bo)
    assert given is not None
    assert given["id"] == first["id"]


def test_a_decision_can_be_taken_back_until_the_next_one(make_client: MakeClient, tmp_path: Path) -> None:
    here = slow(make_client, tmp_path / "store.db")
    sent = [send(here.client, f"m-{number}", here.who, jpeg(number)) for number in range(3)]
    first = following(here.client, here.ada)
    assert first is not None
    assert answer(here.client, here.ada, first, "rot")["undo_until"] > first["lease_until"][:4]
    undone = here.client.post("/v1/reviews/undo", headers=here.ada)
    assert undone.json()["review"]["id"] == first["id"]
    again = following(here.client, here.ada)
    assert again is not None
    assert again["id"] == first["id"]
    answer(here.client, here.ada, first, "blau")
    second = following(here.client, here.ada)
    assert second is not None
    answer(here.client, here.ada, second, None)
    statuses = [here.client.get(f"/v1/cases/{case['id']}", headers=here.who).json() for case in sent]
    assert [one["decision"]["label"] for one in statuses if one["decision"]] == ["blau"]
    assert here.client.post("/v1/reviews/undo", headers=here.bo).status_code == 409


def test_what_is_not_ones_own_cannot_be_answered(here: Desk) -> None:
    for number in range(2):
        send(here.client, f"m-{number}", here.who, jpeg(number))
    review = following(here.client, here.ada)
    assert review is not None
    path = f"/v1/reviews/{review['id']}"
    said = here.client.post(path, headers=here.bo, json={"label": "rot"})
    assert (said.status_code, "ask for the next one" in said.json()["detail"]) == (409, True)
    for url in review["case"]["images"]:
        assert here.client.get(url, headers=here.bo).status_code == 404
    for wrong in ({"label": "lila"}, {}, {"label": "rot", "cannot_tell": True}, {"label": None}, {"seconds": 1}):
        assert here.client.post(path, headers=here.ada, json=wrong).status_code == 422, wrong
    assert here.client.post("/v1/reviews/x", headers=here.ada, json={"label": "rot"}).status_code == 404
    assert here.client.post("/v1/reviews/x/skip", headers=here.ada).status_code == 404
    answer(here.client, here.ada, review, "rot", seconds=3.5)
    assert here.client.post(path, headers=here.ada, json={"label": "blau"}).status_code == 409


def test_who_decided_does_not_adjudicate_and_the_two_answers_have_no_names(
    make_client: MakeClient, tmp_path: Path
) -> None:
    here = desk(make_client, tmp_path / "store.db", parallel={"audit": 1.0, "decide_twice": 0.0})
    for number in range(12):
        send(here.client, f"m-{number}", here.who, jpeg(number))
    decided = 0
    while (review := following(here.client, here.ada, kind="decide")) is not None:
        answer(here.client, here.ada, review, LABELS[decided % 3])
        decided += 1
    assert decided == 12
    assert following(here.client, here.ada) is None
    shown = []
    while (review := following(here.client, here.bo)) is not None:
        assert (review["kind"], review["labels"]) == ("adjudicate", LABELS)
        shown.append(review["shown"])
        answer(here.client, here.bo, review, review["shown"][0])
    assert len(shown) >= 1
    assert all(len(pair) == len(set(pair)) == 2 for pair in shown)


def test_a_day_has_an_end(make_client: MakeClient, tmp_path: Path) -> None:
    here = desk(make_client, tmp_path / "store.db", cases={"most_a_day": 2})
    for number in range(4):
        send(here.client, f"m-{number}", here.who, jpeg(number))
    for left in (2, 1):
        review = following(here.client, here.ada)
        assert review is not None
        assert (review["left_today"], review["done_today"]) == (left, 2 - left)
        answer(here.client, here.ada, review, "rot")
    assert following(here.client, here.ada) is None
    assert following(here.client, here.bo) is not None
    summary = here.client.get("/v1/reviews/summary", headers=here.ada).json()
    assert (summary["by"], summary["left_today"], summary["done_today"]) == ("Ada", 0, 2)


def test_the_summary_counts_the_queue(make_client: MakeClient, tmp_path: Path) -> None:
    here = slow(make_client, tmp_path / "store.db")
    for number in range(3):
        send(here.client, f"m-{number}", here.who, jpeg(number), due="2020-01-01T00:00:00Z")
    review = following(here.client, here.ada)
    assert review is not None
    answer(here.client, here.ada, review, "rot")
    following(here.client, here.bo)
    summary = here.client.get("/v1/reviews/summary", headers=here.ada).json()
    assert summary["rollout"] == NAME
    assert summary["by_kind"]["decide"] == {"open": 2, "leased": 1, "held": 1, "overdue": 2}
    assert summary["by_kind"]["confirm"] == summary["by_kind"]["adjudicate"]
    assert (summary["overdue"], summary["done_today"]) == (2, 1)


def test_the_summary_does_not_tell_who_decided_whether_the_model_differs(
    make_client: MakeClient, tmp_path: Path
) -> None:
    here = desk(make_client, tmp_path / "store.db")
    waiting = []
    for number, label in enumerate(("blau", "grün", "rot") * 3):
        send(here.client, f"m-{number}", here.who, jpeg(1))
        review = following(here.client, here.ada, kind="decide")
        assert review is not None
        answer(here.client, here.ada, review, label)
        mine, others = (
            here.client.get("/v1/reviews/summary", headers=who).json()["by_kind"]["adjudicate"]["open"]
            for who in (here.ada, here.bo)
        )
        assert mine == 0
        waiting.append(others)
    assert waiting[-1] >= 2, "two of three labels are not the model's, and a few cases wait for a second person"


def test_only_a_review_key_reviews_and_the_others_are_told_how(make_client: MakeClient, tmp_path: Path) -> None:
    here = desk(make_client, tmp_path / "store.db")
    paths = ["/v1/reviews/next", "/v1/reviews/grid", "/v1/reviews/summary", "/v1/reviews/x/images/0"]
    for path in paths:
        said = here.client.get(path, headers=here.boss)
        assert (said.status_code, "drivetrain keys add NAME --role review" in said.json()["detail"]) == (409, True)
        assert here.client.get(path, headers=here.who).status_code == 403
        assert here.client.get(path).status_code == 401
    for path in ("/v1/reviews/undo", "/v1/reviews/x", "/v1/reviews/x/skip"):
        assert here.client.post(path, headers=here.boss, json={"label": "rot"}).status_code == 409


def test_on_a_server_without_keys_nobody_reviews(make_client: MakeClient, tmp_path: Path) -> None:
    opened(tmp_path / "store.db")
    said = make_client(max_batch=1).get("/v1/reviews/next")
    assert (said.status_code, "drivetrain keys add NAME --role review" in said.json()["detail"]) == (409, True)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Started when a test first asks for it."""
    server = Postgres()
    yield server
    server.close()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_many_people_at_once_decide_every_case_once(
    make_client: MakeClient, tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    store = str(tmp_path / "store.db") if kind == "sqlite" else request.getfixturevalue("postgres").new_database()
    opened(store, policy(parallel={"audit": 0.1, "decide_twice": 0.0}))
    who, people = sender(store), reviewers(store, *(f"person {number}" for number in range(5)))
    clients = [make_client(max_batch=1, store=store) for _ in range(2)]  # two processes on one store
    cases = {send(clients[number % 2], f"m-{number}", who, jpeg(number % 7))["id"] for number in range(40)}
    done: list[str] = []

    def work(number: int) -> None:
        asked, told, person = clients[number % 2], clients[number // 2 % 2], people[number]
        while (review := following(asked, person, kind="decide")) is not None:
            answer(told, person, review, "rot")
            done.append(review["id"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == len(set(done)) == len(cases)
    kept = open_store(store)
    row = kept.rollout(NAME)
    assert row is not None
    assert set(kept.settled(row.id, cases)) == cases
    assert sum(1 for _ in kept.verify_log(row.id)) == row.head
    kept.close()


def test_reviews_of_several_rollouts_come_one_after_the_other(make_client: MakeClient, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    for name in ("one", "two"):
        opened(store, policy(name, cases={"undo_seconds": 60}))
    who, (ada,) = sender(store), reviewers(store, "Ada")
    client = make_client(max_batch=1)
    for name in ("one", "two"):
        client.post(f"/v1/cases?rollout={name}", headers=who, **form(jpeg(1), case='{"key": "a"}'))
    assert {review["rollout"] for review in client.get("/v1/reviews/grid", headers=ada).json()["reviews"]} == {
        "one",
        "two",
    }
    for name in ("one", "two"):
        review = following(client, ada, skip="")
        assert review is not None
        assert review["rollout"] == name
        assert client.get(review["case"]["images"][0], headers=ada).status_code == 200
        answer(client, ada, review, "rot")
    assert following(client, ada) is None
    undone = client.post("/v1/reviews/undo?rollout=two", headers=ada).json()["review"]
    assert undone["rollout"] == "two"
    assert client.post(f"/v1/reviews/{undone['id']}/skip", headers=ada).status_code == 200
    assert client.get("/v1/reviews/summary?rollout=two", headers=ada).json()["by_kind"]["decide"]["open"] == 1
