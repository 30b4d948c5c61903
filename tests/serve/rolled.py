"""A rollout of the tiny bundle in a store, and what its senders and reviewers do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from held import with_keys
from running import KEPT, form, jpeg
from starlette.testclient import TestClient

from drivetrain.core.identifiers import new_id
from drivetrain.core.records import Role
from drivetrain.core.rollout_records import RolloutRow
from drivetrain.model.predictor import load
from drivetrain.rollout.events import Turn, Turned
from drivetrain.rollout.hands import Hands
from drivetrain.rollout.live import Live
from drivetrain.rollout.opening import open_rollout
from drivetrain.rollout.policy import Policy
from drivetrain.rollout.stage import Stage
from drivetrain.store.new_key import new_key
from drivetrain.store.sql_store import open_store

SALT = bytes(range(32))
MODEL = "farben"
NAME = "farben-1"

Key = dict[str, str]


def policy(name: str = NAME, **changes: Any) -> Policy:
    """A policy whose decisions are final at once, unless it says otherwise; ``parallel={"audit": 1.0}`` changes a part."""
    given: dict[str, Any] = {"name": name, "model": MODEL, **changes}
    given["cases"] = {"undo_seconds": 0, **given.get("cases", {})}
    return Policy.model_validate_json(json.dumps(given))


def opened(store: Path | str, rules: Policy | None = None, *, bundle: Path = KEPT, salt: bytes = SALT) -> RolloutRow:
    """Open a rollout in a store."""
    kept = open_store(str(store))
    try:
        return open_rollout(
            kept,
            rules or policy(),
            load(bundle).manifest,
            "Ada",
            at=datetime.now(UTC),
            salt=salt,
            rollout_id=new_id(),
        )
    finally:
        kept.close()


def reviewers(store: Path | str, *names: str) -> list[Key]:
    """Headers with a new review key for each name."""
    kept = open_store(str(store))
    try:
        found = []
        for name in names:
            secret, key = new_key(name, Role.REVIEW)
            kept.add_key(key)
            found.append({"Authorization": f"Bearer {secret}"})
        return found
    finally:
        kept.close()


def sender(store: Path | str) -> Key:
    """Headers with a new key that may send cases."""
    return with_keys(store, Role.PREDICT)[0]


def admin(store: Path | str) -> Key:
    """Headers with a new key that may turn a rollout."""
    return with_keys(store, Role.ADMIN)[0]


def send(client: TestClient, key: str, who: Key, *images: bytes, **case: Any) -> dict[str, Any]:
    """Send a case; its answer."""
    answer = client.post(
        "/v1/cases",
        headers={**who, "Idempotency-Key": key},
        **form(*(images or (jpeg(1),)), case=json.dumps(case)),
    )
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def following(client: TestClient, who: Key, **query: Any) -> dict[str, Any] | None:
    """The next review of a person."""
    answer = client.get("/v1/reviews/next", headers=who, params=query)
    assert answer.status_code == 200, answer.text
    review: dict[str, Any] | None = answer.json()["review"]
    return review


def answer(client: TestClient, who: Key, review: Mapping[str, Any], label: str | None, **more: Any) -> dict[str, Any]:
    """Answer a review; None: cannot tell."""
    body = {"label": label, "cannot_tell": label is None, **more}
    said = client.post(f"/v1/reviews/{review['id']}", headers=who, json=body)
    assert said.status_code == 200, said.text
    done: dict[str, Any] = said.json()
    return done


def forced(store: Path | str, *stages: tuple[Stage, int]) -> None:
    """Advance a rollout as if its gates had let it, stage by stage."""
    kept = open_store(str(store))
    try:
        row = kept.rollout(NAME)
        assert row is not None
        live = Live(kept, row.id, lambda: datetime.now(UTC), new_id)
        for stage, step in stages:
            with live.replica.writing() as writing:
                hands = Hands(writing, row.id, datetime.now(UTC), new_id)
                hands.take(Turned(hands.now, Turn.ADVANCED, "Ada", "a test", stage, step))
    finally:
        kept.close()
