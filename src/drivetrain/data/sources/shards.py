"""A data set as it is downloaded from a hub: a folder of Parquet tables with pictures inside, each of one split.

The split stands in the file's name (``data/train-00000-of-00002.parquet``) or in that of a folder above it
(``default/train/0000.parquet``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ...core.errors import SourceError
from ...core.scratch import Into
from ...core.types import Skipped
from . import table
from .folder import File, Tree, listed
from .locate import Place
from .parquet import holds_pictures
from .splits import named
from .table import Listing, Row

SUFFIX = ".parquet"


class Shard(NamedTuple):
    """One table: its split, where its name has one, and the folder that it stands in but for the split's."""

    file: File
    split: str | None
    place: str


def find_shards(tree: Tree) -> list[Shard]:
    """The tables below a folder that have pictures inside.

    Raises:
        SourceError: some have, and another cannot be read; or they look like such a data set, and pyarrow is missing.
    """
    files = [file for file in tree.files if file.rel.lower().endswith(SUFFIX)]
    if not files:
        return []
    try:
        holds = {file: holds_pictures(Path(file.path), file.name) for file in files}
    except SourceError:
        if next(tree.inputs, None) is not None:
            return []  # the pictures beside them are what was meant
        raise
    held = [file for file in files if holds[file]]
    if held:
        for file in files:
            if holds[file] is None:
                table.load(Path(file.path), file.name)  # which says what is wrong with it
    return [_shard(file) for file in held]


def read_shards(shards: Sequence[Shard], tree: Tree, into: Into, *, labelled: bool) -> Listing:
    """Read tables as one data set; pictures beside them are on record as ``not listed``.

    Raises:
        SourceError: they are several data sets, or only some are of a split; or what `table.load` raises.
    """
    if labelled:
        _check(shards, tree)
    found: list[Listing] = []
    for shard in shards:
        file = shard.file
        cells = table.load(Path(file.path), file.name, unpack_dir=into)
        if not cells.rows:
            continue  # a split may be empty
        # The tables came with the data, and may not name files outside the folder.
        place = Place(tree.root, file.rel.rpartition("/")[0], confined=True)
        title = f"{file.name} of {tree.title}"
        complete = partial(_in_split, split=shard.split if labelled else None)
        found.append(table.read_listing(cells, place, title, tree.form, labelled=labelled, complete=complete))
    whole = Listing.joined(found)
    return Listing.joined([whole, _not_listed(tree, whole)], _notes(shards)) if labelled else whole


def _in_split(rows: list[Row], split: str | None) -> list[Row]:
    """The rows in the split of their table, where no column says another."""
    return [row._replace(split=row.split or split) for row in rows]


def _notes(shards: Sequence[Shard]) -> list[str]:
    """Say which files were taken for which split."""
    by_split = {split: [one.file.rel for one in shards if one.split == split] for split in ("train", "valid", "test")}
    said = [f"{listed(files, 2)} for {split}" for split, files in by_split.items() if files]
    return [f"took {'; '.join(said)}, by the names of the files"] if said else []


def _not_listed(tree: Tree, listing: Listing) -> Listing:
    """The pictures of a folder that its tables do not name."""
    left = (file for file in tree.inputs if file.rel not in listing.rels)
    why = "the Parquet tables with pictures inside do not name it"
    return Listing([], [Skipped(file.name, "not listed", why) for file in left])


def _check(shards: Sequence[Shard], tree: Tree) -> None:
    classes = sorted({file.top for file in tree.inputs if file.top})
    if len(classes) > 1:
        raise SourceError(
            f"{tree.title} holds Parquet tables with pictures inside ({listed([one.file.rel for one in shards], 2)}) and folders "
            f"of {tree.form.many} ({listed(classes)}); give one of the two by its own path"
        )
    places = sorted({shard.place for shard in shards})
    if len(places) > 1:
        raise SourceError(
            f"{tree.title} holds several data sets as Parquet, in the folders {listed([place or '.' for place in places])}; "
            f"give one of them, e.g. {Path(tree.title) / (places[0] or shards[0].file.rel)}"
        )
    without = [shard.file.name for shard in shards if shard.split is None]
    if without and len(without) < len(shards):
        raise SourceError(
            f"{listed(without, 2)} of {tree.title} is of no split that is known, and others are; name it after train, valid or "
            "test, or give a folder without it"
        )


def _shard(file: File) -> Shard:
    *folders, name = file.rel.split("/")
    split = _split_in(name[: -len(SUFFIX)])
    if split is None:
        for depth in range(len(folders) - 1, -1, -1):
            if found := _split_in(folders[depth]):
                return Shard(file, found, "/".join(folders[:depth] + folders[depth + 1 :]))
    return Shard(file, split, "/".join(folders))


def _split_in(name: str) -> str | None:
    """The one split that a name speaks of."""
    found = named(name)
    return found.split if found else None
