"""The monitor in the server: it follows the store, raises alarms that act in every process, and is cleared by a person."""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from held import MakeClient, with_keys
from monitored import ACCEPTED, ENOUGH, alarmed, ask, kept_state, monitor, replayed, tell_wrong, until
from receiver import receiving
from running import jpeg
from starlette.testclient import TestClient
from waiting import LONG_S

from drivetrain.core.identifiers import new_id
from drivetrain.core.records import Alarm, Entry, MonitorState, RecordFilter, Role, StoredInput, ToldHow
from drivetrain.core.types import Verdict
from drivetrain.model.predictor import Predictor, load
from drivetrain.serve.announcement import told
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.served import ServedModel
from drivetrain.serve.start import build
from drivetrain.serve.work import monitoring
from drivetrain.serve.work.alarms import Alarms
from drivetrain.serve.work.monitoring import Monitoring
from drivetrain.store.sql_store import open_store

AT = datetime(2026, 11, 30, 14, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where the store of `make_client` lies."""
    return tmp_path / "store.db"


def clear(client: TestClient, alarm: str, **body: Any) -> Any:
    return client.post(f"/v1/monitor/alarms/{alarm}/clear", json={"reason": "lens cleaned", "by": "ada", **body})


def test_a_server_that_has_answered_nothing_says_so(client: TestClient) -> None:
    found = until(client, lambda found: bool(found["progress"]["caught_up"]))
    assert (found["n"], found["votes"], found["sources"], found["alarms"]) == (0, 0, [], [])
    assert found["state"] == "no-gate"
    assert "no gate" in found["text"]
    assert client.get("/v1/monitor/alarms").json() == {"alarms": [], "next": None}


def test_what_was_answered_is_seen_by_source(client: TestClient) -> None:
    for camera in ("trail-4", "trail-4", "north-3", None):
        ask(client, camera)
    found = until(client, lambda found: found["n"] == 4)
    assert {row["source"]: row["n"] for row in found["sources"]} == {"trail-4": 2, "north-3": 1, "": 1}
    assert {row["name"] for row in found["sources"]} == {"trail-4", "north-3", "unnamed"}
    assert found["votes"] == 3, "a source has one vote a minute"
    assert found["progress"]["behind"] == 0
    assert found["progress"]["seconds_behind"] == 0
    assert not any(row["held"] for row in found["sources"])


def test_an_alarm_acts_until_a_person_clears_it(client: TestClient, store: Path) -> None:
    assert ask(client, "trail-4")["verdict"] == "accept"
    alarm = alarmed(client, store)
    assert (alarm["source"], alarm["monitor"], alarm["acts"]) == ("trail-4", "audited-error", True)
    found = monitor(client)
    assert found["state"] == "alarm"
    assert "trail-4" in found["text"]
    held = ask(client, "trail-4")
    assert held["verdict"] == "review"
    assert [reason["code"] for reason in held["reasons"]] == ["alarm"]
    assert "trail-4" in held["reasons"][0]["text"]
    assert ask(client, "north-3")["verdict"] == "accept"
    # What is stored is what was answered.
    assert client.get(f"/v1/predictions/{held['id']}").json()["verdict"] == "review"

    cleared = clear(client, alarm["id"])
    assert cleared.status_code == 200
    assert (cleared.json()["cleared_by"], cleared.json()["reason"]) == ("ada", "lens cleaned")
    assert cleared.json()["acts"] is False
    assert ask(client, "trail-4")["verdict"] == "accept", "at once"
    assert until(client, lambda found: not found["alarms"])["state"] == "no-gate"
    again = clear(client, alarm["id"], by="eve", reason="other")
    assert again.status_code == 200
    assert again.json()["cleared_by"] == "ada", "it stays as it was cleared first"
    assert client.get("/v1/monitor/alarms", params={"standing": True}).json()["alarms"] == []
    assert [one["id"] for one in client.get("/v1/monitor/alarms").json()["alarms"]] == [alarm["id"]]


def test_an_alarm_holds_every_way_in(client: TestClient, store: Path) -> None:
    alarm = alarmed(client, store, "")  # an empty camera is no camera
    assert alarm["source_name"] in ("unnamed", "all sources")
    image = base64.b64encode(ACCEPTED).decode()
    tensor = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [image]}]}
    inferred = client.post("/v2/models/farben/infer", json=tensor).json()
    verdicts = {output["name"]: output["data"] for output in inferred["outputs"]}["verdict"]
    assert verdicts == ["review"]
    as_json = client.post("/v1/predict", json={"images": [image]}).json()["predictions"][0]
    assert (as_json["verdict"], as_json["reasons"][0]["code"]) == ("review", "alarm")


def test_an_inference_request_names_its_camera_among_its_parameters(client: TestClient, store: Path) -> None:
    alarmed(client, store, "trail-4")
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(ACCEPTED).decode()]}

    def verdict(**parameters: object) -> object:
        body = {"inputs": [tensor], "parameters": {"another": {"of": "a client"}, **parameters}}
        answer = client.post("/v2/models/farben/infer", json=body)
        assert answer.status_code == 200, answer.text
        return {output["name"]: output["data"] for output in answer.json()["outputs"]}["verdict"]

    assert verdict(camera="trail-4", taken_at="2026-11-01T12:00:00Z") == ["review"]
    assert verdict(site="trail-4") == ["review"]
    assert verdict(camera="north-3") == ["accept"]
    newest = client.get("/v1/predictions").json()["predictions"][0]
    assert newest["metadata"]["camera"] == "north-3"
    refused = client.post("/v2/models/farben/infer", json={"inputs": [tensor], "parameters": {"taken_at": "noon"}})
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["parameters", "taken_at"])


def test_where_alarms_only_tell_answers_stay_as_they_are(make_client: MakeClient, store: Path) -> None:
    client = make_client(on_alarm="tell")
    alarm = alarmed(client, store)
    assert alarm["acts"] is False
    assert ask(client, "trail-4")["verdict"] == "accept"
    assert client.get("/v1/monitor").json()["on_alarm"] == "tell"


def test_an_alarm_raised_by_one_process_acts_in_the_other(make_client: MakeClient, store: Path) -> None:
    one, other = make_client(), make_client()
    alarm = alarmed(one, store)
    end_s = time.monotonic() + LONG_S
    while ask(other, "trail-4")["verdict"] == "accept":
        assert time.monotonic() < end_s, "the other process never heard of it"
    assert clear(other, alarm["id"]).status_code == 200
    while ask(one, "trail-4")["verdict"] != "accept":
        assert time.monotonic() < end_s, "the other process never heard that it was cleared"
    # Both have followed the same store, and one has written what either would.
    n = monitor(one)["n"]
    until(other, lambda found: found["n"] >= n)


def test_only_what_was_told_without_the_answer_in_sight_is_an_audit(client: TestClient, store: Path) -> None:
    ids = [ask(client, "trail-4")["id"] for _ in range(ENOUGH)]
    tell_wrong(store, ids, ToldHow.ASSISTED)
    tell_wrong(store, ids[:2], ToldHow.ADJUDICATED)
    found = until(client, lambda found: found["audited"] is not None and found["audited"]["n"] == 2)
    assert found["audited"]["wrong"] == 2
    assert found["alarms"] == []


def test_an_alarm_tells_which_images_drive_it(client: TestClient, store: Path) -> None:
    alarm = alarmed(client, store)
    found = client.get(f"/v1/monitor/alarms/{alarm['id']}").json()
    assert found["predictions"]
    assert found["predictions_missing"] == 0
    assert {one["id"] for one in found["predictions"]} == set(found["evidence"]["images"])
    assert {one["metadata"]["camera"] for one in found["predictions"]} == {"trail-4"}
    assert client.get("/v1/monitor/alarms/no-such").status_code == 404
    assert clear(client, "no-such").status_code == 404


def test_an_alarm_is_cleared_with_a_reason_by_somebody(client: TestClient, store: Path) -> None:
    alarm = alarmed(client, store)
    long = "x" * 1001
    bodies = ({}, {"reason": ""}, {"reason": " \n"}, {"reason": long}, {"reason": "x", "by": " "}, {"reason": "x"})
    for body in bodies:
        refused = client.post(f"/v1/monitor/alarms/{alarm['id']}/clear", json=body)
        assert refused.status_code == 422, body
        assert refused.headers["content-type"] == "application/problem+json"
    assert ask(client, "trail-4")["verdict"] == "review"


def test_who_may_review_may_look_and_clear(make_client: MakeClient, store: Path) -> None:
    predict, review, admin = with_keys(store, Role.PREDICT, Role.REVIEW, Role.ADMIN)
    put_alarms(store, 2)
    client = make_client()
    for path in ("/v1/monitor", "/v1/monitor/alarms", f"/v1/monitor/alarms/{0:032x}", "/v1/monitor/clusters"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers=predict).status_code == 403
        assert client.get(path, headers=review).status_code == 200
    for number, (headers, name) in enumerate(((review, "review 1"), (admin, "admin 2"))):
        path = f"/v1/monitor/alarms/{number:032x}/clear"
        assert client.post(path, json={"reason": "x"}, headers=predict).status_code == 403
        assert client.post(path, json={"reason": "x"}, headers=headers).json()["cleared_by"] == name


def test_the_body_that_clears_an_alarm_is_read_within_limits_and_from_nobody_unknown(
    make_client: MakeClient, store: Path
) -> None:
    predict, review = with_keys(store, Role.PREDICT, Role.REVIEW)
    put_alarms(store, 1)
    client, path = make_client(), f"/v1/monitor/alarms/{0:032x}/clear"
    as_json = {"Content-Type": "application/json"}
    assert client.post(path, content=b"{", headers=as_json).status_code == 401, "who it is comes first"
    assert client.post(path, content=b"{", headers=as_json | predict).status_code == 403
    assert client.post(path, content=b"{", headers=as_json | review).status_code == 400
    assert client.post(path, content=b'{"reason": "x"}', headers=review).status_code == 415
    assert (
        client.post(path, content=b'{"reason": "%b"}' % (b"x" * (1 << 17)), headers=as_json | review).status_code == 413
    )
    longest = {"reason": "\N{BEAR FACE}" * 1000, "by": "\N{BEAR FACE}" * 200}
    assert (
        client.post(path, content=json.dumps(longest), headers=as_json | review).json()["reason"] == longest["reason"]
    )


def put_alarms(store: Path, count: int) -> None:
    """Have alarms stand, of a bundle that is not served."""
    opened = open_store(store)
    alarms = [
        Alarm(f"{n:032x}", "bears", "b" * 16, f"cam-{n}", "score", AT, AT + timedelta(minutes=n), "unclear")
        for n in range(count)
    ]
    assert opened.advance_monitor(None, MonitorState("bears", "b" * 16, 1, "{}", AT), alarms)
    opened.close()


def test_alarms_are_paged(make_client: MakeClient, store: Path) -> None:
    put_alarms(store, 7)
    client = make_client()
    clear(client, f"{3:032x}")
    for wanted, numbers in ({}, [6, 5, 4, 3, 2, 1, 0]), ({"standing": True}, [6, 5, 4, 2, 1, 0]):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        for _ in range(4):
            page = client.get("/v1/monitor/alarms", params={"limit": 2, **wanted, **cursor}).json()
            seen += [one["id"] for one in page["alarms"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert seen == [f"{n:032x}" for n in numbers]
    assert client.get("/v1/monitor/alarms", params={"model": "cells"}).json()["alarms"] == []
    assert client.get("/v1/monitor/alarms", params={"cursor": "x"}).status_code == 422


def test_a_state_is_what_reading_the_store_anew_gives(make_client: MakeClient, store: Path, kept: Path) -> None:
    client = make_client()
    alarm = alarmed(client, store)
    for camera in ("north-3", "trail-4"):
        ask(client, camera)
    assert clear(client, alarm["id"]).status_code == 200
    ask(client, "trail-4")
    alarmed(client, store)  # the stream was watched again, from nothing
    # An alarm stands before all is read that was told with it.
    end_s = time.monotonic() + LONG_S
    while kept_state(store, kept) != replayed(store, kept) and time.monotonic() < end_s:
        time.sleep(0.2)
    client.__exit__(None, None, None)
    assert kept_state(store, kept) == replayed(store, kept)


def test_a_state_that_cannot_be_read_is_made_anew(
    make_client: MakeClient, store: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = make_client()
    alarm = alarmed(first, store)
    assert clear(first, alarm["id"]).status_code == 200
    ask(first, "trail-4")
    until(first, lambda found: found["n"] == ENOUGH + 1)
    first.__exit__(None, None, None)
    before = kept_state(store, kept)
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE monitors SET state = '{\"version\": 0}'")
    connection.close()
    monkeypatch.setattr(monitoring, "STEP", 5)  # in several steps, as a long backlog is read
    second = make_client()
    until(second, lambda found: found["n"] == ENOUGH + 1 and bool(found["progress"]["caught_up"]))
    assert "begins anew" in caplog.text
    assert monitor(second)["alarms"] == [], "what was cleared is not raised again"
    second.__exit__(None, None, None)
    assert kept_state(store, kept) == before


def test_metrics_tell_of_alarms_and_lag(client: TestClient, store: Path) -> None:
    alarm = alarmed(client, store)
    page = client.get("/metrics").text
    assert 'drivetrain_monitor_alarms{model="farben",monitor="audited-error",source="trail-4"} 1.0' in page
    assert 'drivetrain_monitor_lag_seconds{model="farben"} 0.0' in page
    clear(client, alarm["id"])
    assert "drivetrain_monitor_alarms{" not in client.get("/metrics").text


def test_a_monitor_that_the_store_fails_before_it_began_is_told_to_be_down(store: Path, kept: Path) -> None:
    opened = open_store(store)
    model = ServedModel("farben", kept, load(kept))
    following = Monitoring(opened, lambda: [model], Alarms(opened))
    opened.close()
    following.start()
    end_s = time.monotonic() + LONG_S
    while following.problem is None and time.monotonic() < end_s:
        time.sleep(0.01)
    assert following.lags() == {"farben": None}
    following.close()


def test_the_webhook_is_told_of_alarms(make_client: MakeClient, store: Path, tmp_path: Path) -> None:
    secret = tmp_path / "hook.secret"
    secret.write_text("Drosselweg-7-und-mehr\n")
    with receiving(500) as receiver:
        client = make_client(webhook=receiver.url, webhook_secret_file=secret)
        alarm = alarmed(client, store)
        for _ in range(2):  # the first attempt fails
            assert receiver.come.acquire(timeout=LONG_S)
        assert clear(client, alarm["id"]).status_code == 200
        assert receiver.come.acquire(timeout=LONG_S)
        told = [json.loads(message.body) for message in receiver.received]
        assert [message["event"] for message in told] == ["alarm.raised", "alarm.raised", "alarm.cleared"]
        assert {message["alarm"]["id"] for message in told} == {alarm["id"]}
        assert told[0]["id"] == told[1]["id"]
        page = client.get("/metrics").text
    assert 'drivetrain_webhook_messages_total{outcome="failed"} 1.0' in page


def refuse(store: Path, bundle: Path, images: list[bytes]) -> None:
    """Keep pictures as images that the bundle refused, the last of them without its file."""
    predictor = load(bundle)
    opened = open_store(store)
    template = opened.page(RecordFilter(), 1).records[0]
    for number, data in enumerate(images):
        at_ns = time.time_ns()
        prediction = replace(predictor.predict(data), verdict=Verdict.OUT_OF_DOMAIN)
        record = replace(
            template, id=new_id(lambda at_ns=at_ns: at_ns), prediction=prediction, input_sha256=f"{number:064x}"
        )
        kept = StoredInput(f"{number:064x}", data, "image/jpeg") if number < len(images) - 1 else None
        opened.append([Entry(record, kept)])
    opened.close()


def test_refused_images_that_look_alike_are_found(make_client: MakeClient, store: Path, kept: Path) -> None:
    client = make_client(images="keep")
    empty = client.get("/v1/monitor/clusters").json()
    assert (empty["refused"], empty["clusters"], empty["text"]) == (0, [], "No images were refused.")
    ask(client, "trail-4")
    refuse(store, kept, [jpeg(1), jpeg(1), jpeg(1), jpeg(1), b"no picture", jpeg(9)])
    found = client.get("/v1/monitor/clusters").json()
    assert found["refused"] == 6
    assert found["embedded"] == 4, "one was not kept, and one is no picture"
    (cluster,) = found["clusters"]
    assert (cluster["size"], len(cluster["ids"])) == (4, 4)
    assert cluster["sources"] == [{"source": "trail-4", "name": "trail-4", "n": 4}]
    assert cluster["similarity"] == pytest.approx(1, abs=1e-3)
    assert client.get(cluster["examples"][0]["input"]).content == jpeg(1)
    assert client.get("/v1/monitor/clusters").json() == found


def test_a_monitor_that_fails_is_not_the_end_of_the_others(
    store: Path, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened = open_store(store)
    good = ServedModel("farben", kept, load(kept))
    # A bundle that loads, and of which no reference can be made.
    bare = SimpleNamespace(manifest=SimpleNamespace(bundle_id="c" * 16))
    bad = ServedModel("night", kept, cast(Predictor, bare))
    following = Monitoring(opened, lambda: (bad, good), Alarms(opened))
    following.step()
    following.step()
    assert [one.model.name for one in following.followed.values()] == ["farben"]
    assert "AttributeError" in following.aside["night", "c" * 16].problem
    assert len([record for record in caplog.records if "night" in record.getMessage()]) == 1, "not at every step"
    opened.close()


def test_a_bundle_with_a_backlog_keeps_no_other_waiting(
    make_client: MakeClient, store: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client()
    for _ in range(5):
        ask(client, "trail-4")
    opened = open_store(store)
    old = ServedModel("farben", kept, load(kept))
    new = ServedModel("night", kept, old.predictor)
    served = [old]
    following = Monitoring(opened, lambda: served, Alarms(opened))
    following.step()
    served.append(new)  # it begins at the store's beginning
    monkeypatch.setattr(monitoring, "STEP", 2)
    last = ask(client, "trail-4")["id"]
    assert following.step(), "of the new one there is more to read"
    of_old, of_new = (following.followed[model.name, model.version] for model in served)
    assert (of_old.watch.together.n, of_old.caught_up) == (6, True)
    assert (of_new.read < of_old.read, of_new.caught_up) == (True, False)
    while following.step():
        pass
    (entry,) = opened.feed(of_new.read - 1, 1)
    assert (entry.record.id, of_old.read, of_new.caught_up) == (last, of_new.read, True)
    opened.close()


@pytest.mark.parametrize(
    ("on_alarm", "words"), [("review", "turn accepted answers into reviewed"), ("tell", "change nothing")]
)
def test_a_server_says_at_its_start_what_alarms_do(
    store: Path, kept: Path, tmp_path: Path, on_alarm: Any, words: str
) -> None:
    put_alarms(store, 2)  # of a bundle that is not served
    (tmp_path / "hook.secret").write_text("Drosselweg-7-und-mehr")
    hook = {"webhook": "https://hooks.example/T0/room-9f2c", "webhook_secret_file": tmp_path / "hook.secret"}
    server = build(ServeOptions((str(kept),), store=str(store), on_alarm=on_alarm, **hook))
    try:
        line = dict(told(server))["Alarms"]
    finally:
        server.engine.close()
        server.store.close()
    assert words in line
    assert "none stand now" in line
    assert "https://hooks.example/…" in line
    assert "room-9f2c" not in line
