"""Keeps `make quick` quick: whatever starts a process says so with a mark, and is left out there."""

from __future__ import annotations

import pytest

ALLOWED = {"browser", "deep", "installs", "postgres", "processes", "serial"}
"""Marks of tests that may start processes."""


class ProcessGuard:
    """Fails the test that runs where it starts a process without a mark for that; see `sys.addaudithook`.

    Not counted is the child in which `drivetrain.core.child` tries a file once.
    """

    running: pytest.Item | None = None
    """The test that runs."""

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Look at an event of the interpreter."""
        if event != "subprocess.Popen" or self.running is None or "-P" in self._words(arguments[1]):
            return
        if not ALLOWED & {mark.name for mark in self.running.iter_markers()}:
            raise AssertionError(f"{self.running.nodeid} starts {arguments[0]}; mark it with pytest.mark.processes")

    @staticmethod
    def _words(command: object) -> list[str]:
        return [str(word) for word in command] if isinstance(command, list | tuple) else [str(command)]
