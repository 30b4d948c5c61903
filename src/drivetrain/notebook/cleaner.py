"""Cleaning in a notebook: thumbnails in the order of a model's doubts, each with a menu to delete it or to give it another label.

Whatever a menu says stands in the log of edits of the data at once, so that no mark is lost when another class is shown or a
kernel ends. Places of items never change, so that loops over marks are right whatever is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.errors import DrivetrainError, UsageError
from ..core.installation import install_command
from ..core.reference import local_file
from ..data.sources.unpacked import UNPACKED
from .answer import hint_html
from .doubted import SIDES, Doubted, Doubts
from .marks import DELETE, KEEP, Marks, is_there
from .thumbnails import Thumbnails

ALL = "<All classes>"


@dataclass(frozen=True)
class Look:
    """The look of a cleaner: the box in pixels that thumbnails fit into, and how many there are on a page."""

    height: int = 128
    width: int = 256
    max_n: int = 30

    def __post_init__(self) -> None:
        for name in ("height", "width", "max_n"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UsageError(f"{name} is {value!r}; give a whole number of at least 1")


class Card:
    """One thumbnail with its words and its menu; it shows one item after another."""

    def __init__(self, widgets: Any, look: Look, marked: Callable[[int, str], str]) -> None:
        """``marked`` is told of each choice, and returns the mark that holds afterwards."""
        self._marked, self._quiet, self.row = marked, False, -1
        layout = widgets.Layout
        self.image = widgets.Image(format="jpeg", layout=layout(max_width="100%", height="auto", width="auto"))
        frame = widgets.Box(
            [self.image],
            layout=layout(height=f"{look.height}px", justify_content="center", align_items="center", overflow="hidden"),
        )
        self.words = widgets.HTML()
        self.menu = widgets.Dropdown(options=(KEEP, DELETE), layout=layout(width="auto"))
        width = f"{max(look.width, 120) + 16}px"
        self.view = widgets.VBox([frame, self.words, self.menu], layout=layout(width=width, margin="0 12px 12px 0"))
        self.menu.observe(self._chosen, "value")

    def show(self, row: int, one: Doubted, thumbnail: bytes | str, options: Sequence[str], mark: str) -> None:
        """Show an item; nobody is told of a choice."""
        self.row = row
        self.image.value = thumbnail if isinstance(thumbnail, bytes) else b""
        self.image.layout.display = None if isinstance(thumbnail, bytes) else "none"
        self.words.value = _words(one, "" if isinstance(thumbnail, bytes) else thumbnail)
        self._set(options, mark)

    def _set(self, options: Sequence[str], mark: str) -> None:
        self._quiet = True
        try:
            if tuple(self.menu.options) != tuple(options):
                self.menu.options = tuple(options)
            self.menu.value = mark
        finally:
            self._quiet = False

    def _chosen(self, change: Any) -> None:
        if not self._quiet:
            self._set(self.menu.options, self._marked(self.row, str(change["new"])))


class Cleaner:
    """The widgets, and the marks that a script goes by: `delete`, `change` and `fns`."""

    def __init__(self, doubts: Doubts, opts: Sequence[str], look: Look, by: str, clock: Callable[[], datetime]) -> None:
        """Make the widgets. ``opts``: further labels to choose from; ``by``: the person whose marks these are.

        Raises:
            UsageError: ipywidgets is not installed, the source is no path, or nobody is named.
            DataError: the log of edits cannot be read.
        """
        widgets = widgets_module()
        if not by.strip():
            raise UsageError("marks need the name of whoever makes them; give by=NAME")
        self._doubts, self._look, self._opts = doubts, look, tuple(opts)
        self._marks = Marks(doubts.source, [one.item for one in doubts.items], by, clock)
        self._thumbnails = Thumbnails(look.width, look.height, doubts.render)
        self._cards = [Card(widgets, look, self._marked) for _ in range(min(look.max_n, len(doubts.items)))]
        self._first, self._said = 0, ""
        self._build(widgets)
        self.show()

    def _build(self, widgets: Any) -> None:
        labels = dict.fromkeys(one.item.label for one in self._doubts.items if one.item.label is not None)
        named = [name for name in self._doubts.classes if name in labels]
        sides = [side for side in SIDES if any(one.side == side for one in self._doubts.items)]
        narrow, row = widgets.Layout(width="auto"), widgets.Layout(flex_flow="row wrap", align_items="center")
        choices = [*named, *(name for name in labels if name not in named), ALL]
        self.class_menu = widgets.Dropdown(options=choices, tooltip="Class", layout=narrow)
        self.side_menu = widgets.Dropdown(options=sides, tooltip="Side of the split", layout=narrow)
        self.previous = widgets.Button(description="Previous", icon="arrow-left", layout=narrow)
        self.next = widgets.Button(description="Next", icon="arrow-right", layout=narrow)
        self.status, self.how = widgets.HTML(), widgets.HTML()
        self.page = widgets.Box([], layout=widgets.Layout(flex_flow="row wrap", width="100%"))
        bar = [self.class_menu, self.side_menu, self.previous, self.next, self.status]
        self.view = widgets.VBox([widgets.HBox(bar, layout=row), self.how, self.page])
        for menu in (self.class_menu, self.side_menu):
            menu.observe(lambda _change: self._turn_to(0), "value")
        self.previous.on_click(lambda _button: self._turn_to(self._first - self._look.max_n))
        self.next.on_click(lambda _button: self._turn_to(self._first + self._look.max_n))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Show the widgets at the end of a cell, with the marks and files as they are now."""
        self.show()
        return self.view._repr_mimebundle_(**kwargs)

    # Marks for a script.

    @property
    def fns(self) -> list[Path]:
        """The file of every item; `delete` and `change` give places in this list.

        Raises:
            UsageError: they are no files of their own, as those inside an archive.
        """
        files = [local_file(one.item.reference) for one in self._doubts.items]
        own = [file for file in files if file is not None and not self._is_unpacked(file)]
        if len(own) < len(files):
            raise UsageError(
                f"the pictures of {self._doubts.source} are no files of their own; whatever reads it applies the marks, which "
                f"stand in {self._marks.place.name}"
            )
        return own

    def _is_unpacked(self, file: Path) -> bool:
        """Tells whether a file is but a copy of what is inside an archive or table."""
        place = self._doubts.unpacked
        return UNPACKED in file.parts or (place is not None and place in file.parents)

    def delete(self) -> list[int]:
        """Places in `fns` of the items marked to be deleted, whatever is shown; those without a file any more left out."""
        self._marks.refresh()
        return [row for row, mark in self._standing() if mark == DELETE]

    def change(self) -> list[tuple[int, str]]:
        """(place in `fns`, label) of the items marked to have another label, whatever is shown; those without a file any more
        left out."""
        self._marks.refresh()
        return [(row, mark) for row, mark in self._standing() if mark != DELETE]

    def _standing(self) -> list[tuple[int, str]]:
        return [(row, mark) for row, mark in self._marks.all().items() if is_there(self._doubts.items[row].item)]

    # The page.

    def show(self) -> None:
        """Show the page again: marks that others made are taken in, and what was moved or deleted meanwhile is left out."""
        try:
            self._marks.refresh()
        except DrivetrainError as error:
            self._said = str(error)
        rows, gone = self._listed()
        self._first = min(self._first, max(0, len(rows) - 1) // self._look.max_n * self._look.max_n)
        shown = rows[self._first : self._first + self._look.max_n]
        items = self._doubts.items
        made = self._thumbnails.of([(row, items[row].item.reference) for row in shown])
        options = self._options()
        for card, row, thumbnail in zip(self._cards, shown, made, strict=False):
            card.show(row, items[row], thumbnail, options, self._marks.of(row))
        self.page.children = tuple(card.view for card in self._cards[: len(shown)])
        self.previous.disabled = self._first == 0
        self.next.disabled = self._first + self._look.max_n >= len(rows)
        self.how.value = hint_html(self._doubts.how.get(self.side_menu.value, ""))
        self._counts = len(rows), gone
        self._tell()

    def _options(self) -> tuple[str, ...]:
        """The choices for an item: the same for all, so that a menu need not be made anew."""
        own = (label for label in self.class_menu.options if label != ALL)
        names = (*self._doubts.classes, *own, *self._opts, *self._marks.labels())
        return (KEEP, DELETE, *dict.fromkeys(names))

    def _listed(self) -> tuple[list[int], int]:
        """The items of the class and side chosen, the greatest loss first, and the number of those that are gone."""
        label, side = self.class_menu.value, self.side_menu.value
        items = self._doubts.items
        rows = [row for row, one in enumerate(items) if one.side == side and label in (ALL, one.item.label)]
        there = [row for row in rows if is_there(items[row].item)]
        losses = {row: items[row].loss for row in there}
        there.sort(key=lambda row: (losses[row] is None, -(losses[row] or 0.0), row))
        return there, len(rows) - len(there)

    def _turn_to(self, first: int) -> None:
        self._first, self._said = max(0, first), ""
        self.show()

    def _marked(self, row: int, choice: str) -> str:
        """Mark an item as its menu says. A mark that is not on the disk is not shown either."""
        mark = KEEP if choice == self._doubts.items[row].item.label else choice
        try:
            overtaken = self._marks.mark(row, mark)
            others = dict.fromkeys(edit.by for edit in overtaken)
            self._said = f"This overtook what {', '.join(others)} had marked meanwhile." if others else ""
        except (DrivetrainError, OSError) as error:
            self._said = f"Not marked: {error}"
        self._tell()
        return self._marks.of(row)

    def _tell(self) -> None:
        count, gone = self._counts
        pages = max(1, -(-count // self._look.max_n))
        marks = [mark for _, mark in self._standing()]
        parts = [f"{count} {'item' if count == 1 else 'items'}"]
        parts += [f"page {self._first // self._look.max_n + 1} of {pages}"] if pages > 1 else []
        parts += [f"{gone} moved or deleted since"] if gone else []
        parts += [f"in all {marks.count(DELETE)} to delete, {len(marks) - marks.count(DELETE)} to change"]
        self.status.value = hint_html(" · ".join(parts) + (f". {self._said}" if self._said else ""))


def widgets_module() -> Any:
    """Import ipywidgets.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return import_module("ipywidgets")
    except ModuleNotFoundError:
        raise UsageError(f"ipywidgets is not installed; {install_command('notebook')}") from None


def _words(one: Doubted, fault: str) -> str:
    said = f"cannot be read: {fault}" if fault else f"answer: {one.answer}" if one.answer else "no answer"
    loss = "" if one.loss is None else f" · loss {one.loss:.2f}"
    return (
        '<div style="line-height:1.35;font-size:.9em;overflow-wrap:anywhere">'
        f"{escape(one.item.name)}<br><span>{escape(said + loss)}</span></div>"
    )
