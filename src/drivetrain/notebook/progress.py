"""Progress in a notebook: a bar, the lines that are worth knowing, and figures, each changed where it stands.

It is plain HTML and SVG: no widgets, so it looks the same in Jupyter, Colab and VS Code, and in a notebook that was
saved. Colours are see-through or of middle lightness, and letters are the page's own, for light and dark pages alike.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from importlib import import_module
from itertools import groupby
from typing import Any

from ..core.ports import Advance, Progress, Silent

# Seconds between changes: no eye follows more of them, and each is a message to the browser.
PAUSE_S = 0.1

# The number of lines shown, the last ones: every change sends all of them again.
LINES = 200

SHELL = "ZMQInteractiveShell"
"""IPython's class that runs the cells of a notebook; Colab's derives from it, a terminal's does not."""

CELL = "padding:.1em .8em;text-align:right;border:0"


def here() -> Progress:
    """Return the progress for where this runs: in a notebook the output of the cell, and none elsewhere.

    >>> here().__class__.__name__
    'Silent'
    """
    # IPython is looked for, not imported: a notebook has loaded it long before.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return NotebookProgress() if any(kind.__name__ == SHELL for kind in type(shell).__mro__) else Silent()


@dataclass(eq=False)
class _Bar:
    name: str
    total: int
    began_s: float
    count: int = 0
    note: str = ""
    seconds: float = 0.0

    def html(self) -> str:
        share = min(self.count / self.total, 1.0) if self.total > 0 else 1.0
        return (
            '<div style="display:flex;align-items:center;gap:.8em;margin:.2em 0">'
            f"<span>{escape(self.name)}</span>"
            f'<span role="progressbar" aria-valuemin="0" aria-valuemax="{self.total}" aria-valuenow="{self.count}" '
            'style="display:inline-block;width:16em;height:.7em;border-radius:.35em;background:#8884;overflow:hidden">'
            f'<span style="display:block;width:{100 * share:.1f}%;height:100%;background:#3b82f6"></span></span>'
            f'<span style="font-variant-numeric:tabular-nums">{escape(self.figures())}</span></div>'
        )

    def figures(self) -> str:
        """Write figures such as "120/400 · 57/s · 0:05 left · loss 0.312"."""
        parts = [f"{self.count}/{self.total}"]
        rate = self.count / self.seconds if self.seconds > 0 else 0.0
        if rate:
            parts.append(f"{rate:.1f}/s" if rate < 10 else f"{rate:.0f}/s")
        if self.count >= self.total:
            parts.append(_minutes(self.seconds))
        elif rate:
            parts.append(f"{_minutes((self.total - self.count) / rate)} left")
        return " · ".join([*parts, self.note] if self.note else parts)


class NotebookProgress:
    """Shows a cell's progress in that cell's output. For use in a notebook's kernel."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Make a progress; ``clock`` gives seconds."""
        self._clock = clock
        self._cell: object = None
        self._open: list[_Bar] = []
        self._clear()

    def _clear(self) -> None:
        self._bars: list[_Bar] = []
        self._lines: list[str] = []
        self._handles: dict[str, Any] = {}
        self._shown_s = 0.0

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Show a bar with count, rate, time left and note. The last bar stays when it is done."""
        self._turn_to_cell()
        bar = _Bar(name, total, self._clock())
        self._open.append(bar)
        self._bars = [*self._open]

        def advance(count: int, note: str = "") -> None:
            bar.count += count
            bar.note = note or bar.note
            if self._clock() - self._shown_s >= PAUSE_S:
                self._show()

        self._show()
        try:
            yield advance
        finally:
            self._show()
            self._open.remove(bar)
            self._bars = [*self._open] or [bar]

    def say(self, line: str) -> None:
        """Show one line; lines of figures, such as an epoch's, become rows of a table."""
        self._turn_to_cell()
        self._lines.append(line)
        self._show()

    def figure(self, name: str, svg: str) -> None:
        """Show the figure below the lines, in the place of the one of that name shown before in this cell."""
        self._turn_to_cell()
        if "progress" not in self._handles:
            self._show()
        self._put(f"figure {name}", {"image/svg+xml": svg, "text/plain": name})

    def _turn_to_cell(self) -> None:
        """Begin anew where another cell is run, so that its progress is shown in its own output."""
        cell = import_module("IPython").get_ipython().execution_count
        if cell != self._cell:
            self._cell = cell
            self._clear()

    def _show(self) -> None:
        self._shown_s = self._clock()
        for bar in self._open:
            bar.seconds = self._shown_s - bar.began_s
        plain = [*self._lines, *(f"{bar.name} {bar.figures()}" for bar in self._bars)]
        html = "".join([*_blocks(self._lines), *(bar.html() for bar in self._bars)])
        self._put("progress", {"text/html": f"<div>{html}</div>", "text/plain": "\n".join(plain)})

    def _put(self, place: str, bundle: Mapping[str, str]) -> None:
        """Show a part, or change the part that is shown in this place."""
        if place in self._handles:
            self._handles[place].update(bundle, raw=True)
        else:
            self._handles[place] = import_module("IPython.display").display(bundle, raw=True, display_id=True)


def _blocks(lines: list[str]) -> Iterator[str]:
    """Write lines as HTML: neighbours that have the same columns stand in one table."""
    if len(lines) > LINES:
        yield f"<div>… {len(lines) - LINES} lines before</div>"
    rows = [(line, _cells(line)) for line in lines[-LINES:]]
    for columns, group in groupby(rows, key=lambda row: tuple(row[1])):
        if not columns:
            yield from (f"<div>{escape(line)}</div>" for line, _ in group)
            continue
        head = "".join(f'<th style="{CELL}">{escape(column)}</th>' for column in columns)
        body = "".join(
            "<tr>" + "".join(f'<td style="{CELL}">{escape(cell)}</td>' for cell in cells.values()) + "</tr>"
            for _, cells in group
        )
        yield (
            '<table style="border-collapse:collapse;font-variant-numeric:tabular-nums;background:none">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def _cells(line: str) -> dict[str, str]:
    """Read a line of figures by column; empty for any other line.

    >>> _cells("epoch 1/3: train 0.9163, label accuracy 0.5000, 1.2 s")
    {'': 'epoch 1/3', 'train': '0.9163', 'label accuracy': '0.5000', 'time': '1.2 s'}
    >>> _cells("predict: 60 images in 1.2 s")
    {}
    """
    title, _, rest = line.partition(": ")
    cells = {"": title}
    for part in rest.split(", "):
        name, _, value = part.rpartition(" ")
        if value == "s":
            name, number, value = "time", name, part
        else:
            number = value
        if not name or not _is_number(number):
            return {}
        cells[name] = value
    return cells


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _minutes(seconds: float) -> str:
    """Write seconds as 0:05, 12:40 or 3:05:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
