"""A desk as a process: started, killed, stopped, two of them at one log."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import numpy as np
import pytest
from process import kill_while_marking, running_desk
from sets import COPY, ITEMS

from drivetrain.cli.desk import STOPPED
from drivetrain.data.edits.log import EditLog
from drivetrain.desk import start
from tiny_backbone import TINY

pytestmark = [pytest.mark.processes, pytest.mark.trains]

NETWORK = ("--backbone", TINY)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache, so that a desk that begins again has its features."""
    return tmp_path_factory.mktemp("cache")


def test_no_acknowledged_edit_is_lost_when_a_desk_is_killed(source: Path, cache: Path) -> None:
    moments = np.random.default_rng(7).uniform(0.0, 0.4, 3).tolist()
    marked = kill_while_marking(source, cache, moments, *NETWORK)
    assert marked >= 3
    log = EditLog.open(source / "edits.jsonl")
    assert len(log.edits) >= marked
    for line in (source / "edits.jsonl").read_bytes().splitlines():
        json.loads(line)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_desk_that_is_told_to_stop_ends_as_it_should(source: Path, cache: Path, kind: signal.Signals) -> None:
    with running_desk(source, cache, "--by", "ann", *NETWORK) as desk:
        assert desk.told["log"] == str(source / "edits.jsonl")
        assert (desk.told["by"], desk.told["keys_required"]) == ("ann", False)
        desk.until_ready()
        desk.process.send_signal(kind)
        assert desk.process.wait(30) == 0
        assert desk.process.stderr is not None
        assert "Traceback" not in desk.process.stderr.read()


def test_ctrl_c_while_a_page_waits_ends_at_once_with_one_sentence(source: Path, cache: Path) -> None:
    command = [sys.executable, "-m", "drivetrain", "clean", str(source), "--no-open", "--port", "0", "--audit", "10"]
    process = subprocess.Popen(
        [*command, *NETWORK],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"DRIVETRAIN_CACHE": str(cache)},
    )
    try:
        assert process.stdout is not None
        address = next(word for line in process.stdout for word in line.split() if word.startswith("http://"))
        with httpx.Client(base_url=address, timeout=60) as client, ThreadPoolExecutor() as aside:
            state = client.get("/v1/desk").json()
            while state["ranking"]["state"] != "ready":
                time.sleep(0.1)
                state = client.get("/v1/desk").json()
            while client.get("/v1/desk/audit").json()["drawn"] != 12:
                time.sleep(0.1)
            waits = aside.submit(client.get, f"/v1/desk/changes?version={state['ranking']['version']}&wait_s=25")
            time.sleep(0.5)
            assert not waits.done()
            process.send_signal(signal.SIGINT)
            assert waits.result(20).json()["edits"] == []
        said, errors = process.communicate(timeout=30)
        assert process.returncode == 0
        assert said.splitlines()[-1] == STOPPED
        assert errors == ""
    finally:
        process.kill()
        process.wait()


def test_a_desk_can_be_stopped_while_it_surveys(source: Path, tmp_path: Path) -> None:
    with running_desk(source, tmp_path / "empty", *NETWORK) as desk:
        desk.process.send_signal(signal.SIGTERM)
        assert desk.process.wait(30) == 0


def test_two_desks_at_one_set_see_each_other(source: Path, cache: Path) -> None:
    with running_desk(source, cache, *NETWORK) as here, running_desk(source, cache, *NETWORK) as there:
        assert here.address != there.address
        for desk in (here, there):
            assert desk.until_ready()["items"] == ITEMS
        item = next(one for one in here.items().values() if one["name"] == COPY)
        body = {"by": "ann", "changes": [{"id": item["id"], "to": "remove"}]}
        first = here.client.post("/v1/desk/edits", json=body).json()
        told = there.client.get("/v1/desk/changes?version=1&wait_s=25").json()
        assert [edit["id"] for edit in told["edits"]] == [first["last_edit_id"]]
        other = {"by": "bob", "changes": [{"id": item["id"], "to": "keep"}]}
        overtaken = there.client.post("/v1/desk/edits", json=other).json()["overtaken"]
        assert [one["edit"]["by"] for one in overtaken] == ["ann"]
        found = here.client.get(
            f"/v1/desk/changes?after={first['last_edit_id']}&version=1&state=ready&wait_s=25"
        ).json()
        until = [*found["edits"]]
        while not until:  # a new ranking may come before
            after = f"after={first['last_edit_id']}&version={found['ranking']['version']}"
            found = here.client.get(f"/v1/desk/changes?{after}&wait_s=25").json()
            until = found["edits"]
        assert [edit["by"] for edit in until] == ["bob"]


def test_a_port_that_is_taken_is_said_and_without_one_the_next_is_tried(source: Path) -> None:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    command = [sys.executable, "-m", "drivetrain", "clean", str(source), "--no-open", "--port", str(port)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert f"cannot serve on 127.0.0.1:{port}" in refused.stderr
    assert refused.stderr.count("\n") == 1
    taken.close()
    first = start.bind_desk("127.0.0.1", None)
    second = start.bind_desk("127.0.0.1", None)
    try:
        ports = [one.getsockname()[1] for one in (first, second)]
        assert start.PORT <= ports[0] < ports[1] < start.PORT + start.PORTS_TRIED
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--host", "0.0.0.0"), "--key-file"),
        (("--host", "192.0.2.1", "--key-file", "KEY"), "cannot serve on 192.0.2.1"),
        (("--key-file", "nothing.txt"), "cannot be read"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    source: Path, tmp_path: Path, flags: tuple[str, ...], words: str
) -> None:
    (tmp_path / "key.txt").write_text("0123456789abcdef")
    given = [str(tmp_path / "key.txt") if flag == "KEY" else flag for flag in flags]
    command = [sys.executable, "-m", "drivetrain", "clean", str(source), "--no-open", *given]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert refused.returncode == 2
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_tables_and_archives_have_their_log_beside_them(source: Path, cache: Path, tmp_path: Path) -> None:
    rows = [f"{path.relative_to(source).as_posix()},{path.parent.name}" for path in sorted(source.rglob("*.jpg"))]
    (source / "labels.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    with running_desk(source / "labels.csv", cache, *NETWORK) as desk:
        assert desk.until_ready()["items"] == len(rows)
        assert desk.told["log"] == str(source / "labels.csv.edits.jsonl")
        item = next(iter(desk.items()))
        assert httpx.get(f"{desk.address}/v1/desk/items/{item}/thumbnail").status_code == 200
        desk.client.post(
            "/v1/desk/edits", json={"by": "ann", "changes": [{"id": item, "to": "keep"}]}
        ).raise_for_status()
    assert len(EditLog.open(source / "labels.csv.edits.jsonl").edits) == 1
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", source)
    with running_desk(Path(packed), cache, *NETWORK) as desk:
        assert desk.until_ready()["items"] >= len(rows)
        assert desk.told["log"] == f"{packed}.edits.jsonl"
        item = next(iter(desk.items()))
        assert httpx.get(f"{desk.address}/v1/desk/items/{item}/thumbnail").status_code == 200
