"""The desk for labelling, asked as its page asks it: the real application, in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from drivetrain.core.errors import UsageError
from drivetrain.desk.key import guard_of
from drivetrain.desk.label_application import create_label_app
from drivetrain.desk.label_desk import LabelDesk
from drivetrain.desk.label_start import LabelDeskOptions, build_label_desk
from drivetrain.desk.pictures import Thumbnails
from drivetrain.serve.http.body import BodyReader
from drivetrain.serve.settings import RequestLimits
from drivetrain.workbench.label_set import LabelOptions
from drivetrain.workbench.labelling import LabellingSession
from labelled_pool import COLOURS, draw, made, settled


def desk_of(session: LabellingSession, key: Path | None = None) -> LabelDesk:
    return LabelDesk(
        source="pictures",
        session=session,
        guard=guard_of("127.0.0.1", key, loopback=True),
        bodies=BodyReader(RequestLimits(body_bytes=4 << 20, in_flight_bytes=64 << 20)),
        thumbnails=Thumbnails(),
        log_path="edits.jsonl",
        into=None,
        by="ann",
        blind=False,
        close=lambda: None,
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    draw(folder)
    return folder


@pytest.fixture
def client(pictures: Path, tmp_path: Path) -> Iterator[TestClient]:
    session = made(pictures, tmp_path / "edits.jsonl", ())
    with TestClient(create_label_app(desk_of(session)), base_url="http://localhost") as client:
        settled(session)
        yield client


def add_classes(client: TestClient) -> None:
    for name in COLOURS:
        assert client.post("/v1/desk/classes", json={"by": "ann", "name": f" {name} "}).json() == {"name": name}


def following(client: TestClient, n: int = 10, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/v1/desk/next", params={"n": n, **query}).json()["items"]
    return found


def say(client: TestClient, item: dict[str, Any], to: Any, by: str = "ann", **more: Any) -> Any:
    body = {"by": by, "changes": [{"id": item["id"], "to": to, "how": "blind", **more}]}
    return client.post("/v1/desk/edits", json=body)


def wait_for(client: TestClient, version: int) -> dict[str, Any]:
    for _ in range(400):
        state: dict[str, Any] = client.get("/v1/desk").json()
        if state["version"] >= version and state["state"] == "ready":
            return state
        time.sleep(0.01)
    raise AssertionError(f"no version {version}: {state}")


def test_the_console_is_told_which_page_to_show(client: TestClient) -> None:
    assert client.get("/v1/whoami").json()["desk"] == {
        "mode": "label",
        "source": "pictures",
        "pages": ["label"],
        "name": "ann",
    }


def test_from_nothing_to_a_model_over_http(client: TestClient) -> None:
    state = client.get("/v1/desk").json()
    assert (state["classes"], state["size"], state["suggests"], state["can_undo"]) == ([], 60, False, False)
    add_classes(client)
    for item in following(client, 30):
        assert item["suggestion"] is None
        assert say(client, item, {"label": item["name"].partition("-")[0]}).status_code == 200
    state = wait_for(client, 2)
    assert state["labelled"] == 30
    assert sum(one["labels"] for one in state["classes"]) == 30
    assert state["accuracy"]["value"] > 0.5
    assert "6 drawn at random" in state["accuracy_note"]
    shown = following(client, 10)
    assert {item["chosen"] for item in shown} == {"reserve", "unsure"}
    assert all((item["suggestion"] is None) == (item["chosen"] == "reserve") for item in shown)
    assert {item["suggestion"]["label"] for item in shown if item["suggestion"]} <= set(COLOURS)


def test_a_log_that_cannot_be_written_to_is_a_problem_and_not_a_loss(client: TestClient, tmp_path: Path) -> None:
    add_classes(client)
    item = following(client, 1)[0]
    (tmp_path / "edits.jsonl").rename(tmp_path / "aside")
    (tmp_path / "edits.jsonl").mkdir()
    for refused in (say(client, item, {"label": "red"}), client.post("/v1/desk/undo", json={"by": "ann"})):
        assert refused.status_code == 503
        assert refused.json()["detail"].startswith("nothing was changed: ")
    (tmp_path / "edits.jsonl").rmdir()
    (tmp_path / "aside").rename(tmp_path / "edits.jsonl")
    assert say(client, item, {"label": "red"}).status_code == 200


def test_a_label_of_no_class_is_refused(client: TestClient) -> None:
    add_classes(client)
    item = following(client, 1)[0]
    answer = say(client, item, {"label": "violet"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "there is no class 'violet' (blue, green, red); add it first"
    assert say(client, item, "keep").status_code == 422
    assert say(client, {"id": "nothing"}, {"label": "red"}).status_code == 404
    assert client.post("/v1/desk/classes", json={"by": "ann", "name": "a/b"}).status_code == 422
    twice = [{"id": item["id"], "to": {"label": "red"}}] * 2
    assert client.post("/v1/desk/edits", json={"by": "ann", "changes": twice}).status_code == 422


def test_none_of_these_undo_and_redo(client: TestClient) -> None:
    add_classes(client)
    first, second = following(client, 2)
    recorded = say(client, first, "remove").json()["edits"][0]
    assert (recorded["after"], recorded["why"]) == ({"label": None, "labels": None, "fate": "removed"}, "none of these")
    say(client, second, {"label": "red"})
    assert client.post("/v1/desk/undo", json={"by": "bob"}).status_code == 409
    back = client.post("/v1/desk/undo", json={"by": "ann"}).json()["edits"][0]
    assert (back["item"], back["after"]["label"], back["after"]["fate"]) == (second["id"], None, "open")
    assert client.get("/v1/desk").json()["can_redo"]
    assert client.post("/v1/desk/redo", json={"by": "ann"}).json()["edits"][0]["after"]["label"] == "red"
    assert client.get("/v1/desk").json()["none_of_these"] == 1


def test_whoever_overrules_somebody_unseen_is_told(client: TestClient) -> None:
    add_classes(client)
    item = following(client, 1)[0]
    first = say(client, item, {"label": "red"}, by="bob").json()
    assert first["overtaken"] == []
    over = say(client, item, {"label": "blue"}, by="ann").json()["overtaken"]
    assert [(one["edit"]["by"], one["name"]) for one in over] == [("bob", item["name"])]
    seen = say(client, item, {"label": "red"}, by="cyd", seen=client_last(client, item)).json()
    assert seen["overtaken"] == []


def client_last(client: TestClient, item: dict[str, Any]) -> str:
    """The id of the item's last edit, as its own answer had it."""
    answer = say(client, item, {"label": "green"}, by="ann").json()
    found: str = answer["edits"][0]["id"]
    return found


def test_skipped_items_are_shown_later(client: TestClient) -> None:
    item = following(client, 1)[0]
    assert client.post("/v1/desk/skips", json={"by": "ann", "id": item["id"]}).json() == {"skipped": 1}
    assert item["id"] not in {one["id"] for one in following(client, 50)}
    back = {"by": "ann", "id": item["id"], "back": True}
    assert client.post("/v1/desk/skips", json=back).json() == {"skipped": 0}


def test_what_is_on_the_screen_is_not_sent_again(client: TestClient) -> None:
    ids = [one["id"] for one in following(client, 3)]
    assert not set(ids) & {one["id"] for one in following(client, 50, on_screen=",".join(ids))}
    assert client.get("/v1/desk/next", params={"on_screen": "unknown"}).status_code == 404


def test_whoever_waits_is_told_of_a_change(client: TestClient) -> None:
    add_classes(client)
    item, mark = following(client, 1)[0], client.get("/v1/desk").json()["mark"]
    assert client.get("/v1/desk", params={"known": mark, "wait_s": 0}).json()["mark"] == mark
    timer = threading.Timer(0.2, lambda: say(client, item, {"label": "red"}))
    timer.start()
    began_s = time.monotonic()
    state = client.get("/v1/desk", params={"known": mark, "wait_s": 20}).json()
    assert state["mark"] != mark
    assert time.monotonic() - began_s < 15
    timer.join()


def test_pictures_large_and_small(client: TestClient, pictures: Path) -> None:
    item = following(client, 1)[0]
    large = client.get(f"/v1/desk/items/{item['id']}/image")
    assert large.content == (pictures / item["name"]).read_bytes()
    assert large.headers["content-type"] == "image/png"
    small = client.get(f"/v1/desk/items/{item['id']}/thumbnail")
    assert small.content.startswith(b"\xff\xd8")
    again = client.get(f"/v1/desk/items/{item['id']}/image", headers={"If-None-Match": large.headers["etag"]})
    assert again.status_code == 304
    assert client.get("/v1/desk/items/none/image").status_code == 404


def test_a_page_of_another_site_is_refused(client: TestClient) -> None:
    headers = {"Origin": "http://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    refused = client.post("/v1/desk/classes", json={"by": "ann", "name": "red"}, headers=headers)
    assert refused.status_code == 403
    assert client.get("/v1/desk").json()["classes"] == []


def test_with_a_key_nobody_labels_without_it(pictures: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.txt"
    key.write_text("a key of sufficient length")
    session = made(pictures, tmp_path / "edits.jsonl")
    with TestClient(create_label_app(desk_of(session, key)), base_url="http://localhost") as client:
        assert client.get("/v1/desk").status_code == 401
        headers = {"Authorization": "Bearer a key of sufficient length"}
        assert client.get("/v1/desk", headers=headers).status_code == 200


def test_a_desk_says_why_nothing_can_be_labelled(tmp_path: Path) -> None:
    draw(tmp_path / "none", each=1)
    session = made(tmp_path / "gone", tmp_path / "edits.jsonl")
    with TestClient(create_label_app(desk_of(session)), base_url="http://localhost") as client:
        settled(session)
        state = client.get("/v1/desk").json()
        assert state["state"] == "failed"
        assert client.get("/v1/desk/next").status_code == 409


def test_a_desk_is_built_from_a_folder(pictures: Path) -> None:
    desk = build_label_desk(
        LabelDeskOptions(LabelOptions(str(pictures), classes=("red", "blue")), by="eve", blind=True)
    )
    assert (desk.source, desk.by, desk.blind) == (pictures.name, "eve", True)
    assert desk.session.classes.names == ("red", "blue")
    assert desk.log_path == str(pictures / "edits.jsonl")
    with pytest.raises(UsageError, match="can be reached by others, and there is no key"):
        build_label_desk(LabelDeskOptions(LabelOptions(str(pictures)), host="0.0.0.0"))
    with pytest.raises(UsageError, match="a class cannot be called"):
        build_label_desk(LabelDeskOptions(LabelOptions(str(pictures), classes=("a/b",))))


def test_the_document_is_that_of_the_file() -> None:
    """`make openapi` writes it; the console's types come from it."""
    import runpy

    web = Path(__file__).parent.parent.parent / "web"
    written = runpy.run_path(str(web / "openapi.py"))["label_document"]()
    assert (web / "label-openapi.json").read_text(encoding="utf-8") == written, "run: make openapi"
