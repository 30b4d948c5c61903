"""The guide's requests run as they stand, one after the other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import httpx2 as httpx
import pytest
from rolled import NAME, admin, opened, policy, reviewers, sender
from running import KEPT, form, jpeg, serving

from drivetrain.store.log_export import verify_file

GUIDE = (Path(__file__).parents[2] / "docs" / "rollout-server.md").read_text(encoding="utf-8")


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("curl") is None, reason="the guide's requests are made with curl")
def test_the_guides_requests_are_answered(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    opened(store, policy(cases={"undo_seconds": 60}))
    (ada,) = reviewers(store, "Ada")
    names = {"SENDER": sender(store), "ADA": ada, "BOSS": admin(store)}
    secrets = {name: key["Authorization"].partition(" ")[2] for name, key in names.items()}
    (tmp_path / "cell.jpg").write_bytes(jpeg(1))
    blocks = [block for block in re.findall(r"```bash\n(.*?)```", GUIDE, flags=re.DOTALL) if "curl" in block]
    assert len(blocks) == 4
    with serving(KEPT, store=store, log=tmp_path / "log", max_batch=1) as server:
        environment = {**os.environ, **secrets, "SERVER": server.address, "ROLLOUT": NAME}
        # The rollout was opened a moment ago; and the second block decides the case that the third would be given.
        _until_taken(server.address, secrets["SENDER"])
        for block in blocks:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    kept = dict(json.loads(re.search(r"```json\n(.*?)```", GUIDE, flags=re.DOTALL)[1]))
    assert set(kept) == {"id", "key", "rollout", "status", "decision"}
    assert json.loads((tmp_path / "status.json").read_text())["stage"] == "parallel"
    assert json.loads((tmp_path / "paused.json").read_text())["paused"] is True
    assert json.loads((tmp_path / "resumed.json").read_text())["paused"] is False
    assert verify_file(tmp_path / "log.jsonl").number == len((tmp_path / "log.jsonl").read_text().splitlines())


def _until_taken(address: str, secret: str) -> None:
    """Send a case, which Ada will be asked about, until the server takes it."""
    for _ in range(200):
        said = httpx.post(
            f"{address}/v1/cases",
            headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": "first"},
            **form(jpeg(2)),
        )
        if said.status_code == 200:
            return
        assert said.status_code == 503, said.text
        time.sleep(0.1)
    raise AssertionError("the case was never taken")
