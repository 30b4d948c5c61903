"""A server whose monitor can be made to raise an alarm: answers that are accepted, and people who say that they are wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from running import form, jpeg
from starlette.testclient import TestClient
from waiting import LONG_S

from drivetrain.core.identifiers import new_id
from drivetrain.core.records import ToldHow, Truth
from drivetrain.model.predictor import load
from drivetrain.monitor.following import alarm_of
from drivetrain.monitor.observation import Audit, Observation
from drivetrain.monitor.reference import Reference
from drivetrain.monitor.watch import Watch
from drivetrain.store.sql_store import open_store

ACCEPTED = jpeg(1)
"""A picture of which the tiny bundle is sure."""

ENOUGH = 14
"""Accepted answers that were all wrong after which any monitor of the audited error has alarmed."""


def ask(client: TestClient, camera: str | None = None) -> dict[str, Any]:
    """The answer to a picture that is accepted, as one of a camera."""
    fields = {} if camera is None else {"metadata": json.dumps({"camera": camera})}
    answer = client.post("/v1/predict", **form(ACCEPTED, **fields))
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()["predictions"][0]
    return said


def tell_wrong(store: Path, ids: list[str], how: ToldHow = ToldHow.BLIND) -> None:
    """Say that predictions were wrong, as another program on the same store."""
    opened = open_store(store)
    for number, one in enumerate(ids):
        opened.add_truth(Truth(new_id(lambda n=number: time.time_ns() + n), one, datetime.now(UTC), "ada", how, "rot"))
    opened.close()


def monitor(client: TestClient) -> dict[str, Any]:
    """What is known of the first model."""
    answer = client.get("/v1/monitor")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["models"][0]
    return found


def until(client: TestClient, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What is known of the first model, as soon as it is what is wanted."""
    end_s = time.monotonic() + LONG_S
    while time.monotonic() < end_s:
        found = monitor(client)
        if wanted(found):
            return found
        time.sleep(0.02)
    raise AssertionError(f"it did not come to that: {monitor(client)}")


def alarmed(client: TestClient, store: Path, camera: str = "trail-4") -> dict[str, Any]:
    """The alarm of a camera, raised as in life: by answers that a person found wrong."""
    tell_wrong(store, [ask(client, camera)["id"] for _ in range(ENOUGH)])
    alarm: dict[str, Any] = until(client, lambda found: bool(found["alarms"]))["alarms"][0]
    return alarm


def replayed(store: Path | str, bundle: Path) -> str:
    """The state of a watch that reads the whole store by itself, one entry after the other."""
    opened = open_store(store)
    predictor = load(bundle)
    watch = Watch.of(Reference.of(predictor))
    name, version = "farben", predictor.manifest.bundle_id
    clearings: dict[Any, int] = {}
    for entry in opened.feed(0, 1_000_000):
        record = entry.record
        assert (record.model, record.prediction.bundle_id) == (name, version)
        told = Observation.of_record(record) if entry.truth is None else Audit.of(record, entry.truth)
        if told is None:
            continue
        for key in [key for key, position in clearings.items() if position < entry.position]:
            watch.clear(*key)
            del clearings[key]
        for raised in watch.update(told):
            alarm = opened.alarm(alarm_of((name, version), raised).id)
            assert alarm is not None, "the server has not raised it"
            if alarm.cleared_position is not None:
                clearings[raised.monitor, raised.source] = alarm.cleared_position
    opened.close()
    return watch.to_json()


def kept_state(store: Path | str, bundle: Path) -> str:
    """The state as the server has written it."""
    opened = open_store(store)
    state = opened.monitor_state("farben", load(bundle).manifest.bundle_id)
    opened.close()
    assert state is not None
    return state.state
