"""Edits laid over what was read: other labels, items left out, and a sentence that says so. No file is changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.confined import is_file_below
from ...core.errors import UsageError
from ...core.types import Dataset, Item
from ..sources.folder import listed, shown
from .edit import Fate, Standing
from .log import EditLog
from .matching import Exists, match, there_in, waiting_moves
from .places import log_place

Same = Callable[[int, Standing], bool]
"""Tells whether the item of a row had the standing's label when it was read."""

NO_LABEL = "no label"
"""The reason why an item is skipped that an edit may have given a label to."""
NOT_LISTED = "not listed"
"""The reason why an item is skipped that applying edits may have left out of a table."""


@dataclass(frozen=True)
class Overlay:
    """Edits as they meet the N items of a source."""

    rows: Mapping[int, Standing]
    """The standing of each item, by its row, that was edited."""
    sentence: str
    """The account of what was applied: ``edits.jsonl: 9 relabelled, 3 removed, 40 kept``; empty where there are no edits."""

    def is_removed(self, row: int) -> bool:
        """Tells whether an item is to be left out."""
        return row in self.rows and self.rows[row].fate is Fate.REMOVED


def log_of(source: object) -> EditLog | None:
    """Open the log of a source that is a path; None where there is none.

    Raises:
        DataError: it cannot be read, or a line is no edit.
    """
    if not isinstance(source, str | os.PathLike):
        return None
    try:
        place = log_place(source)
        return EditLog.open(place) if place.exists() else None
    except (UsageError, OSError, ValueError):
        return None  # the source's own reader says what is wrong with it


def overlay(log: EditLog, names: Sequence[str], places: Sequence[object], exists: Exists, same: Same) -> Overlay:
    """Find what the log says of items, by their names and where their bytes are; ``same`` compares a label with that read."""
    matched = match(log.standings, names, places, exists)
    rows = {row: stood.standing for row, stood in matched.rows.items()}
    return Overlay(rows, _sentence(log.path.name, rows, same, matched.unmatched))


def edited(dataset: Dataset, source: object) -> Dataset:
    """Return a data set as people have edited it, with a note; unchanged where its source has no log.

    Raises:
        DataError: the log cannot be read, or a line is no edit.
    """
    log = log_of(source)
    return dataset if log is None or not log.standings else _laid(dataset, log, root_of(source))


def _laid(dataset: Dataset, log: EditLog, root: Path) -> Dataset:
    items = (*dataset.items, *_labelled_since(dataset, log, root), *_back_again(dataset, log, root))
    found = overlay(
        log,
        [item.name for item in items],
        [item.reference for item in items],
        there_in(root),
        lambda row, standing: standing.label == items[row].label,
    )
    kept = tuple(_stands(item, found.rows.get(row)) for row, item in enumerate(items) if not found.is_removed(row))
    now = {item.name for item in kept}
    skipped = tuple(one for one in dataset.skipped if one.reason not in (NO_LABEL, NOT_LISTED) or one.name not in now)
    notes = (found.sentence,) if found.sentence else ()
    return replace(dataset, items=kept, skipped=skipped).noting(*notes)


def _labelled_since(dataset: Dataset, log: EditLog, root: Path) -> Iterable[Item]:
    """Files that had no label when they were read, and that an edit has given one."""
    for one in dataset.skipped:
        stood = log.standings.get(one.name) if one.reason == NO_LABEL else None
        if stood is not None and stood.standing.label is not None and (root / one.name).is_file():
            yield Item(root / one.name, one.name)


def _back_again(dataset: Dataset, log: EditLog, root: Path) -> Iterable[Item]:
    """Files that were moved out of the way, or out of a table, when edits were applied, and are not to be removed any more."""
    standings = log.standings
    if not (standings.pending or standings.applied or standings.unapplied):
        return
    names, waiting = {item.name for item in dataset.items}, waiting_moves(standings, there_in(root))
    for stood in standings.all():
        old = waiting.get((stood.item.name, stood.item.sha256))
        if old is not None:
            # A killed program has not come to its move: it is known by the old place, also where it was removed since, so that
            # nobody is told that it cannot be found, and no other file is taken for it.
            place, name = old, shown(old)
        elif stood.standing.fate is Fate.REMOVED or stood.standing.label is None:
            continue
        else:
            place, name = stood.file or stood.item.name, stood.item.name
        if not {name, shown(place)} & names and is_file_below(root, place):
            names.add(name)
            yield Item(root / place, name)


def _stands(item: Item, standing: Standing | None) -> Item:
    if standing is None or (standing.label, standing.labels) == (item.label, item.labels):
        return item
    return replace(item, label=standing.label, labels=standing.labels)


def root_of(source: object) -> Path:
    """The folder that the names of a source's items are relative to."""
    path = log_place(source) if isinstance(source, str | os.PathLike) else Path()
    return path.parent


def _sentence(log: str, rows: Mapping[int, Standing], same: Same, unmatched: Sequence[str]) -> str:
    """Say how many items were changed, and which edits could not be applied."""
    stay = {row: same(row, standing) for row, standing in rows.items() if standing.fate is not Fate.REMOVED}
    counts = {
        "relabelled": sum(not one for one in stay.values()),
        "removed": len(rows) - len(stay),
        "kept": sum(one and rows[row].fate is Fate.KEPT for row, one in stay.items()),
    }
    parts = [f"{count} {what}" for what, count in counts.items() if count]
    if unmatched:
        parts.append(f"{len(unmatched)} not applied: {listed(list(unmatched), 3)}")
    return f"{log}: {', '.join(parts)}" if parts else ""
