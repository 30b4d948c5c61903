"""The command line's output: progress and remarks on stderr, results on stdout, errors in one line."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..core.ports import Advance
from ..core.visible import visible, visible_json

# The exit code of a command whose answer is no: it was carried out, and the thing it checked is not in order.
SAID_NO = 1


def to_json(document: Any, indent: int | None = None) -> str:
    """Write JSON that stdout can hold: in a legacy encoding all characters beyond ASCII are escaped."""
    plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    return visible_json(json.dumps(document, indent=indent, ensure_ascii=plain))


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    print_part(to_json(document, indent=2) + "\n")


def print_part(json_text: str) -> None:
    """Print a part of a JSON document, as `to_json` made it, on stdout at once: a reader may wait at the end of a pipe."""
    sys.stdout.write(json_text)
    sys.stdout.flush()


def print_line(line: str) -> None:
    """Print one line on stdout, at once; tabs stay, as they separate columns."""
    sys.stdout.write(visible(line, keep="\t") + "\n")
    sys.stdout.flush()


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and their values in two columns; wrapped on a terminal, one line each elsewhere."""
    rows = list(pairs)
    indent = max((len(name) for name, _ in rows), default=0) + 2
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for name, text in rows:
        name, text = visible(name), visible(text)
        lines = [text]
        if width:
            lines = textwrap.wrap(text, max(width - indent, 30), break_long_words=False, break_on_hyphens=False)
        for position, line in enumerate(lines or [""]):
            print_line(f"{name if position == 0 else '':<{indent}}{line}".rstrip())


def print_table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> None:
    """Print columns as wide as their cells, those in ``right`` aligned to the right."""
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print_line("  ".join(cells).rstrip())


def remark(line: str) -> None:
    """Print one line on stderr."""
    sys.stderr.write(one_line(line) + "\n")


def one_line(text: str) -> str:
    """Return text that stays on its line and cannot steer a terminal, whatever file names it carries."""
    return visible(" ".join(text.split()))


def _rate(per_second: float) -> str:
    """Tell how quickly things are done: how many a second, or how long one takes where that is longer."""
    if per_second >= 1 or not per_second:
        return f"{per_second:.0f}/s"
    return f"{1 / per_second:.1f} s each"


class ConsoleProgress:
    """Progress bars on a terminal; on a pipe or in a log, one line when a stage ends."""

    def __init__(self, quiet: bool = False, counted: str = "images") -> None:
        """``counted``: the things that a stage counts, unless it says otherwise."""
        from rich.console import Console

        self._counted = counted
        self._console = Console(stderr=True, quiet=quiet, highlight=False, markup=False, emoji=False)

    @contextmanager
    def stage(self, name: str, total: int, counted: str | None = None) -> Iterator[Advance]:
        """Show a bar with rate and time left; ``counted`` is what there are ``total`` of."""
        terminal = self._console.is_terminal
        with self._bar(name, total) if terminal else self._line(name, counted or self._counted) as advance:
            yield advance

    @contextmanager
    def _line(self, name: str, counted: str) -> Iterator[Advance]:
        start_s, count = time.perf_counter(), 0

        def advance(done: int, _note: str = "") -> None:
            nonlocal count
            count += done

        yield advance
        seconds = time.perf_counter() - start_s
        self.say(f"{name}: {count} {counted} in {seconds:.1f} s ({_rate(count / max(seconds, 1e-9))})")

    @contextmanager
    def _bar(self, name: str, total: int) -> Iterator[Advance]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description:<16}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>10}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[note]}", markup=False),
        )
        # Redirection is off: rich would take output meant for stdout to where the bar is, past any pipe or file.
        with Progress(*columns, console=self._console, redirect_stdout=False) as progress:
            task = progress.add_task(one_line(name), total=total, rate="", note="")

            def advance(count: int, note: str = "") -> None:
                progress.advance(task, count)
                speed = progress.tasks[task].finished_speed or progress.tasks[task].speed
                progress.update(task, rate=_rate(speed) if speed else "", note=one_line(note))

            yield advance

    def say(self, line: str) -> None:
        """Print one line."""
        self._console.print(one_line(line), markup=False, soft_wrap=True)

    def figure(self, name: str, svg: str) -> None:
        """Show nothing: a terminal shows no pictures."""
