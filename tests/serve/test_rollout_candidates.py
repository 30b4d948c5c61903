"""A candidate beside its champion in the server: it answers the same cases, asks nobody twice, and inherits the name."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from held import MakeClient
from resealing import new_version
from rolled import NAME, SALT, Key, admin, answer, following, opened, policy, reviewers, send, sender
from running import KEPT, form, jpeg
from starlette.testclient import TestClient
from waiting import LONG_S

from drivetrain.core.identifiers import new_id
from drivetrain.model.predictor import load
from drivetrain.rollout.hands import Hands
from drivetrain.rollout.live import Live
from drivetrain.rollout.opening import open_rollout
from drivetrain.rollout.succession import SUCCESSOR
from drivetrain.serve.work import rollouts
from drivetrain.store.sql_store import open_store

CANDIDATE = "farben-2"


@pytest.fixture(autouse=True)
def _taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process knows of a rollout as soon as it is there."""
    monkeypatch.setattr(rollouts, "SETTLE_S", 0.0)


def beside(store: Path, bundle: Path) -> None:
    """Open the rollout of a candidate beside the live one."""
    kept = open_store(str(store))
    champion = kept.rollout(NAME)
    assert champion is not None
    manifest, at = load(bundle).manifest, datetime.now(UTC)
    open_rollout(kept, policy(CANDIDATE), manifest, "Ada", at=at, salt=SALT, rollout_id=new_id(), shadow_of=champion.id)
    kept.close()


def status(client: TestClient, boss: Key, name: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Where a rollout stands, as soon as it is as wanted."""
    end_s = time.monotonic() + LONG_S
    while True:
        found: dict[str, Any] = client.get(f"/v1/rollouts/{name}", headers=boss).json()
        if wanted(found):
            return found
        assert time.monotonic() < end_s, found
        time.sleep(0.05)


def test_a_candidate_answers_its_champions_cases_and_asks_nobody_twice(make_client: MakeClient, tmp_path: Path) -> None:
    store, bundle = tmp_path / "store.db", tmp_path / "next.bundle"
    shutil.copytree(KEPT, bundle)
    version = new_version(bundle)
    opened(store, policy(parallel={"audit": 0.0001, "decide_twice": 0.0}))
    beside(store, bundle)
    who, boss, (ada,) = sender(store), admin(store), reviewers(store, "Ada")
    client = make_client(max_batch=1, bundles=(f"farben={bundle}", f"farben={KEPT}"))
    status(client, boss, CANDIDATE, lambda found: found["head"] > 1)  # it has begun to read along
    for number in range(8):
        send(client, f"m-{number}", who, jpeg(number))
    found = status(client, boss, CANDIDATE, lambda found: found["counts"]["arrived"] == 8)
    assert found["bundle_id"] == version
    answers = client.get("/v1/predictions?limit=200", headers=boss).json()["predictions"]
    assert sorted(one["metadata"]["extra"]["rollout"] for one in answers) == [NAME] * 8 + [CANDIDATE] * 8
    done = 0
    while (review := following(client, ada)) is not None:
        assert review["rollout"] == NAME
        answer(client, ada, review, "rot")
        done += 1
    assert done == 8
    status(client, boss, CANDIDATE, lambda found: found["workload"]["decisions"] == 8)
    refused = client.post(f"/v1/cases?rollout={CANDIDATE}", headers=who, **form(jpeg(1), case='{"key": "x"}'))
    assert (refused.status_code, "send them there" in refused.json()["detail"]) == (409, True)
    advance = client.post(f"/v1/rollouts/{CANDIDATE}/advance", headers=boss, json={"reason": "x"})
    assert advance.status_code == 409


def test_cases_for_a_name_go_to_whoever_took_its_place(make_client: MakeClient, tmp_path: Path) -> None:
    store, bundle = tmp_path / "store.db", tmp_path / "next.bundle"
    shutil.copytree(KEPT, bundle)
    new_version(bundle)
    opened(store)
    beside(store, bundle)
    who = sender(store)
    kept = open_store(str(store))
    champion, candidate = kept.rollout(NAME), kept.rollout(CANDIDATE)
    assert champion is not None
    assert candidate is not None
    live = Live(kept, champion.id, lambda: datetime.now(UTC), new_id)
    with live.replica.writing() as writing:
        hands = Hands(writing, champion.id, datetime.now(UTC), new_id)
        ended = hands.machine.ended("Ada", "the candidate is better", hands.now)
        hands.take(replace(ended, evidence={SUCCESSOR: candidate.id}))
    kept.close()
    client = make_client(max_batch=1, bundles=(f"farben={bundle}",))
    for key, query in (
        ("a", f"?rollout={NAME}"),
        ("b", f"?rollout={champion.id}"),
        ("c", ""),
        ("d", f"?rollout={CANDIDATE}"),
    ):
        said = client.post(f"/v1/cases{query}", headers={**who, "Idempotency-Key": key}, **form(jpeg(1)))
        assert (said.status_code, said.json()["rollout"]) == (200, CANDIDATE), said.text
