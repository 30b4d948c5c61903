"""Marks on items, each an edit in the log of their source from the moment it is made, so that none is ever lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from ..core.reference import local_file, read_reference, size_of
from ..core.types import Item, ItemId
from ..data.edits.edit import Change, Edit, Fate, Standing
from ..data.edits.log import EditLog
from ..data.edits.matching import match
from ..data.edits.overlay import root_of
from ..data.edits.places import log_place
from ..data.edits.standings import Stood

KEEP, DELETE = "<Keep>", "<Delete>"
WHY = "cleaner"


class Marks:
    """The marks of all items by their place among ``items``: `KEEP`, `DELETE`, or the label that one is to have."""

    def __init__(self, source: str | Path, items: Sequence[Item], by: str, clock: Callable[[], datetime]) -> None:
        """Open the log of ``source``.

        Raises:
            UsageError: the source is no path of this machine.
            DataError: the log cannot be read.
        """
        self._items, self._by, self._clock = tuple(items), by, clock
        self._log = EditLog.open(log_place(source))
        self._root = root_of(source)
        self._stood: dict[int, Stood] = {}
        self._meet()

    @property
    def place(self) -> Path:
        """The log's file."""
        return self._log.path

    def refresh(self) -> None:
        """Take in what others have written into the log.

        Raises:
            DataError: it cannot be read.
        """
        if self._log.refresh():
            self._meet()

    def of(self, row: int) -> str:
        """The mark of an item."""
        stood = self._stood.get(row)
        if stood is None:
            return KEEP
        if stood.standing.fate is Fate.REMOVED:
            return DELETE
        label = stood.standing.label
        return KEEP if label is None or label == self._items[row].label else label

    def all(self) -> dict[int, str]:
        """The marks of the items that are marked, by place."""
        return {row: mark for row in sorted(self._stood) if (mark := self.of(row)) != KEEP}

    def labels(self) -> tuple[str, ...]:
        """The labels that items are to have, each once."""
        return tuple(dict.fromkeys(mark for mark in self.all().values() if mark != DELETE))

    def mark(self, row: int, mark: str) -> tuple[Edit, ...]:
        """Mark an item; the edit is on the disk when this returns. Returns edits by others that it overtook.

        Raises:
            DataError: the log cannot be written to, and nothing is marked.
        """
        if mark == self.of(row):
            return ()
        stood = self._stood.get(row)
        item = stood.item if stood else self._identity(row)
        change = Change(item, self._to(row, mark), WHY, seen=stood.last.id if stood else None)
        recorded = self._log.record([change], self._by, self._clock(), lambda _item: self._lying(row))
        now = self._log.standings.of(recorded.edits[0].item)
        assert now is not None, "an item that was edited stands somewhere"
        self._stood[row] = now
        return recorded.overtaken

    def _to(self, row: int, mark: str) -> Standing:
        if mark == DELETE:
            stood = self._stood.get(row)
            return replace(stood.standing if stood else self._lying(row), fate=Fate.REMOVED)
        return self._unmarked(row) if mark == KEEP else Standing(mark, Fate.KEPT)

    def _unmarked(self, row: int) -> Standing:
        """The standing to go back to: the last without a mark, as somebody may have vouched for the item."""
        stood, lying = self._stood.get(row), self._lying(row)
        history = self._log.standings.history(stood.item) if stood else ()
        stands = [standing for edit in history for standing in (edit.before, edit.after)]
        return next((one for one in reversed(stands) if _is_unmarked(one, lying)), lying)

    def _lying(self, row: int) -> Standing:
        item = self._items[row]
        return Standing(item.label, labels=item.labels)

    def _meet(self) -> None:
        """Find the items that the log speaks of."""
        names = [item.name for item in self._items]
        places = [item.reference for item in self._items]
        matched = match(self._log.standings, names, places, lambda name: (self._root / name).exists())
        self._stood = dict(matched.rows)

    def _identity(self, row: int) -> ItemId:
        """The item by name and content; by name alone where another has the same content, which must not be taken for it once
        the file is gone."""
        item = self._items[row]
        try:
            sha256 = _digest(item)
            size = size_of(item.reference)
            twins = (self._items[other] for other in self._by_size.get(size, ()) if other != row)
            unique = not any(is_there(other) and _digest(other) == sha256 for other in twins)
        except OSError:
            return ItemId(item.name, None)
        return ItemId(item.name, sha256 if unique else None)

    @cached_property
    def _by_size(self) -> dict[int, list[int]]:
        """The items by the size of their files."""
        found: dict[int, list[int]] = {}
        for row, item in enumerate(self._items):
            found.setdefault(size_of(item.reference), []).append(row)
        return found


def _is_unmarked(standing: Standing, lying: Standing) -> bool:
    return standing.fate is not Fate.REMOVED and standing.label == lying.label


def is_there(item: Item) -> bool:
    """Tells whether an item's file is where it was; of what is no file, that is taken for granted."""
    path = local_file(item.reference)
    return path is None or path.is_file()


def _digest(item: Item) -> str:
    return hashlib.sha256(read_reference(item.reference)).hexdigest()
