"""A rollout outlives its server: the benchmark of five reviewers and kill -9, small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.processes
@pytest.mark.parametrize("processes", [1, 2])
def test_no_case_is_lost_and_none_decided_twice_when_servers_are_killed(processes: int) -> None:
    command = [sys.executable, "-m", "benchmarks.rollout_server", "--cases", "200", "--kills", "3"]
    done = subprocess.run(
        [*command, "--processes", str(processes)], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert (found["cases"], found["settled"], found["waiting"], found["kills"]) == (200, 200, 0, 3)
    assert found["decisions"] >= 200
    lost = {name: found[name] for name in ("cases_lost", "cases_twice", "decisions_lost", "decided_twice")}
    assert lost == dict.fromkeys(lost, 0)
    assert found["chain_intact"] is True
    assert found["gates"] > 5
    assert found["gates_are_equal"] is True
    assert found["state_is_equal"] is True
