"""A server that is open to this machine, and how it closes for good: in its own process, with the commands people use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from crowd import until
from running import Running, form, jpeg, serving

pytestmark = pytest.mark.processes


def keys(store: Path, *arguments: str) -> Any:
    command = [sys.executable, "-m", "drivetrain", "keys", *arguments, "--store", str(store), "--json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def status(running: Running, path: str = "/v1/models", **headers: str) -> int:
    return httpx.get(f"{running.address}{path}", headers=headers, timeout=20).status_code


@pytest.mark.parametrize("processes", [1, 2])
def test_from_the_first_key_on_it_is_closed(tmp_path: Path, kept: Path, processes: int) -> None:
    store = tmp_path / "store.db"
    options = {"workers": 1, "max_batch": 1, "processes": processes}
    with serving(kept, store=store, log=tmp_path / "log", **options) as running:
        assert status(running) == 200
        made = keys(store, "add", "first", "--role", "admin")
        # Each process looks for itself: several times in a row none of them answers.
        until(lambda: all(status(running) == 401 for _ in range(8)), "everybody is asked for a key")
        secret = {"Authorization": f"Bearer {made['secret']}"}
        assert status(running, **secret) == 200
        assert status(running, "/v2/health/ready") == 200
        keys(store, "revoke", "first")
        until(lambda: all(status(running, **secret) == 401 for _ in range(8)), "the key is of no use")
        assert status(running) == status(running, "/metrics") == status(running, "/v1/predictions") == 401
        assert httpx.post(f"{running.address}/v1/predict", **form(jpeg()), timeout=20).status_code == 401
        assert httpx.get(f"{running.address}/v1/whoami").json()["keys_required"]
        assert running.stop() == 0
    with serving(kept, store=store, log=tmp_path / "log 2", **options) as running:
        assert running.told["keys_required"]
        assert status(running) == 401
        assert running.stop() == 0
    assert "every key of this store has been revoked" in (tmp_path / "log 2").read_text()


PROXIED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "Forwarded": "for=203.0.113.7",
    "Via": "1.1 proxy",
    "X-Real-IP": "203.0.113.7",
    "CF-Connecting-IP": "203.0.113.7",
    "True-Client-IP": "203.0.113.7",
    "X-Envoy-External-Address": "203.0.113.7",
}


def test_while_open_nothing_comes_through_a_proxy(tmp_path: Path, kept: Path) -> None:
    store = tmp_path / "store.db"
    with serving(kept, store=store, log=tmp_path / "log", workers=1, max_batch=1) as running:
        paths = ("/", "/docs", "/v1/whoami", "/v1/models", "/v2/health/live", "/metrics", "/openapi.json", "/nowhere")
        for path in paths:
            for name, value in PROXIED.items():
                assert status(running, path, **{name: value}) == 403, (path, name)
        refused = httpx.post(f"{running.address}/v1/predict", headers={"Via": "1.1 x"}, **form(jpeg()))
        assert refused.status_code == 403
        assert "only be reached from this machine" in refused.json()["detail"]
        secret = keys(store, "add", "gateway")["secret"]
        until(lambda: status(running, Via="1.1 x") == 401, "a key is asked for")
        assert status(running, Via="1.1 x", Authorization=f"Bearer {secret}") == 200
        assert running.stop() == 0


def test_a_malformed_form_is_said_once_and_with_the_requests_id(tmp_path: Path, kept: Path) -> None:
    log = tmp_path / "log"
    with serving(kept, store=tmp_path / "store.db", log=log, workers=1, max_batch=1) as running:
        bodies = (b"no boundary", b'--b\r\nContent-Disposition: form-data; name="images"; filename="x"\r\n\r\ncut')
        for body in bodies:
            before = len(log.read_text().splitlines())
            answer = httpx.post(
                f"{running.address}/v1/predict",
                content=body,
                headers={"Content-Type": "multipart/form-data; boundary=b"},
            )
            assert answer.status_code == 400
            lines = log.read_text().splitlines()[before:]
            assert len(lines) == 1, lines
            assert answer.json()["request_id"] in lines[0]
        assert running.stop() == 0
