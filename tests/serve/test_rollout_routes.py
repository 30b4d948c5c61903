"""Rollouts over HTTP: where one stands, its log, turns by a named person, alarms of monitors, truths, metrics."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from held import MakeClient
from monitored import alarmed
from rolled import NAME, Key, admin, answer, following, opened, policy, reviewers, send, sender
from running import form, jpeg
from starlette.testclient import TestClient
from waiting import LONG_S

from drivetrain.core.canonical_json import canonical_json
from drivetrain.core.rollout_records import LogLine, line_hash
from drivetrain.core.told_how import ToldHow
from drivetrain.serve.work import rollouts
from drivetrain.store.sql_store import open_store


@pytest.fixture(autouse=True)
def _taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process knows of a rollout as soon as it is there."""
    monkeypatch.setattr(rollouts, "SETTLE_S", 0.0)


@dataclass(frozen=True)
class Here:
    """A server with a rollout, and who asks it."""

    client: TestClient
    store: Path
    who: Key
    boss: Key
    ada: Key
    bo: Key

    def get(self, path: str) -> Any:
        said = self.client.get(path, headers=self.boss)
        assert said.status_code == 200, said.text
        return said.json()

    def turn(self, turn: str, **body: Any) -> Any:
        return self.client.post(f"/v1/rollouts/{NAME}/{turn}", headers=self.boss, json={"reason": "a test", **body})

    def decide(self, who: Key, label: Callable[[dict[str, Any]], str | None], kind: str = "decide") -> int:
        done = 0
        while (review := following(self.client, who, kind=kind)) is not None:
            answer(self.client, who, review, label(review))
            done += 1
        return done

    def until(self, path: str, wanted: Callable[[Any], bool]) -> Any:
        end_s = time.monotonic() + LONG_S
        while not wanted(found := self.get(path)):
            assert time.monotonic() < end_s, found
            time.sleep(0.02)
        return found


@pytest.fixture
def make(make_client: MakeClient, tmp_path: Path) -> Callable[..., Here]:
    def made(**changes: Any) -> Here:
        store = tmp_path / "store.db"
        opened(store, policy(**changes))
        who, boss, (ada, bo) = sender(store), admin(store), reviewers(store, "Ada", "Bo")
        return Here(make_client(max_batch=1), store, who, boss, ada, bo)

    return made


@pytest.fixture
def here(make: Callable[..., Here]) -> Here:
    return make()


def test_a_rollout_says_where_it_stands(here: Here) -> None:
    for number in range(3):
        send(here.client, f"m-{number}", here.who, jpeg(number))
    (row,) = here.get("/v1/rollouts")["rollouts"]
    assert (row["name"], row["stage"], row["paused"], row["live"], row["served"]) == (
        NAME,
        "parallel",
        False,
        True,
        True,
    )
    status = here.get(f"/v1/rollouts/{NAME}")
    assert (status["stage"], status["may_advance"], status["counts"]["arrived"]) == ("parallel", False, 3)
    assert status["queue"]["decide"]["open"] == 3
    assert "salt" not in json.dumps(here.get("/v1/rollouts"))
    assert here.client.get("/v1/rollouts/nothing", headers=here.boss).status_code == 404


def test_a_turn_is_a_named_persons_and_stays_in_the_log(here: Here, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    paused = here.turn("pause")
    assert (paused.status_code, paused.json()["paused"]) == (200, True)
    assert [hold["by"] for hold in paused.json()["holds"]] == ["admin 0"]
    assert here.turn("pause").status_code == 409
    assert here.turn("resume").json()["paused"] is False
    refused = here.turn("advance")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:drivetrain:problem:not-now")
    assert here.turn("rollback").json()["stage"] == "rolled-back"
    assert here.turn("clear").json()["stage"] == "parallel"
    assert here.turn("end").json()["stage"] == "ended"
    turns = [
        line["event"] for line in here.get(f"/v1/rollouts/{NAME}/log")["lines"] if line["event"]["event"] == "turned"
    ]
    assert [(turn["turn"], turn["by"]) for turn in turns] == [
        (name, "admin 0") for name in ("paused", "resumed", "rolled-back", "cleared", "ended")
    ]
    end_s = time.monotonic() + LONG_S
    while here.get("/v1/rollouts")["rollouts"][0]["live"] and time.monotonic() < end_s:
        time.sleep(0.02)
    assert here.turn("pause").status_code == 409


def test_turns_are_said_in_the_servers_log(here: Here, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        here.turn("pause", reason="the lens is dirty")
        end_s = time.monotonic() + LONG_S
        while "the lens is dirty" not in caplog.text:
            assert time.monotonic() < end_s
            time.sleep(0.02)
    assert f"rollout {NAME}: paused by admin 0, now parallel: the lens is dirty" in caplog.text


@pytest.mark.parametrize("wrong", [{"reason": ""}, {"reason": " "}, {"reason": "x" * 2001}, {"by": "Eve"}, {"more": 1}])
def test_a_turn_needs_a_reason_and_the_keys_own_name(here: Here, wrong: dict[str, Any]) -> None:
    assert here.turn("pause", **wrong).status_code == 422


def test_only_an_admin_turns_or_looks(here: Here) -> None:
    for who, status in ((here.who, 403), (here.ada, 403), ({}, 401)):
        assert here.client.get(f"/v1/rollouts/{NAME}", headers=who).status_code == status
        for turn in ("advance", "pause", "resume", "rollback", "clear", "end"):
            said = here.client.post(f"/v1/rollouts/{NAME}/{turn}", headers=who, json={"reason": "x"})
            assert said.status_code == status


def test_a_server_without_keys_asks_for_a_name(make_client: MakeClient, tmp_path: Path) -> None:
    opened(tmp_path / "store.db")
    client = make_client(max_batch=1)
    path = f"/v1/rollouts/{NAME}/pause"
    assert client.post(path, json={"reason": "x"}).status_code == 422
    said = client.post(path, json={"reason": "x", "by": "Eve"})
    assert said.json()["holds"][0]["by"] == "Eve"


def test_the_log_is_a_chain_in_pages_and_as_a_file(here: Here) -> None:
    for number in range(4):
        send(here.client, f"m-{number}", here.who, jpeg(number))
    here.decide(here.ada, lambda _: "rot")
    whole, after = [], 0
    while after is not None:
        page = here.get(f"/v1/rollouts/{NAME}/log?after={after}&limit=3")
        whole += page["lines"]
        after = page["next"]
    assert here.get(f"/v1/rollouts/{NAME}/log?after={10**20}") == {"lines": [], "next": None}
    text = here.client.get(f"/v1/rollouts/{NAME}/log.jsonl", headers=here.boss).text
    assert [json.loads(line) for line in text.splitlines()] == whole
    before = "0" * 64
    for number, line in enumerate(whole, 1):
        assert (line["number"], line["before"]) == (number, before)
        before = line["hash"]
        assert line_hash(line["before"], number, canonical_json(line["event"])) == before
    assert here.get("/v1/rollouts")["rollouts"][0]["head_hash"] == before


def lines_of(store: Path) -> list[LogLine]:
    kept = open_store(str(store))
    row = kept.rollout(NAME)
    assert row is not None
    found = list(kept.verify_log(row.id))
    kept.close()
    return found


# Alarms


def test_an_alarm_of_a_monitor_holds_the_rollout_until_a_person_clears_it(here: Here) -> None:
    here.client.headers.update(here.boss)
    alarm = alarmed(here.client, here.store)
    held = here.until(f"/v1/rollouts/{NAME}", lambda status: status["paused"])
    assert [(hold["kind"], hold["alarm_id"]) for hold in held["holds"]] == [("alarm", alarm["id"])]
    assert here.turn("resume").status_code == 409
    cleared = here.client.post(
        f"/v1/monitor/alarms/{alarm['id']}/clear", headers=here.boss, json={"reason": "lens cleaned"}
    )
    assert cleared.status_code == 200
    here.until(f"/v1/rollouts/{NAME}", lambda status: not status["paused"])
    events = [json.loads(line.body) for line in lines_of(here.store)]
    told = [(event["event"], event.get("cleared"), event.get("turn")) for event in events[1:]]
    assert told == [
        ("alarmed", False, None), ("turned", None, "paused"), ("alarmed", True, None), ("turned", None, "resumed")
    ]  # fmt: skip


# Truths


def truths(here: Here, key: str) -> list[tuple[str, str, str]]:
    """What was told of the prediction that answered a case: how, what, by whom, in the order in which it was told."""
    for found in here.get("/v1/predictions?limit=200")["predictions"]:
        if found["metadata"]["extra"].get("case") == key:
            return [(truth["how"], truth["label"], truth["by"]) for truth in found["truths"]]
    raise AssertionError(f"no prediction answered {key}")


def told(here: Here, key: str, count: int) -> list[tuple[str, str, str]]:
    """The same, once there are so many."""
    end_s = time.monotonic() + LONG_S
    while len(found := truths(here, key)) < count:
        assert time.monotonic() < end_s, (key, found)
        time.sleep(0.02)
    return found


def test_decisions_become_truths_of_their_predictions_once_nothing_more_is_asked(make: Callable[..., Here]) -> None:
    here = make(parallel={"audit": 0.0001, "decide_twice": 0.0, "adjudicate_twice": 0.0})
    case = send(here.client, "agree", here.who, jpeg(1), metadata={"key": "agree"})
    send(here.client, "differ", here.who, jpeg(1), metadata={"key": "differ"})
    send(here.client, "unsure", here.who, jpeg(1), metadata={"key": "unsure"})
    model = here.get("/v1/predictions")["predictions"][0]
    assert model["verdict"] == "accept"
    other = next(label for label in ("blau", "rot") if label != model["label"])
    labels = {"agree": model["label"], "differ": other, "unsure": None}
    here.decide(here.ada, lambda review: labels[review["case"]["metadata"]["key"]])
    assert told(here, "agree", 1) == [("blind", model["label"], "Ada")]
    assert truths(here, "differ") == []  # nobody has said yet who is right
    assert here.decide(here.bo, lambda _: model["label"], "adjudicate") == 1
    assert told(here, "differ", 1) == [("adjudicated", model["label"], "Bo")]
    path = f"/v1/cases/{case['id']}/outcome"
    assert here.client.post(path, headers=here.who, json={"label": other, "by": "laboratory"}).status_code == 200
    assert told(here, "agree", 2)[-1] == ("outcome", other, "laboratory")
    assert truths(here, "unsure") == []


def test_what_people_say_of_a_seeded_case_is_no_truth_of_the_model(here: Here) -> None:
    send(here.client, "seeded", here.who, jpeg(1), known="rot")
    send(here.client, "after", here.who, jpeg(2), metadata={"after": True})
    here.decide(here.ada, lambda _: "rot")
    here.decide(here.bo, lambda _: "rot")
    here.decide(here.bo, lambda _: "rot", "adjudicate")
    assert truths(here, "seeded") == []


def test_truths_are_told_once_whoever_tells_them(make: Callable[..., Here], make_client: MakeClient) -> None:
    here = make(parallel={"audit": 0.0001, "decide_twice": 0.0})
    for number in range(5):
        send(here.client, f"m-{number}", here.who, jpeg(1))
    model = here.get("/v1/predictions")["predictions"][0]["label"]
    here.decide(here.ada, lambda _: model)
    second = make_client(max_batch=1)  # another process on the same store
    for number in range(5):
        assert told(here, f"m-{number}", 1) == [("blind", model, "Ada")]
    send(second, "m-5", here.who, jpeg(1))
    here.decide(here.ada, lambda _: model)
    assert told(here, "m-5", 1) == [("blind", model, "Ada")]
    kept = open_store(str(here.store))
    assert sum(entry.truth is not None for entry in kept.feed(0, 1000)) == 6
    kept.close()


def test_what_a_model_says_is_told_as_no_truth(make_client: MakeClient) -> None:
    client = make_client(max_batch=1)
    one = client.post("/v1/predict", **form(jpeg())).json()["predictions"][0]
    path = f"/v1/predictions/{one['id']}/label"
    assert client.post(path, json={"label": "rot", "how": "model"}).status_code == 422
    for how in set(ToldHow) - {ToldHow.MODEL}:
        assert client.post(path, json={"label": "rot", "how": how.value}).json()["how"] == how.value


# Several processes, and metrics


def test_two_processes_carry_one_rollout(here: Here, make_client: MakeClient) -> None:
    second = make_client(max_batch=1)
    for number in range(10):
        send((here.client, second)[number % 2], f"m-{number}", here.who, jpeg(number))
        send((second, here.client)[number % 2], f"m-{number}", here.who, jpeg(number))
    done = 0
    while (review := following((here.client, second)[done % 2], here.ada)) is not None:
        answer((second, here.client)[done % 2], here.ada, review, "rot")
        done += 1
    assert done == 10
    first, other = (client.get(f"/v1/rollouts/{NAME}", headers=here.boss).json() for client in (here.client, second))
    for status in (first, other):
        del status["at"]
        status["readings"] = [
            one for one in status["readings"] if one["gate"] != "days"
        ]  # time goes on between the two
    assert first == other
    assert len(lines_of(here.store)) == first["head"]


def test_metrics_tell_of_rollouts(make: Callable[..., Here]) -> None:
    here = make(parallel={"decide_twice": 0.0})
    for number in range(3):
        send(here.client, f"m-{number}", here.who, jpeg(number))
    review = following(here.client, here.ada)
    assert review is not None
    answer(here.client, here.ada, review, "rot")
    here.turn("pause")
    page = here.client.get("/metrics", headers=here.boss).text
    for line in (
        f'drivetrain_rollout_stage{{rollout="{NAME}",stage="parallel"}} 1.0',
        f'drivetrain_rollout_stage{{rollout="{NAME}",stage="expanding"}} 0.0',
        f'drivetrain_rollout_holds{{kind="person",rollout="{NAME}"}} 1.0',
        f'drivetrain_rollout_up{{rollout="{NAME}"}} 1.0',
        f'drivetrain_reviews{{kind="decide",rollout="{NAME}",state="open"}} 2.0',
        f'drivetrain_reviews_decided_total{{kind="decide",rollout="{NAME}"}} 1.0',
    ):
        assert line in page, line
