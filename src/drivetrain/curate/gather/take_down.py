"""Taking pictures down at the wish of an author or a host: out of the data set, and never gathered again.

The log of edits has each as removed, so that every reading of the folder leaves it out; and it has the wish itself, which later
runs of gathering keep to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ...core.errors import SourceError
from ...core.told_how import ToldHow
from ...core.types import ItemId
from ...data.edits.edit import Change, Fate, Standing
from ...data.edits.log import EditLog
from ...data.edits.places import log_place
from ...data.provenance.line import Provenance
from ...data.sources.opening import open_source
from .found import Found
from .origins import Origins

KIND = "take-down"
"""The kind of the log's line that has a wish."""

WHY = "taken down"


@dataclass(frozen=True, slots=True)
class Wishes:
    """The addresses and authors that are not to be gathered from."""

    texts: frozenset[str]

    def forbid(self, found: Found) -> bool:
        """Tells whether a picture was wished away."""
        return any(_plain(text) in self.texts for text in (found.url, found.page, found.author) if text)


def wishes_of(folder: Path) -> Wishes:
    """Read the wishes of a folder's log.

    Raises:
        DataError: it cannot be read.
    """
    lines = EditLog.open(log_place(folder)).lines(KIND)
    return Wishes(frozenset(_plain(str(line.get("of", ""))) for line in lines))


def take_down(
    folder: Path, origins: Origins, what: str, by: str, now: Callable[[], datetime]
) -> tuple[Provenance, ...]:
    """Take the pictures of an author, or of the address of a picture or its page, out of the data set; return their lines.

    The wish is kept, also where no picture of it is there yet.

    Raises:
        UsageError: nobody is named who does it.
        DataError: the log of edits cannot be written to.
    """
    wished = _plain(what)
    found = [line for line in origins.known.values() if wished in _marks(line)]
    log = EditLog.open(log_place(folder))
    labels = _labels(folder) if found else {}
    changes = [_change(line, labels.get(line.name, Standing(None))) for line in found]
    if changes:
        before = {change.item.name: labels.get(change.item.name, Standing(None)) for change in changes}
        log.record(changes, by, now(), lambda item: before[item.name])
    if wished not in {_plain(str(line.get("of", ""))) for line in log.lines(KIND)}:
        log.append_line(KIND, {"of": what, "by": by, "at": now().isoformat()})
    return tuple(found)


def _change(line: Provenance, stands: Standing) -> Change:
    removed = Standing(stands.label, Fate.REMOVED, stands.labels)
    return Change(ItemId(line.name, line.sha256), removed, WHY, ToldHow.BLIND)


def _labels(folder: Path) -> dict[str, Standing]:
    """The items' labels as the folder has them; none where it cannot be read as a labelled set."""
    try:
        items = open_source(folder).items
    except SourceError:
        return {}
    return {item.name: Standing(item.label, labels=item.labels) for item in items}


def _marks(line: Provenance) -> set[str]:
    return {_plain(text) for text in (line.url, line.page, line.author) if text}


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
