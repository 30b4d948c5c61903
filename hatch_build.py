"""Puts the console's pages into the wheel: builds them where that has not been done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleHook(BuildHookInterface):
    """Runs ``web/build.py``, which does nothing where the pages are newer than their sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """A checkout that is only linked to (editable) gets its pages from ``make web``."""
        del build_data
        if version == "editable":
            return
        build = Path(self.root) / "web" / "build.py"
        done = subprocess.run([sys.executable, str(build)], check=False)
        if done.returncode:
            raise RuntimeError("the console's pages could not be built; see above (Node 20 or newer is needed)")
