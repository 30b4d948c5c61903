"""The desk's API, as the console uses it."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sets import COPY, ITEMS, LABELS, WRONG, desk_of, ids, mark, opened, until
from starlette.testclient import TestClient

from drivetrain.data.edits.log import EditLog

pytestmark = pytest.mark.trains


def test_the_desk_at_a_glance(client: TestClient, source: Path) -> None:
    found = client.get("/v1/desk").json()
    assert (found["source"], found["task"], found["mode"]) == ("shapes", "classification", "clean")
    assert found["outputs"] == list(LABELS)
    assert found["labels"] == LABELS
    assert found["items"] == ITEMS
    assert found["fates"] == {"open": ITEMS, "kept": 0, "removed": 0}
    assert found["suspects"] >= len(WRONG)
    assert (found["can_undo"], found["can_redo"], found["last_edit_id"]) == (False, False, None)
    assert found["log"] == str(source / "edits.jsonl")
    assert not (source / "edits.jsonl").exists()
    who = client.get("/v1/whoami").json()
    assert who["desk"]["mode"] == "clean"
    assert who["desk"]["pages"][:2] == ["clean", "duplicates"]
    assert who["desk"]["name"] == "ann"


def test_a_desk_answers_while_it_surveys(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from drivetrain.desk.start import SourceLooks

    go_on, survey = threading.Event(), SourceLooks.survey

    def slow(self: SourceLooks, progress: Any) -> Any:
        with progress.stage("embed", 40) as advance:
            advance(10)
            assert go_on.wait(60)
        return survey(self, progress)

    monkeypatch.setattr(SourceLooks, "survey", slow)
    client = opened(desk_of(source))
    try:
        until(client, "surveying", 0)
        assert client.get("/v1/desk/audit").json()["drawn"] == 0
        assert client.post("/v1/desk/audit", json={"size": 10}).status_code == 503
        while client.get("/v1/desk").json()["ranking"]["items_done"] < 10:
            time.sleep(0.01)
        ranking = client.get("/v1/desk").json()["ranking"]
        assert (ranking["stage"], ranking["items_done"], ranking["items_total"]) == ("embed", 10, 40)
        refused = client.get("/v1/desk/items")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        go_on.set()
        until(client)
        assert client.get("/v1/desk/items").json()["total"] == ITEMS
    finally:
        go_on.set()
        client.__exit__(None, None, None)


def test_a_source_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    client = opened(desk_of(tmp_path / "empty"))
    try:
        found = until(client, "failed", 0)
        assert "empty" in found["ranking"]["problem"]
        assert client.get("/v1/desk/items").status_code == 409
    finally:
        client.__exit__(None, None, None)


def test_the_wrong_labels_come_first_with_what_they_should_be(client: TestClient) -> None:
    page = client.get("/v1/desk/items?limit=5").json()
    assert page["total"] == ITEMS
    first = [item for item in page["items"] if item["name"] in WRONG]
    assert len(first) >= 2
    assert all(item["suggested"] == "discs" and item["score"] > 0.5 for item in first)
    assert page["items"][0]["reasons"][0]["code"] == "label"
    assert (page["items"][0]["width"], page["items"][0]["height"]) == (96, 80)
    detail = client.get(f"/v1/desk/items/{page['items'][0]['id']}").json()
    assert set(detail["probs"]) == set(LABELS)
    assert sum(detail["probs"].values()) == pytest.approx(1)
    assert detail["neighbours"][0]["name"] != detail["name"]
    assert detail["history"] == []


def test_filters_and_pages_leave_nothing_out(client: TestClient) -> None:
    names = [item["name"] for item in client.get("/v1/desk/items?order=name&limit=500").json()["items"]]
    assert names == sorted(names)
    paged: list[str] = []
    for offset in range(0, ITEMS, 10):
        paged += [i["name"] for i in client.get(f"/v1/desk/items?offset={offset}&limit=10").json()["items"]]
    assert sorted(paged) == names
    assert client.get("/v1/desk/items?label=discs").json()["total"] == LABELS["discs"]
    doubted = client.get("/v1/desk/items?label=stripes&reason=label").json()["items"]
    assert len({item["name"] for item in doubted} & set(WRONG)) >= 3
    assert all(item["label"] == "stripes" for item in doubted)
    assert client.get("/v1/desk/items?limit=501").status_code == 422
    assert client.get("/v1/desk/items?order=random").status_code == 422
    assert client.get(f"/v1/desk/items?offset={ITEMS}").json()["items"] == []


def test_an_edit_is_in_the_log_before_it_is_answered_and_the_list_follows(client: TestClient, source: Path) -> None:
    known = ids(client)
    answer = mark(client, {known[name]: {"label": "discs"} for name in WRONG}, why="label").json()
    lines = [json.loads(line) for line in (source / "edits.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == [edit["id"] for edit in answer["edits"]]
    assert len({edit["step"] for edit in answer["edits"]}) == 1
    assert answer["last_edit_id"] == answer["edits"][-1]["id"]
    found = until(client, version=2)
    assert found["labels"] == {"discs": 20, "squares": 21, "stripes": 20}
    assert (found["fates"]["kept"], found["can_undo"]) == (4, True)
    assert found["ranking"]["seconds"] < 30
    assert client.get("/v1/desk?by=bob").json()["can_undo"] is False
    item = client.get(f"/v1/desk/items/{known[WRONG[0]]}").json()
    assert (item["label"], item["fate"], item["by"]) == ("discs", "kept", "ann")
    assert item["last_edit"] == item["history"][0]["id"]


def test_a_label_that_is_new_becomes_one_of_the_set(client: TestClient) -> None:
    known = ids(client)
    mark(client, {known[f"stripes/{number:02}.jpg"]: {"label": "zebras"} for number in range(10, 14)})
    found = until(client, version=2)
    assert found["outputs"] == [*LABELS, "zebras"]
    assert (found["labels"]["zebras"], found["labels"]["stripes"]) == (4, LABELS["stripes"] - 4)
    assert set(client.get(f"/v1/desk/items/{known[COPY]}").json()["probs"]) == {*LABELS, "zebras"}
    client.post("/v1/desk/undo", json={"by": "ann"})
    assert until(client, version=3)["outputs"] == list(LABELS)


def test_undo_and_redo_go_by_step_and_by_person(client: TestClient) -> None:
    known = ids(client)
    mark(client, {known["stripes/06.jpg"]: "remove", known["stripes/07.jpg"]: "keep"})
    mark(client, {known["stripes/08.jpg"]: {"label": "discs"}}, by="bob")
    assert client.get("/v1/desk/items?fate=removed").json()["items"][0]["name"] == "stripes/06.jpg"
    undone = client.post("/v1/desk/undo", json={"by": "ann"}).json()
    assert [edit["name"] for edit in undone["edits"]] == ["stripes/07.jpg", "stripes/06.jpg"]
    assert client.get("/v1/desk").json()["fates"] == {"open": ITEMS - 1, "kept": 1, "removed": 0}
    refused = client.post("/v1/desk/undo", json={"by": "ann"})
    assert refused.status_code == 409
    assert "nothing to undo" in refused.json()["detail"]
    redone = client.post("/v1/desk/redo", json={"by": "ann"}).json()
    assert len(redone["edits"]) == 2
    assert client.get("/v1/desk").json()["fates"]["removed"] == 1


def test_the_last_writer_wins_and_is_told_whom_that_overtook(client: TestClient) -> None:
    item = ids(client)["stripes/06.jpg"]
    first = mark(client, {item: {"label": "discs"}}).json()
    assert first["overtaken"] == []
    second = mark(client, {item: {"label": "squares"}}, by="bob").json()
    assert [one["edit"]["by"] for one in second["overtaken"]] == ["ann"]
    assert second["overtaken"][0]["item"] == item
    seen = mark(client, {item: "keep"}, by="ann", seen=second["last_edit_id"]).json()
    assert seen["overtaken"] == []
    refused = client.post("/v1/desk/undo", json={"by": "bob"})
    assert refused.status_code == 409
    assert "ann" in refused.json()["detail"]


def test_changes_are_waited_for_and_come_from_other_processes_too(client: TestClient, source: Path) -> None:
    item, last = (
        ids(client)["stripes/06.jpg"],
        mark(client, {ids(client)["stripes/05.jpg"]: "keep"}).json()["last_edit_id"],
    )
    version = until(client, version=2)["ranking"]["version"]
    start = time.monotonic()
    nothing = client.get(f"/v1/desk/changes?after={last}&version={version}&wait_s=0.3").json()
    assert nothing["edits"] == []
    assert 0.25 < time.monotonic() - start < 5
    found: list[Any] = []
    waiting = threading.Thread(
        target=lambda: found.append(client.get(f"/v1/desk/changes?after={last}&version={version}&wait_s=25").json())
    )
    waiting.start()
    elsewhere = EditLog.open(source / "edits.jsonl")
    (edit,) = elsewhere.edits
    from dataclasses import replace
    from datetime import UTC, datetime

    from drivetrain.core.types import ItemId
    from drivetrain.data.edits.edit import Change, Fate

    change = Change(ItemId("stripes/06.jpg", None), replace(edit.before, fate=Fate.REMOVED))
    elsewhere.record([change], "bob", datetime.now(UTC), lambda _item: edit.before)
    waiting.join(20)
    assert [(one["by"], one["item"], one["after"]["fate"]) for one in found[0]["edits"]] == [("bob", item, "removed")]
    after = client.get("/v1/desk/changes?after=0123456789abcdef").json()
    assert (after["restart"], after["edits"]) == (True, [])
    assert len(client.get("/v1/desk/changes").json()["edits"]) == 2
    news = client.get(f"/v1/desk/changes?after={found[0]['last_edit_id']}&version={version}&wait_s=25").json()
    assert news["ranking"]["version"] > version


def test_copies_are_shown_with_the_one_to_keep(client: TestClient) -> None:
    found = client.get("/v1/desk/duplicates").json()
    group = next(one for one in found["groups"] if any(item["name"] == COPY for item in one["items"]))
    assert found["total"] == len(found["groups"])
    assert group["proposed"] == ids(client)[COPY]
    assert group["items"][0]["name"] == COPY
    assert group["why"] == "the largest, 192 × 160 pixels"
    assert group["kind"] in ("exact", "hash", "embedding")


def test_the_gain_is_told_or_why_not(client: TestClient) -> None:
    before = client.get("/v1/desk/gain").json()
    assert (before["difference"], before["edited"]) == (None, 0)
    assert "no label has been changed" in before["note"]
    known = ids(client)
    mark(client, {known[name]: {"label": "discs"} for name in WRONG})
    until(client, version=2)
    gain = client.get("/v1/desk/gain").json()
    assert gain["figure"] == "accuracy"
    assert gain["edited"] == 4
    assert gain["difference"]["n"] <= ITEMS - 4
    assert gain["difference"]["low"] <= gain["difference"]["value"] <= gain["difference"]["high"]
    assert gain["before"]["low"] <= gain["before"]["value"] <= gain["before"]["high"]
    assert gain["curve"] == []  # too few items


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"by": "ann", "changes": []}, 422, "changes"),
        ({"by": " ", "changes": [{"id": "x", "to": "keep"}]}, 422, "by"),
        ({"by": "ann", "changes": [{"id": "x", "to": "keep"}]}, 404, "no item"),
        ({"by": "ann", "changes": [{"id": "ITEM", "to": "burn"}]}, 422, "to"),
        ({"by": "ann", "changes": [{"id": "ITEM", "to": {"label": " "}}]}, 422, "to"),
        ({"by": "ann", "changes": [{"id": "ITEM", "to": {"labels": ["discs"]}}]}, 422, "has label; give label"),
        (
            {"by": "ann", "changes": [{"id": "ITEM", "to": {"label": "discs", "labels": []}}]},
            422,
            "one of label and labels",
        ),
        ({"by": "ann", "changes": [{"id": "ITEM", "to": "keep"}] * 2}, 422, "named twice"),
        ({"by": "ann", "changes": [{"id": "ITEM", "to": "keep", "colour": 1}]}, 422, "colour"),
        ({"by": "ann", "changes": [{"id": "x", "to": "keep"}] * 2001}, 422, "2000"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_written(
    client: TestClient, source: Path, body: dict[str, Any], status: int, words: str
) -> None:
    item = ids(client)["stripes/06.jpg"]
    answer = client.post("/v1/desk/edits", content=json.dumps(body).replace("ITEM", item), headers=JSON)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.text
    assert not (source / "edits.jsonl").exists()


JSON = {"content-type": "application/json"}


def test_bodies_are_bounded_and_have_to_be_json(client: TestClient) -> None:
    assert client.post("/v1/desk/edits", content=b"{}").status_code == 415
    assert client.post("/v1/desk/edits", content=b"{", headers=JSON).status_code == 400
    assert client.post("/v1/desk/edits", content=b" " * (5 << 20), headers=JSON).status_code == 413
    assert client.post("/v1/desk/undo", content=b"[" * 3000, headers=JSON).status_code == 413


def test_a_log_that_cannot_be_written_to_is_a_problem_and_not_a_loss(client: TestClient, source: Path) -> None:
    item = ids(client)["stripes/06.jpg"]
    mark(client, {item: "keep"})
    (source / "edits.jsonl").rename(source / "aside")
    (source / "edits.jsonl").mkdir()
    refused = mark(client, {item: "remove"})
    assert refused.status_code == 503
    assert refused.json()["detail"].startswith("nothing was changed: ")
    (source / "edits.jsonl").rmdir()
    (source / "aside").rename(source / "edits.jsonl")
    assert mark(client, {item: "remove"}).status_code == 200
