"""Finding the item that an edit is about: the one of its name and content, else the one that has its content now.

A file may be renamed, moved or replaced under our feet. Shapes are those of a listing: a row for each item read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ...core.cores import available_cores
from ...core.reference import Reference, read_reference
from ..sources.folder import listed, shown
from .edit import Fate
from .standings import Standings, Stood

AS_A_COPY = frozenset({"near-duplicate", "contradictory-copy", "duplicate"})
"""Reasons of an edit by which a file is removed while another with its picture stays."""

Exists = Callable[[str], bool]
"""Tells whether a file of this name, relative to the source, is there, be it an item or not."""


def there_in(root: Path) -> Exists:
    """Make the question of a folder; a name that is too long or otherwise impossible is not there."""
    return lambda name: os.path.exists(root / name)  # noqa: PTH110  # Path.exists fails over such names


def waiting_moves(standings: Standings, exists: Exists) -> Mapping[tuple[str, str | None], str]:
    """Return where the files lie whose moves a killed program has not come to: by an item's name and content, the old name.

    Moves are made in their order, each to a name that is free by then: all before the first whose new name is free were made.
    """
    moves = standings.pending.moves if standings.pending else ()
    first = next((place for place, move in enumerate(moves) if not exists(move.new)), len(moves))
    return {(shown(move.new), move.sha256): move.old for move in moves[first:] if exists(move.old)}


@dataclass(frozen=True)
class Matched:
    """The rows that edits are about, and sentences on those edits that no row was found for."""

    rows: Mapping[int, Stood]
    unmatched: tuple[str, ...]


class _Digests:
    """SHA-256 of the rows' bytes, each computed once, when it is first asked for; None of what cannot be read."""

    def __init__(self, places: Sequence[object]) -> None:
        self._places = places
        self._known: dict[int, str | None] = {}

    def read(self, rows: Sequence[int]) -> None:
        wanted = [row for row in rows if row not in self._known]
        if len(wanted) < 2:
            self._known |= {row: _sha256(self._places[row]) for row in wanted}
            return
        with ThreadPoolExecutor(available_cores() + 1) as pool:
            found = pool.map(lambda row: _sha256(self._places[row]), wanted)
            self._known |= dict(zip(wanted, found, strict=True))

    def __getitem__(self, row: int) -> str | None:
        self.read([row])
        return self._known[row]


def match(standings: Standings, names: Sequence[str], places: Sequence[object], exists: Exists) -> Matched:
    """Find the row of every standing. ``places`` are where the rows' bytes are: references, bytes, or None."""
    named: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        named.setdefault(name, []).append(row)
    stoods = sorted(standings.all(), key=lambda stood: (stood.last.at, stood.last.id))
    waiting, digests = waiting_moves(standings, exists), _Digests(places)
    lie = [shown(waiting.get((stood.item.name, stood.item.sha256), stood.item.name)) for stood in stoods]
    digests.read(
        [row for stood, name in zip(stoods, lie, strict=True) if stood.item.sha256 for row in named.get(name, ())]
    )
    rows, lost = dict[int, Stood](), list[Stood]()
    for stood, name in zip(stoods, lie, strict=True):  # the newest counts where several are about one item
        here = named.get(name, [])
        same = [row for row in here if stood.item.sha256 in (None, digests[row])]
        rows |= dict.fromkeys(same, stood)
        if not same and not (name != stood.origin and not here and exists(name)):
            lost.append(stood)  # else it was moved away by applying the edits, and lies there
    return Matched(*_found_again(lost, rows, named, digests, names))


def _found_again(
    lost: Sequence[Stood],
    rows: dict[int, Stood],
    named: Mapping[str, Sequence[int]],
    digests: _Digests,
    names: Sequence[str],
) -> tuple[dict[int, Stood], tuple[str, ...]]:
    """Look for lost items by their content, among the rows that no edit is about by name."""
    left = [row for row in range(len(names)) if row not in rows] if any(stood.item.sha256 for stood in lost) else []
    digests.read(left)
    by_content: dict[str | None, list[int]] = {}
    for row in left:
        by_content.setdefault(digests[row], []).append(row)
    again, said = dict[int, Stood](), list[str]()
    for stood in lost:
        found = by_content.get(stood.item.sha256, []) if stood.item.sha256 else []
        if found and stood.standing.fate is Fate.REMOVED and stood.last.why in AS_A_COPY:
            # The file was removed as a copy, and then deleted by hand: to leave out the other one too would lose the picture.
            kept = listed([names[row] for row in found], 3)
            said.append(f"{stood.item.name} was removed as a copy and is gone; what has its content stays: {kept}")
        elif len(found) == 1:
            again[found[0]] = stood
        elif sentence := _unmatched(stood, [names[row] for row in found], stood.item.name in named):
            said.append(sentence)
    return {**rows, **again}, tuple(said)


def _unmatched(stood: Stood, several: list[str], replaced: bool) -> str:
    """Say why an edit is not applied; nothing where it is no matter."""
    name = stood.item.name
    if several:
        return f"{name} is gone, and several files have its content now ({listed(several, 3)})"
    if replaced:
        return f"{name} is another file now, and no file has the content that was edited"
    if stood.standing == stood.original or stood.standing.fate == "removed":
        return ""  # nothing was to be changed about it, or it was to be left out
    return f"{name} is gone, and no file has its content"


def _sha256(place: object) -> str | None:
    if isinstance(place, bytes):
        return hashlib.sha256(place).hexdigest()
    if not isinstance(place, Reference):
        return None
    try:
        return hashlib.sha256(read_reference(place)).hexdigest()
    except (OSError, ValueError):
        return None
