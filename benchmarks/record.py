"""Where a result was measured, and how: written beside every figure."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"


def data_root() -> Path:
    """The photos the benchmarks run on: ``$DRIVETRAIN_DATA``, or ``../shared/data`` beside the project."""
    root = Path(os.environ.get("DRIVETRAIN_DATA", ROOT.parent / "shared" / "data"))
    if not root.is_dir():
        sys.exit(f"no benchmark photos at {root}; set DRIVETRAIN_DATA")
    return root


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with ``--out``."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--out", type=Path, help="write the result as JSON to this file")
    return arguments


def record(result: dict[str, Any], out: Path | None) -> None:
    """Print a result, and write it with its circumstances."""
    print(json.dumps(result, indent=2))
    if out is None:
        return
    circumstances = {
        "command": " ".join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *_shown(sys.argv[1:])]),
        "date": datetime.date.today().isoformat(),
        "commit": _git("rev-parse", "--short", "HEAD") + ("-dirty" if _git("status", "--porcelain", "src") else ""),
        "machine": {"cpu": _cpu(), "cores": len(os.sched_getaffinity(0)), "system": platform.platform(terse=True)},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("drivetrain", "numpy", "pillow", "onnxruntime")},
        },
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**circumstances, "result": result}, indent=2) + "\n", encoding="utf-8")


def _shown(arguments: list[str]) -> list[str]:
    """Arguments without absolute paths of this machine."""
    return [Path(argument).name if argument.startswith("/") else argument for argument in arguments]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
