"""Tables of paths and labels that lie on top of a folder, whose own folders are no classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ...core.errors import SourceError
from ...core.types import Item, Skipped
from . import table
from .cells import Table
from .columns import names_files, said_beside_labels, why_unlabelled
from .folder import File, Tree, listed
from .locate import Finder, Place
from .split_folders import UNLABELLED, SplitFolders
from .splits import Named, named, words_of
from .table import Listing, Row

MOST_BYTES = 32 << 20
"""Larger tables are not read only to say that they are not used."""


_ANSWERS = UNLABELLED | {"sample", "example"}
_EMPTY_ANSWERS = frozenset({"submission", "submissions"})
"""Words in the names of tables that list no truth, but what an answer to a competition looks like."""


class OnTop(NamedTuple):
    """The items that tables on top of a folder give, or the reason why there are none.

    ``names_files``: a table names the folder's files, and only says no labels.
    """

    found: Listing | None
    why: str = ""
    names_files: bool = False


def read_tables_on_top(tree: Tree, splits: SplitFolders, *, unpacked: bool, no_splits: bool) -> OnTop:
    """Read the table on top of a folder, or the tables that are called like splits; where there is none, say why the first of
    those that lie there is not one.

    Raises:
        SourceError: several could be meant.
    """
    fitting: list[Table] = []
    reasons: list[tuple[bool, str]] = []
    for file in _on_top(tree):
        cells = table.load(Path(file.path), file.name)
        exists = _finder(tree, cells, unpacked).exists
        why = _no_truth(cells) or why_unlabelled(cells, exists)
        reasons += [(not _no_truth(cells) and names_files(cells, exists), why)] if why is not None else []
        fitting += [cells] if why is None else []
    if not fitting:
        # A table of test images comes last: that it has no labels is no news.
        naming, why = min(reasons, key=lambda one: (not one[0], one[1].startswith("test")), default=(False, ""))
        return OnTop(None, why, naming)
    if len(fitting) > 1:  # a competition's example of an answer lists labels, too
        fitting = [cells for cells in fitting if not set(words_of(Path(cells.name).stem)) & _ANSWERS] or fitting
    sides = _sides(fitting, tree.title)
    read = partial(_read, tree=tree, unpacked=unpacked, no_splits=no_splits, splits=splits)
    found = Listing.joined([read(cells, side=None if no_splits else sides.get(cells.name)) for cells in fitting])
    told = "; ".join(f"{name} for {side}" for name, side in sides.items())
    notes = [f"took {told}, by the names of the tables"] if sides and not no_splits else []
    what = listed([cells.name for cells in fitting])
    left = (file for file in tree.inputs if file.rel not in found.rels)
    missing = [Skipped(file.name, "not listed", f"{what} does not name it") for file in left]
    return OnTop(Listing.joined([found, Listing([], missing)], notes))


def _no_truth(cells: Table) -> str | None:
    """Say that a table only shows what an answer looks like, where its name does: its labels are made up."""
    if not set(words_of(Path(cells.name).stem)) & _EMPTY_ANSWERS:
        return None
    return f"{cells.name} is called a submission, whose labels are examples; give it by its own path if they are not"


def deeper_tables(tree: Tree) -> str:
    """Say which tables lie below the top, where nobody looks for labels; nothing where there are none."""
    deep = [file.name for file in tree.files if file.top and Path(file.rel).suffix.lower() in table.SUFFIXES]
    return (
        f"tables below the top ({listed(deep, 3)}) are read if given by their path, or if called metadata.csv"
        if deep
        else ""
    )


def unused_tables(tree: Tree) -> Iterator[str]:
    """Say which tables on top list labels and are not used, where class folders give these."""
    for file in _on_top(tree):
        if Path(file.path).stat().st_size <= MOST_BYTES:
            try:
                cells = table.load(Path(file.path), file.name)
            except SourceError:
                continue
            if not _no_truth(cells) and why_unlabelled(cells, lambda _: False) is None:
                yield f"took class folders for labels, and nothing from {cells.name}, which lists labels, too; give it to use it"
            elif not _no_truth(cells) and (columns := said_beside_labels(cells)):
                yield (
                    f"took class folders for labels, and nothing from {cells.name}, although it has the column"
                    f"{'s' * (len(columns) > 1)} {listed(list(columns))}; to use it, call it metadata.csv"
                )


def _on_top(tree: Tree) -> Iterator[File]:
    return (file for file in tree.files if not file.top and Path(file.rel).suffix.lower() in table.SUFFIXES)


def _finder(tree: Tree, cells: Table, unpacked: bool) -> Finder:
    return Finder(Place(tree.root, confined=unpacked), tree.form, Path(cells.name).stem)


def _sides(fitting: list[Table], title: str) -> dict[str, str]:
    """Table → split, where several tables are called like splits and otherwise alike; empty of a single table.

    Raises:
        SourceError: several tables are not called like that.
    """
    if len(fitting) == 1:
        return {}
    found: dict[str, Named] = {cells.name: one for cells in fitting if (one := named(Path(cells.name).stem))}
    alike = len({one.rest for one in found.values()}) == 1 and len({one.split for one in found.values()}) > 1
    if not alike or len(found) < len(fitting):
        names = listed([cells.name for cells in fitting])
        raise SourceError(f"found tables {names} in {title}; give the one to read by its own path")
    return {name: one.split for name, one in found.items()}


def _read(
    cells: Table, *, tree: Tree, unpacked: bool, no_splits: bool, splits: SplitFolders, side: str | None
) -> Listing:
    def complete(rows: list[Row]) -> list[Row]:
        return [row._replace(split=row.split or side) for row in rows]

    found = table.read_listing(
        cells,
        Place(tree.root, confined=unpacked),
        f"{cells.name} of {tree.title}",
        tree.form,
        labelled=True,
        no_splits=no_splits or bool(splits.starts),
        complete=complete,
    )
    if splits.starts:
        found = found._replace(items=[replace(item, split=_split_of(item, splits)) for item in found.items])
    return found


def _split_of(item: Item, splits: SplitFolders) -> str | None:
    """The split of the folder that an item stands in."""
    return (splits.place(item.name) or (None, ""))[0]
