"""The document the console's client is generated from is the server's own."""

from __future__ import annotations

import json
from pathlib import Path

from starlette.testclient import TestClient

DOCUMENT = Path(__file__).resolve().parents[2] / "web" / "openapi.json"


def test_the_console_knows_the_api_as_it_is(client: TestClient) -> None:
    kept = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    assert kept == client.get("/openapi.json").json(), "the API has changed; run: make openapi"
