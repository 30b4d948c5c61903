"""The plan of applying edits to tables: the rows that items come from, and the text that the table is to have.

A table is always written anew from what it was before any edit was applied, so that a row that was left out can come back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import SourceError
from ...core.plain_file import read_plain
from ...core.types import Item
from ..sources import table
from ..sources.cells import Table
from ..sources.columns import Meaning, find_meaning
from ..sources.file_form import FileForm
from ..sources.folder import Tree, shown
from ..sources.labelled_folder import METADATA
from ..sources.locate import Finder, Place
from .edit import Standing
from .matching import match, there_in
from .moves import Swap
from .rewriting import rewritten
from .standings import Standings


@dataclass(frozen=True)
class Listed:
    """A table as it was before any edit was applied to it, and where it lies below the source's folder."""

    name: str
    data: bytes
    meaning: Meaning
    items: tuple[Item, ...]
    rows: Mapping[str, tuple[int, ...]]
    """Item's path → the rows that name it."""


@dataclass(frozen=True)
class Rewrite:
    """A table's text as it is and as it is to be."""

    name: str
    old: bytes
    new: bytes


def tables_of(tree: Tree) -> Iterator[tuple[str, Place, str]]:
    """The tables of a folder that may give labels, those that describe a folder first: name, place of its paths, path column."""
    files = [file for file in tree.files if Path(file.rel).suffix.lower() in table.SUFFIXES]
    for file in files:
        below, _, name = file.rel.rpartition("/")
        if name.lower() in METADATA:
            yield file.rel, Place(tree.root, below, confined=True), "file_name"
    for file in files:
        if not file.top and file.rel.lower() not in METADATA:
            yield file.rel, Place(tree.root), "path"


def listed(
    root: Path, name: str, place: Place, path_column: str, form: FileForm, standings: Standings
) -> Listed | None:
    """Read a table as it was before any edit was applied; None of one that gives no labels."""
    path = root / name
    first = _first(root, name, standings)
    try:
        cells = table.load(first, shown(name))
        finder = Finder(place, form, path.stem)
        meaning = find_meaning(cells, labelled=True, path_column=path_column, exists=finder.exists)
        plain = table.read_listing(cells, place, shown(name), form, labelled=True, path_column=path_column)
        rows = _rows(cells, place, name, form, path_column)
    except SourceError:
        return None
    return Listed(name, read_plain(first), meaning, tuple(plain.items), rows)


def rewrites(tables: Sequence[Listed], standings: Standings, root: Path) -> tuple[list[Rewrite], tuple[str, ...]]:
    """The tables that are to have another text, and sentences on edits that no row was found for."""
    items = [item for one in tables for item in one.items]
    matched = match(
        standings,
        [item.name for item in items],
        [item.reference for item in items],
        there_in(root),
    )
    found: list[Rewrite] = []
    start = 0
    for one in tables:
        changed: dict[int, Standing] = {}
        for place, item in enumerate(one.items):
            stood = matched.rows.get(start + place)
            if stood is not None and not _is_as_read(stood.standing, item):
                changed |= dict.fromkeys(one.rows.get(str(item.path), ()), stood.standing)
        start += len(one.items)
        old, new = read_plain(root / one.name), one.data
        if changed:
            new = rewritten(one.data, root / one.name, one.meaning, changed)
        if new != old:
            found.append(Rewrite(one.name, old, new))
    return found, matched.unmatched


def _is_as_read(standing: Standing, item: Item) -> bool:
    return standing.fate != "removed" and (standing.label, standing.labels) == (item.label, item.labels)


def _rows(cells: Table, place: Place, name: str, form: FileForm, path_column: str) -> dict[str, tuple[int, ...]]:
    """Path of an item → its rows, of which there are several where a file is listed more than once."""
    by_text: dict[str, list[int]] = {}

    def numbered(rows: list[table.Row]) -> list[table.Row]:
        for number, row in enumerate(rows):
            by_text.setdefault(row.path, []).append(number)
        return [row._replace(name=str(by_text[row.path][0])) for row in rows]

    found = table.read_listing(
        cells, place, shown(name), form, labelled=True, path_column=path_column, complete=numbered
    )
    firsts = {str(rows[0]): tuple(rows) for rows in by_text.values()}
    return {str(item.path): firsts[item.name] for item in found.items}


def _first(root: Path, name: str, standings: Standings) -> Path:
    """The copy of a table as it was before edits were applied; the table itself where somebody has changed it since."""
    first = root / name
    digest = hashlib.sha256(read_plain(first)).hexdigest()
    for one in sorted(standings.applied, key=lambda one: one.turn, reverse=True):
        for swap in one.journal.swaps:
            if swap.table == name and swap.new_sha256 == digest and (root / swap.old).is_file():
                first, digest = root / swap.old, swap.old_sha256
    return first


def swap_of(rewrite: Rewrite, aside: str) -> Swap:
    """Return the swap of a table, with the names of the copies that are kept."""
    old, new = (hashlib.sha256(data).hexdigest() for data in (rewrite.old, rewrite.new))
    path = Path(rewrite.name)
    kept = [f"{aside}/{path.stem}.{digest[:12]}{path.suffix}" for digest in (old, new)]
    return Swap(rewrite.name, old, new, *kept)
