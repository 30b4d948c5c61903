"""Reading a folder whose inputs have labels: by the tables that stand in it, and by class folders.

A ``metadata.csv`` (``.jsonl``, ``.parquet``) describes what lies below it, as Hugging Face's readers have it: its paths are
relative to itself, and of two tables that name a file the nearer one counts.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ...core.errors import SourceError
from ...core.types import Skipped
from . import table
from .cells import Table
from .class_folders import read_classes
from .columns import KNOWN, doubts_of, said_beside_labels
from .folder import File, Tree, label_of, listed, no_classes
from .locate import Place
from .split_columns import about_inner_folders
from .split_folders import SplitFolders, find_split_folders, is_portion
from .splits import SPLITS, named, words_of
from .table import Listing, Row
from .tables_on_top import deeper_tables, read_tables_on_top, unused_tables

ONE_HOT = "_classes.csv"
"""The table that Roboflow puts into each split's folder: a column of zeros and ones for each label."""

METADATA = frozenset({"metadata.csv", "metadata.jsonl", "metadata.parquet", ONE_HOT})
"""Tables that describe the folder they stand in (Hugging Face ImageFolder)."""


def read_labelled(tree: Tree, unpacked: bool, said: Mapping[str, str] | None) -> Listing:
    """Read each part of the tree by what describes it: a metadata table, class folders, or one table on top.

    ``unpacked``: the tree comes from a stranger's archive, whose tables may list only its own files. ``said`` are the splits
    that a person named.

    Raises:
        SourceError: nothing gives labels, or two things contradict each other; says which.
    """
    tables = {below: (file, table.load(Path(file.path), file.name)) for below, file in _metadata_files(tree).items()}
    labelling = {below for below, (_, cells) in tables.items() if "label" in _roles(cells)}
    splits = find_split_folders(tree, said, labelling)
    listings, named = list[Listing](), set[str]()
    described: set[str] = set()
    for below in sorted(tables, key=lambda below: (-_depth(below), below)):
        file, cells = tables[below]
        listing = _read_metadata(file, cells, tree, splits, named, no_splits=said == {})
        if listing is not None:
            described.add(below)
            named |= listing.rels
            listings.append(listing)
    listings += [_not_listed(tree, below, tables[below][0].name, described, named) for below in sorted(described)]
    if "" not in described:  # a table on top speaks for all
        listings.append(_read_rest(tree, splits, described, labelling, named, unpacked, said))
    notes = (*splits.notes, *_about_tables(tables, described, labelling))
    if said != {}:
        unread = [cells for below, (_, cells) in tables.items() if below not in described]
        listings += [Listing([], [], doubts=doubts) for cells in unread if (doubts := doubts_of(cells))]
    return Listing.joined(listings, notes)


def _depth(folder: str) -> int:
    return folder.count("/") + 1 if folder else 0


def _is_below(rel: str, folder: str) -> bool:
    return not folder or rel.startswith(f"{folder}/")


def _metadata_files(tree: Tree) -> dict[str, File]:
    """Folder → its metadata table."""
    found: dict[str, File] = {}
    for file in tree.files:
        below, _, name = file.rel.rpartition("/")
        if name.lower() in METADATA:
            if below in found:
                raise SourceError(f"found {found[below].name} and {file.name} in {tree.title}; keep one of them")
            found[below] = file
    return found


def _roles(cells: Table) -> frozenset[str]:
    """The meanings that a table has a column for."""
    columns = {column.strip().lower() for column in cells.columns}
    labels = {"label"} if posixpath.basename(cells.name).lower() == ONE_HOT else set[str]()
    return frozenset(role for role, names in KNOWN.items() if columns & set(names)) | cells.stated.keys() | labels


def _read_metadata(
    metadata: File, cells: Table, tree: Tree, splits: SplitFolders, named: Collection[str], *, no_splits: bool
) -> Listing | None:
    """Read the rows of a metadata table but for files in ``named``, of which a nearer table speaks; None where class folders
    give the labels and the table adds nothing to them.

    Without a label column, the class folder of each ``file_name`` is the label.
    """
    below = metadata.rel.rpartition("/")[0]
    known, folders = _roles(cells), _classes_below(tree, splits, below)
    described = folders or frozenset({below.rpartition("/")[2]})
    if "label" not in known and "path" in known and all(is_portion(folder) for folder in described):
        raise SourceError(
            f"{metadata.name} of {tree.title} has no column for label, and the folders it describes "
            f"({listed(sorted(described))}) only number portions; add a column label, or name the folders after classes"
        )
    informative = "label" in known or ("path" in known and len(known) > 1) or bool(said_beside_labels(cells))
    if not informative and (folders or ("path" not in known and below and below not in splits.starts)):
        return None

    def complete(rows: list[Row]) -> list[Row]:
        rows = [_in_folder(row, below, splits, "label" in known) for row in rows]
        return [row for row in rows if _normal(below, row.path) not in named]

    # A metadata table travels with its folder and may not name files outside, wherever the folder came from.
    return table.read_listing(
        cells,
        Place(tree.root, below, confined=True),
        f"{metadata.name} of {tree.title}",
        tree.form,
        labelled=True,
        no_splits=no_splits,
        path_column="file_name",
        needs_label=not folders or "label" in known,
        complete=complete,
    )


def _classes_below(tree: Tree, splits: SplitFolders, below: str) -> frozenset[str]:
    """The class folders of the inputs below a folder, or the one that it stands in."""
    inputs = (file.rel for file in tree.inputs if _is_below(file.rel, below))
    return frozenset(folder for rel in inputs if (folder := _class_folder(rel, below, splits)[1]))


def _class_folder(rel: str, below: str, splits: SplitFolders) -> tuple[str | None, str]:
    """The split and the class folder of a file that a table in the folder ``below`` describes; empty where there is none.

    A portion that has a table of its own is no class, but may hold some.
    """
    split, rest = splits.place(rel) or (None, rel)
    folders = rest.split("/")[:-1]
    within = below.count("/") + 1 - rel.removesuffix(rest).count("/") if below else 0
    while folders and within > 0 and is_portion(folders[0]):
        folders, within = folders[1:], within - 1
    return split, folders[0] if folders else ""


def _normal(below: str, path: str) -> str:
    """The path of a table's row, relative to the source."""
    return posixpath.normpath(posixpath.join(below, path.replace("\\", "/")))


def _in_folder(row: Row, below: str, splits: SplitFolders, has_label: bool) -> Row:
    """Complete the row from its folders: the split, and the label if no column has one."""
    rel = _normal(below, row.path)
    split, folder = _class_folder(rel, below, splits)
    label = row.label if has_label or not folder else label_of(folder)
    return row._replace(label=label, split=row.split or split)


def _not_listed(tree: Tree, below: str, name: str, described: Collection[str], named: Collection[str]) -> Listing:
    """The inputs that the nearest table above them does not name, nor any other."""
    nearer = [folder for folder in described if folder != below and _is_below(f"{folder}/", below)]
    images = (file for file in tree.inputs if _is_below(file.rel, below) and file.rel not in named)
    left = [file for file in images if not any(_is_below(file.rel, folder) for folder in nearer)]
    return Listing([], [Skipped(file.name, "not listed", f"{name} does not name it") for file in left], frozenset())


def _read_rest(
    tree: Tree,
    splits: SplitFolders,
    described: Collection[str],
    labelling: Collection[str],
    named: Collection[str],
    unpacked: bool,
    said: Mapping[str, str] | None,
) -> Listing:
    """Read what no metadata table describes: by class folders, or by one table on top.

    Where tables within a split, or within the whole, give the labels, its other folders are no classes.
    """
    starts = tuple(splits.starts) or ("",)
    by_tables = [
        start for start in starts if any(_is_below(f"{folder}/", start) and folder != start for folder in labelling)
    ]
    rest, without = list[File](), list[Skipped]()
    for file in tree.files:
        if file.rel in named or any(_is_below(file.rel, folder) for folder in described):
            continue
        if any(_is_below(file.rel, start) for start in by_tables) and not splits.is_left_out(file.rel):
            if file.problem is None:
                without.append(Skipped(file.name, "no label", "no metadata table describes its folder"))
        else:
            rest.append(file)
    covered = (*described, *by_tables)
    left = tree.only(
        rest, [folder for folder in tree.folders if not any(_is_below(f"{folder}/", one) for one in covered)]
    )
    notes: tuple[str, ...] = ()
    if not described and not _has_classes(tree, splits):
        classes = _class_folders(tree, splits, said) if not splits.starts else frozenset()
        if len(classes) < 2 or _only_number(classes):
            on_top, why, names_files = read_tables_on_top(tree, splits, unpacked=unpacked, no_splits=said == {})
            if on_top is not None:
                return on_top
            why = why or deeper_tables(tree)
            if not classes:
                raise SourceError(f"{no_classes(tree)}{f' ({why})' if why else ''}")
            if names_files and len(classes) > 1 and not any(map(_speaks_of_classes, classes)):
                raise SourceError(f"{why} (the folders {listed(sorted(classes))} of {tree.title} name no classes)")
            notes = (f"took no labels from a table on top: {why}",) if why else ()
        else:
            notes = tuple(unused_tables(tree))
    elif not described:
        notes = tuple(unused_tables(tree))
    notes += tuple(_about_portions(tree, splits))
    items, skipped = read_classes(left, splits)
    return Listing(items, skipped + without, notes=notes, doubts=tuple(about_inner_folders(items)))


def _only_number(classes: Collection[str]) -> bool:
    """Tells whether folders differ in nothing but a number: ``images_001``, ``images_002``."""
    plain = {re.sub(r"\d+", "", name) for name in classes}
    return len(plain) == 1 and any(letter.isalpha() for letter in plain.pop())


def _speaks_of_classes(name: str) -> bool:
    """Tells whether a numbered folder may be a class, by its name: ``Class 1``, ``grade_2``."""
    return bool(set(words_of(name)) & {"class", "category", "label", "grade", "stage", "level", "type"})


def _about_portions(tree: Tree, splits: SplitFolders) -> Iterator[str]:
    """Say so where the same folders stand under each class folder."""
    tops = {file.top for file in tree.inputs if file.top}
    if splits.starts or len(tops) < 2 or any(map(named, tops)):
        return
    inner: dict[str, set[str]] = {top: set() for top in tops}
    for file in tree.inputs:
        if file.top:
            inner[file.top].update(file.rel.split("/")[1:-1][:1])
    below = next(iter(inner.values()))
    if len(below) < 2 or any(one != below for one in inner.values()) or _only_number(below) or all(map(named, below)):
        return
    yield (
        f"took {listed(sorted(inner))} for classes, although the same folders ({listed(sorted(below))}) stand under each; if "
        "these are the classes, give the folders together in one"
    )


def _has_classes(tree: Tree, splits: SplitFolders) -> bool:
    """Tells whether class folders stand below splits."""
    places = (splits.place(file.rel) for file in tree.inputs) if splits.starts else ()
    return any("/" in place[1] for place in places if place is not None)


def _class_folders(tree: Tree, splits: SplitFolders, said: Mapping[str, str] | None) -> frozenset[str]:
    """The top folders that may be classes: all but those that are called like splits."""
    tops = {file.top for file in tree.inputs if file.top}
    unlabelled = {folder.partition("/")[0] for folder in splits.unlabelled}
    return frozenset(tops if said is not None else {top for top in tops if top.lower() not in SPLITS} - unlabelled)


def _about_tables(
    tables: Mapping[str, tuple[File, Table]], described: Collection[str], labelling: Collection[str]
) -> Iterator[str]:
    """Say which tables gave the labels, where they do not stand on top, and which gave none though they might have."""
    deep = [tables[below][0].name for below in sorted(described) if below]
    if deep:
        yield f"took labels from {listed(deep)}; each describes what lies below it"
    without = [tables[below][0].name for below in sorted(tables.keys() - {*described, *labelling}) if below]
    if without:
        yield f"took labels from folders, as {listed(without)} {'has' if len(without) == 1 else 'have'} no column for label"
