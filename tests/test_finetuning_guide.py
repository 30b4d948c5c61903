"""docs/finetuning.md: its code runs, and does what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import drivetrain as dt

pytestmark = pytest.mark.deep

GUIDE = (Path(__file__).resolve().parent.parent / "docs" / "finetuning.md").read_text(encoding="utf-8")


def test_the_guides_code_runs(pictures: Path, tmp_path: Path) -> None:
    for kind, name in (("discs", "black"), ("squares", "grizzly"), ("stripes", "teddy")):
        shutil.copytree(pictures / kind, tmp_path / "bears" / name)
    code = "\n".join(re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL))
    # Pictures of 96 × 80 pixels gain nothing from more, and a network takes a fifth of the time.
    code, replaced = re.subn(r"RandomResizedCrop\(224,", "RandomResizedCrop(96,", code)
    assert replaced == 1
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "DRIVETRAIN_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    for name in ("confusion.svg", "losses.png", "heat.png"):
        assert (tmp_path / name).stat().st_size > 1000
    assert ".jpg" in done.stdout  # the slices
    manifest = dt.load(tmp_path / "bears.bundle").manifest
    assert manifest.training.fine_tuning is not None
    assert manifest.training.fine_tuning.epochs == 2
