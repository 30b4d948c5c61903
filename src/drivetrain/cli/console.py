"""How the command line talks: progress and remarks on stderr, results on stdout, errors in one line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core.ports import Advance


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


class ConsoleProgress:
    """Progress bars on a terminal; on a pipe or in a log, one line when a stage ends."""

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, quiet=quiet, highlight=False)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """A bar with rate and time left."""
        with self._bar(name, total) if self._console.is_terminal else self._line(name) as advance:
            yield advance

    @contextmanager
    def _line(self, name: str) -> Iterator[Advance]:
        start_s, count = time.perf_counter(), 0

        def advance(done: int) -> None:
            nonlocal count
            count += done

        yield advance
        seconds = time.perf_counter() - start_s
        self._console.print(f"{name}: {count} images in {seconds:.1f} s ({count / max(seconds, 1e-9):.0f}/s)")

    @contextmanager
    def _bar(self, name: str, total: int) -> Iterator[Advance]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description:<17}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>9}"),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(name, total=total, rate="")

            def advance(count: int) -> None:
                progress.advance(task, count)
                speed = progress.tasks[task].finished_speed or progress.tasks[task].speed
                progress.update(task, rate=f"{speed:.0f}/s" if speed else "")

            yield advance

    def say(self, line: str) -> None:
        """One line."""
        self._console.print(line, markup=False)


def percent(value: float) -> str:
    """0.973 → 97.3 %."""
    return f"{100 * value:.1f} %"
