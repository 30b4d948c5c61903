"""The progress of a survey, for those who wait for it. Written by the thread that surveys and read by any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..core.ports import Advance


@dataclass
class Surveying:
    """A `Progress` that only remembers."""

    stage_name: str = ""
    done: int = 0
    total: int = 0
    said: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Enter a step."""
        self.stage_name, self.done, self.total = name, 0, total

        def advance(count: int, _note: str = "") -> None:
            self.done += count

        yield advance

    def say(self, line: str) -> None:
        """Remember a line."""
        self.said.append(line)

    def figure(self, name: str, svg: str) -> None:
        """Remember nothing: there is no place to show it."""
