"""An audit at the desk: one draw for all programs, nothing that tells suspects from the others, and answers that count."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sets import WRONG, desk_of, mark, opened, until
from starlette.testclient import TestClient

from drivetrain.data.edits.log import EditLog
from drivetrain.training.options import TrainOptions
from drivetrain.workbench.audit import latest
from drivetrain.workbench.looking import look
from drivetrain.workbench.surveying import Surveying
from tiny_backbone import TINY

pytestmark = pytest.mark.trains

AUDIT = "/v1/desk/audit"


def begin(client: TestClient, size: int = 20) -> Any:
    """Begin an audit; its state."""
    found = client.post(AUDIT, json={"size": size})
    assert found.status_code == 200, found.text
    return found.json()


def drawn(client: TestClient) -> list[dict[str, Any]]:
    """The items of the audit, in order."""
    found: list[dict[str, Any]] = client.get("/v1/desk/items?audit=true&limit=500").json()["items"]
    return found


def test_nothing_has_been_drawn_until_somebody_asks(client: TestClient, source: Path) -> None:
    assert client.get(AUDIT).json() == {
        "drawn": 0,
        "answered": 0,
        "error_rate": None,
        "go_on": None,
        "text": ["no audit has been drawn yet"],
    }
    assert drawn(client) == []
    assert not (source / "edits.jsonl").exists()


def test_suspects_of_an_audit_look_like_the_others(client: TestClient, source: Path) -> None:
    assert begin(client)["drawn"] == 25
    audit = latest(EditLog.open(source / "edits.jsonl"))
    assert audit is not None
    items = drawn(client)
    assert [item["name"] for item in items] == [one.item.name for one in audit.items]
    assert {one.suspected for one in audit.items} == {True, False}
    own = ("id", "name", "label", "content", "width", "height")
    assert len({json.dumps({name: value for name, value in item.items() if name not in own}) for item in items}) == 1
    for item in items:
        detail = client.get(f"/v1/desk/items/{item['id']}?audit=true").json()
        assert detail == {**item, "neighbours": [], "history": [], "probs": {}}
    suspected = next(one.item.name for one in audit.items if one.suspected)
    plain = client.get(f"/v1/desk/items/{next(i['id'] for i in items if i['name'] == suspected)}").json()
    assert plain["reasons"]
    assert plain["neighbours"]


def test_filters_and_orders_tell_nothing_of_an_audit(client: TestClient) -> None:
    begin(client)
    names = [item["name"] for item in drawn(client)]
    for query in ("reason=label", "order=name", "fate=kept", "label=discs"):
        page = client.get(f"/v1/desk/items?audit=true&limit=500&{query}").json()
        assert ([item["name"] for item in page["items"]], page["version"]) == (names, 0)
    parts = [client.get(f"/v1/desk/items?audit=true&limit=10&offset={at}").json() for at in (0, 10, 20)]
    assert [item["name"] for part in parts for item in part["items"]] == names
    assert {part["total"] for part in parts} == {25}


def test_answers_count_when_they_are_given_blind(client: TestClient) -> None:
    begin(client)
    items = drawn(client)
    mark(client, {items[0]["id"]: "keep"})
    assert client.get(AUDIT).json()["answered"] == 0
    wrong = {item["id"] for item in items if item["name"] in WRONG}
    for item in items:
        mark(client, {item["id"]: {"label": "discs"} if item["id"] in wrong else "keep"}, how="blind")
    found = client.get(AUDIT).json()
    assert (found["answered"], found["drawn"]) == (25, 25)
    assert found["error_rate"]["low"] <= found["error_rate"]["value"] <= found["error_rate"]["high"]
    assert found["text"][0].startswith("25 of 25 items of the audit are answered: about ")
    mark(client, {items[0]["id"]: "open"}, how="blind")
    assert client.get(AUDIT).json()["answered"] == 24
    assert client.post("/v1/desk/undo", json={"by": "ann"}).status_code == 200
    assert client.get(AUDIT).json()["answered"] == 25


def test_one_that_is_under_way_goes_on(client: TestClient, source: Path) -> None:
    begin(client)
    items = drawn(client)
    mark(client, {items[3]["id"]: "keep"}, how="blind")
    again = begin(client, 8)
    assert (again["drawn"], again["answered"]) == (25, 1)
    assert drawn(client)[3]["fate"] == "kept"
    assert len(EditLog.open(source / "edits.jsonl").lines("audit")) == 1
    mark(client, {item["id"]: "keep" for item in items}, how="blind")
    assert begin(client, 8)["drawn"] == 10
    assert {item["name"] for item in drawn(client)}.isdisjoint(item["name"] for item in items)


def test_a_desk_that_is_to_audit_begins_one_and_the_next_goes_on(source: Path) -> None:
    client = opened(desk_of(source, audit=12))
    try:
        until(client)
        names = [item["name"] for item in drawn(client)]
        assert len(names) == 15
    finally:
        client.__exit__(None, None, None)
    client = opened(desk_of(source, audit=30))
    try:
        until(client)
        assert [item["name"] for item in drawn(client)] == names
    finally:
        client.__exit__(None, None, None)


def test_suspects_on_a_terminal_go_on_with_the_desks_audit(client: TestClient, source: Path) -> None:
    begin(client)
    items = drawn(client)
    mark(client, {items[0]["id"]: "keep"}, how="blind")
    found = look(str(source), TrainOptions(backbone=TINY, use_cache=False), Surveying(), audit=7, now=datetime.now(UTC))
    assert found.audit is not None
    assert [one.item.name for one in found.audit.answers.open] == [item["name"] for item in items[1:]]
    assert found.audit.sentences() == client.get(AUDIT).json()["text"]


def test_an_audit_of_a_set_that_has_been_looked_at_is_refused_in_words(client: TestClient) -> None:
    listed = client.get("/v1/desk/items?limit=500").json()["items"]
    mark(client, {item["id"]: "keep" for item in listed})
    found = client.post(AUDIT, json={"size": 10})
    assert found.status_code == 409
    assert "none is left to draw" in found.json()["detail"]
    for size in (0, 5000, "many"):
        assert client.post(AUDIT, json={"size": size}).status_code == 422


def test_files_that_are_gone_do_not_hold_an_audit_up(source: Path) -> None:
    client = opened(desk_of(source))
    try:
        until(client)
        begin(client, 10)
        gone, *rest = drawn(client)
        mark(client, {item["id"]: "keep" for item in rest}, how="blind")
    finally:
        client.__exit__(None, None, None)
    (source / gone["name"]).unlink()
    client = opened(desk_of(source))
    try:
        until(client)
        found = client.get(AUDIT).json()
        assert (found["drawn"], found["answered"]) == (len(rest), len(rest))
    finally:
        client.__exit__(None, None, None)
