"""The marks that `make quick` goes by: all are registered and explained, and a test that starts a process has one."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from process_guard import ALLOWED, ProcessGuard

ROOT = Path(__file__).resolve().parent.parent


def registered() -> set[str]:
    lines = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    return {line.partition(":")[0] for line in lines}


def test_quick_leaves_out_marks_that_exist_and_contributing_explains_all() -> None:
    left_out = re.search(r"^QUICK\s*:= not \((.*)\)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert left_out
    assert set(left_out[1].split(" or ")) == registered()
    explained = re.findall(r"^\| `(\w+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)
    assert registered() <= set(explained)
    assert registered() > ALLOWED


@pytest.mark.parametrize(
    ("marks", "command", "fine"),
    [
        ((), [sys.executable, "-c", ""], False),
        (("thorough",), "ls", False),
        (("processes",), [sys.executable, "-c", ""], True),
        ((), [sys.executable, "-P", "-m", "drivetrain.core.child"], True),
    ],
)
def test_what_starts_a_process_says_so(marks: tuple[str, ...], command: Any, fine: bool) -> None:
    guard = ProcessGuard()
    item: Any = SimpleNamespace(nodeid="test", iter_markers=lambda: [SimpleNamespace(name=name) for name in marks])
    guard.running = item
    if fine:
        guard("subprocess.Popen", ("python", command, None, None))
    else:
        with pytest.raises(AssertionError, match="mark it with"):
            guard("subprocess.Popen", ("python", command, None, None))


def test_the_guard_watches_this_very_test() -> None:
    with pytest.raises(AssertionError, match="test_the_guard_watches_this_very_test starts"):
        subprocess.run([sys.executable, "-c", ""], check=True)
