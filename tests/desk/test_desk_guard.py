"""Who may speak to a desk: this machine's own pages, and others with a key only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sets import desk_of, opened, until

from drivetrain.core.errors import UsageError

pytestmark = pytest.mark.trains

SECRET = "a secret of some length"


def test_pages_of_other_sites_are_refused(source: Path) -> None:
    client = opened(desk_of(source))
    try:
        until(client)
        body = {"by": "mallory", "changes": [{"id": "x", "to": "remove"}]}
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            answer = client.post("/v1/desk/edits", json=body, headers=headers)
            assert answer.status_code == 403
            assert "another site" in answer.json()["detail"]
        own = client.post("/v1/desk/edits", json=body, headers={"origin": "http://localhost"})
        assert own.status_code == 404  # let through, and there is no such item
        rebound = client.get("/v1/desk", headers={"host": "evil.example"})
        assert rebound.status_code == 403
        proxied = client.get("/v1/desk", headers={"x-forwarded-for": "10.0.0.1"})
        assert proxied.status_code == 403
        head = client.get("/v1/desk").headers
        assert head["cross-origin-resource-policy"] == "same-origin"
        assert "default-src 'none'" in head["content-security-policy"]
    finally:
        client.__exit__(None, None, None)


def test_others_need_a_key(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--key-file"):
        desk_of(source, host="0.0.0.0")
    key = tmp_path / "key.txt"
    key.write_text(f"  {SECRET}\n")
    client = opened(desk_of(source, host="0.0.0.0", key_file=key), "http://desk.example:8010")
    try:
        assert client.get("/v1/whoami").json()["role"] is None
        for address in ("/v1/desk", "/v1/desk/items", "/v1/desk/changes", "/v1/desk/items/x/thumbnail"):
            assert client.get(address).status_code == 401
            assert client.get(address, headers={"authorization": "Bearer wrong"}).status_code == 401
        assert client.post("/v1/desk/edits", json={}).status_code == 401
        with_key = {"authorization": f"Bearer {SECRET}"}
        assert client.get("/v1/desk", headers=with_key).status_code == 200
        assert client.get("/v1/whoami", headers=with_key).json()["role"] == "admin"
    finally:
        client.__exit__(None, None, None)


def test_a_key_has_to_be_there_and_long_enough(source: Path, tmp_path: Path) -> None:
    (tmp_path / "short").write_text("short")
    for path, words in (
        (tmp_path / "none", "cannot be read"),
        (tmp_path / "short", "16 or more"),
        (Path(os.devnull), "cannot be read"),
    ):
        with pytest.raises(UsageError, match=words):
            desk_of(source, key_file=path)
