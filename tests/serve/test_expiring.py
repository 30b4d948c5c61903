"""A certified bundle in the server: its certificate expires when the mix of answers moves, until a person clears that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from held import MakeClient
from monitored import monitor, replayed, until
from running import KEPT, form
from starlette.testclient import TestClient

from coloured import draw_field
from drivetrain.app.certify import certify
from drivetrain.certification.asked import Asked
from drivetrain.certification.reading import Reading
from drivetrain.model.predictor import load

ENOUGH = 80
"""Events of one class in a row after which a certificate of three equally frequent classes has expired."""


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """The tiny bundle with a certificate of its own, and a picture that it accepts."""
    field = draw_field(tmp_path_factory.mktemp("field"), 40)
    out = tmp_path_factory.mktemp("certified") / "farben.bundle"
    reading = Reading(cache=tmp_path_factory.mktemp("cache"))
    assert certify(KEPT, field, Asked.of(max_error=0.2), out=out, reading=reading).certified
    predictor = load(out)
    picture = next(path for path in sorted(field.glob("rot/*.png")) if predictor.predict(path).verdict == "accept")
    return out, picture.read_bytes()


def asked(client: TestClient, picture: bytes, **metadata: str) -> dict[str, Any]:
    """The answer to a picture."""
    answer = client.post("/v1/predict", **form(picture, metadata=json.dumps(metadata)))
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()["predictions"][0]
    return said


def test_a_certificate_expires_and_a_person_decides(
    make_client: MakeClient, certified: tuple[Path, bytes], tmp_path: Path
) -> None:
    bundle, picture = certified
    client = make_client(bundles=(str(bundle),))
    found = until(client, lambda found: bool(found["progress"]["caught_up"]))
    assert found["certificate"]["stands"] is True
    assert asked(client, picture)["verdict"] == "accept"
    for event in range(ENOUGH):
        asked(client, picture, camera=f"trail-{event % 3}", group=f"event {event}")
    found = until(client, lambda found: bool(found["alarms"]))
    (alarm,) = found["alarms"]
    assert (alarm["monitor"], alarm["source"], alarm["looks_like"]) == ("certificate", None, "class-mix")
    assert alarm["evidence"]["mix"]["since"] != alarm["evidence"]["mix"]["before"]
    assert " to 100.0 %" in alarm["text"]
    assert found["certificate"]["stands"] is False
    assert "has expired since" in found["certificate"]["text"]
    held = asked(client, picture, camera="north-3")
    assert held["verdict"] == "review"
    assert "certificate" in held["reasons"][0]["text"]
    page = client.get("/metrics").text
    assert 'monitor="certificate",source="*"} 1.0' in page

    body = {"reason": "only these are in season", "by": "ada"}
    assert client.post(f"/v1/monitor/alarms/{alarm['id']}/clear", json=body).status_code == 200
    assert asked(client, picture, camera="north-3")["verdict"] == "accept"
    assert monitor(client)["certificate"]["stands"] is True
    state = json.loads(replayed(tmp_path / "store.db", bundle))
    assert (state["certificate"]["standing"], state["standing"]) == (False, [])


def test_a_bundle_without_a_certificate_says_nothing_of_one(make_client: MakeClient) -> None:
    assert monitor(make_client())["certificate"] is None
