"""The least versions that pyproject.toml admits, as constraints for pip: ``python tests/floors.py serve parquet``.

Of what drivetrain asks for itself, always and for the extras named; what those need in turn is left to pip, which takes
the newest. ``make floors`` installs the result and runs a part of the suite on it.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
LEAST = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*(?:>=|==)\s*([^,;\s]+)[^;]*(;.*)?")


def floors(extras: Iterable[str]) -> list[str]:
    """Such as ``numpy==2.0``; for a requirement that names no least version ValueError."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    lines: list[str] = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    found = []
    for line in lines:
        if line.startswith("drivetrain["):
            continue  # an extra of our own, which is named by itself
        match = LEAST.fullmatch(line)
        if match is None:
            raise ValueError(f"{line!r} names no least version")
        found.append(f"{match[1]}=={match[2]}{match[3] or ''}")
    return found


if __name__ == "__main__":
    sys.stdout.write("\n".join(floors(sys.argv[1:])) + "\n")
