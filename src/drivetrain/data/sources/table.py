"""Tables that list images: CSV, TSV, JSON lines and Parquet → rows → items.

Three steps: `load` parses a file into cells, `read_rows` gives the cells their meaning, `resolve` looks for the files.
Rows also come from Python (see `sources`), so the last two know nothing of file formats.
The steps stand together as they share what a row is; a part of them would be read with the others anyway, hence the length.
"""

# ruff: noqa: PTH100, PTH118
# Paths are strings until they are items: a Path costs more than all else that is done for a row.

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...core.errors import SourceError
from ...core.local_path import not_local
from ...core.plain_file import not_plain
from ...core.scratch import Into
from ...core.types import Doubt, Item, Skipped
from .cells import HeldFile, Table
from .columns import COLUMNS, Meaning, find_meaning
from .delimited import load_delimited
from .distinct import plain
from .file_form import FileForm
from .folder import shown
from .json_lines import load_json_lines
from .list_text import are_written_lists, read_list
from .locate import ROOTED, Finder, Located, Place
from .parquet import load_parquet
from .split_columns import about_folders
from .splits import split_value
from .unpacked import beside

# The reason why a file that is listed twice is left out.
CONFLICTING_LABELS = "conflicting labels"

BETWEEN = ";"
"""The text between labels, where a list of them is written as one."""

MAX_PATH = 4096
"""The most characters of a path on any system."""

SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".parquet"})


class Row(NamedTuple):
    """One listed image. ``name`` overrides the one made from the path; ``weight`` is finite and ≥ 0."""

    at: str
    path: str
    label: str | None = None
    group: str | None = None
    split: str | None = None
    weight: float = 1.0
    name: str | None = None
    file: str = ""
    """The file itself, where the table held it and ``path`` is but a name."""
    labels: tuple[str, ...] | None = None
    """The labels, where they are listed one by one; ``label`` is then all of them in one text."""


class Listing(NamedTuple):
    """The items that rows gave; ``rels`` are the paths relative to the root that the rows named."""

    items: list[Item]
    skipped: list[Skipped]
    rels: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    @classmethod
    def joined(cls, parts: Iterable[Listing], notes: Iterable[str] = ()) -> Listing:
        """All parts as one; ``notes`` come before theirs."""
        whole = cls([], [], notes=tuple(notes))
        for part in parts:
            whole.items.extend(part.items)
            whole.skipped.extend(part.skipped)
            whole = whole._replace(
                rels=whole.rels | part.rels, notes=whole.notes + part.notes, doubts=whole.doubts + part.doubts
            )
        return whole


def load(path: Path, name: str, *, every_column: bool = False, unpack_dir: Into | None = None) -> Table:
    """Read a table's cells; ``name`` is what messages call it.

    Of Parquet the columns of single values are read and those that mean something (see `columns.KNOWN`), or ``every_column``;
    pictures inside it become files below ``unpack_dir``, by default a hidden folder beside it.

    Raises:
        SourceError: unreadable, of another encoding, malformed (with the line), or Parquet without pyarrow.
    """
    try:
        match path.suffix.lower():
            case ".parquet":
                return load_parquet(path, name, COLUMNS, unpack_dir or beside(path), every_column=every_column)
            case ".jsonl":
                return load_json_lines(path, name)
            case suffix:
                return load_delimited(path, name, "\t" if suffix == ".tsv" else ",")
    except OSError as error:
        raise SourceError(f"cannot read {name}: {error.strerror or type(error).__name__}") from None


def read_rows(table: Table, meaning: Meaning | None = None, *, labelled: bool) -> list[Row]:
    """Give a table's cells their meaning, by default that which the columns' names alone give them.

    Raises:
        SourceError: columns are missing, or a cell cannot be understood (with its place).
    """
    meaning = meaning or find_meaning(table, labelled=labelled)
    label = meaning.roles.get("label")
    if label is not None and are_written_lists(cells.get(label) for _, cells in table.rows):
        return [row_of(at, {**cells, label: read_list(cells.get(label))}, meaning) for at, cells in table.rows]
    return [row_of(at, cells, meaning) for at, cells in table.rows]


def row_of(at: str, cells: Mapping[str, object], meaning: Meaning) -> Row:
    """Read one row from its cells; an absent cell counts as empty."""
    value = {role: cells.get(column) for role, column in meaning.roles.items()}
    path, held = value["path"], value["path"]
    if isinstance(held, HeldFile):
        path = held.name
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    if meaning.ids and path is not None:
        path = plain(path)
    if path is not None and not isinstance(path, str):
        raise SourceError(f"{at}: the path is of type {type(path).__name__}; give the name of a file as text")
    if path and len(path) > MAX_PATH:
        raise SourceError(
            f"{at}: the path has {len(path):,} characters, as no file's has; if it is a picture written out as text (base64), "
            "decode it to a file first"
        )
    labels = meaning.one_hot.labels(cells) if meaning.one_hot is not None else labels_of(value.get("label"), at)
    split = meaning.splits.side_of(cells, at) if meaning.splits.sides else split_of(value.get("split"), at)
    return Row(
        at,
        path or "",
        text_of(value.get("label"), f"{at}: the label") if labels is None else BETWEEN.join(labels),
        text_of(value.get("group"), f"{at}: the group"),
        split,
        weight_of(value.get("weight"), at),
        file=held.path if isinstance(held, HeldFile) else "",
        labels=labels,
    )


def labels_of(value: object, at: str) -> tuple[str, ...] | None:
    """Return labels that are listed one by one; None of anything but a list."""
    if value is None or type(value) is str:  # nearly every cell
        return None
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        return None
    texts = [text_of(one, f"{at}: a label of the list") for one in value]
    return tuple(dict.fromkeys(text for text in texts if text is not None))


def text_of(value: object, what: str) -> str | None:
    """Return a label or group as text in NFC; None where the cell is empty. Whole floats lose their ``.0``."""
    if type(value) is str:  # nearly every cell
        return unicodedata.normalize("NFC", shown(value.strip())) or None
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas makes whole numbers floats where a column has gaps
    if isinstance(value, Decimal):
        value = f"{value:f}"
    if not isinstance(value, (str, int, float)):
        raise SourceError(f"{what} is of type {type(value).__name__}; give one text or number")
    return unicodedata.normalize("NFC", shown(str(value).strip())) or None


def split_of(value: object, at: str) -> str | None:
    """Read a split: ``train``, ``valid``, ``test``, or None where the cell is empty."""
    text = text_of(value, f"{at}: the split")
    split = split_value(text) if text is not None else None
    if text is not None and split is None:
        raise SourceError(f"{at}: split {text!r} is unknown; use train, valid or test, or say --splits none")
    return split


def weight_of(value: object, at: str) -> float:
    """Read a finite weight ≥ 0; 1 where the cell is empty."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return 1.0
    if isinstance(value, bool) or not isinstance(value, (str, int, float, np.number)):
        weight = math.nan
    else:
        try:
            weight = float(value)
        except (ValueError, OverflowError):
            weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise SourceError(f"{at}: weight {value!r} is not a number ≥ 0")
    return weight


def read_listing(
    table: Table,
    place: Place,
    title: str,
    form: FileForm,
    *,
    labelled: bool,
    no_splits: bool = False,
    path_column: str = "path",
    needs_label: bool = True,
    complete: Callable[[list[Row]], list[Row]] = list,
) -> Listing:
    """Read a table: the meaning of its columns, its rows, and their files.

    ``no_splits``: no column is a split. ``path_column`` wins for the path, and ``needs_label`` unless ``complete``, which may
    change the rows, knows labels.

    Raises:
        SourceError: what `find_meaning`, `read_rows` and `resolve` raise.
    """
    finder = Finder(place, form, Path(table.name).stem)
    meaning = find_meaning(
        table,
        labelled=labelled,
        path_column=path_column,
        needs_label=needs_label,
        no_splits=no_splits,
        exists=finder.exists,
    )
    rows = complete(read_rows(table, meaning, labelled=labelled))
    found = resolve(rows, place, title, form, labelled=labelled, finder=finder)
    doubts = [*meaning.doubts]
    if labelled and not no_splits and not any(row.split for row in rows):
        doubts += about_folders(title, (item.name for item in found.items))
    return found._replace(notes=(*meaning.notes, *found.notes), doubts=tuple(doubts))


def resolve(
    rows: Sequence[Row], place: Place, title: str, form: FileForm, *, labelled: bool, finder: Finder | None = None
) -> Listing:
    """Look for the rows' files, which have ``form``, and make items of them, in the rows' order.

    A file listed twice counts once; listed under two labels it does not count at all.

    Raises:
        SourceError: none of the files exists, a row fits two, or a confined row points outside.
    """
    finder = finder or Finder(place, form)
    found = [_written(row, finder) for row in rows]
    notes: tuple[str, ...] = ()
    if rows and not any(one.path for one in found):
        written = found
        found = [finder.by_name(row.path, row.at) if row.path else Located("", "") for row in rows]
        if not any(one.path for one in found):
            raise _none_exists(rows, written, place, title)
        row, first = next((row, one) for row, one in zip(rows, found, strict=True) if one.path)
        notes = (f"found the files of {title} by their names, e.g. {shown(row.path)} is {shown(first.rel)}",)
    places: dict[str, dict[str, str]] = {}
    for row, (_, path) in zip(rows, found, strict=True):
        if path and row.label is not None:
            places.setdefault(path, {}).setdefault(row.label, row.at)
    items: list[Item] = []
    skipped: list[Skipped] = []
    used: dict[str, str] = {}
    for row, (rel, path) in zip(rows, found, strict=True):
        # An address stays as it was written: as a path it would lose a slash.
        name = row.name or shown(row.path if not path and not_local(row.path) else rel) or row.at
        file = path or os.path.join(place.root, rel)
        if reason := _why_not(row, path, file, places, used, labelled) or form.problem(path):
            skipped.append(Skipped(name, *reason))
            continue
        used[path] = row.at
        label, labels = (row.label, row.labels) if labelled else (None, None)
        items.append(Item(Path(path), name, label, row.group, row.split, row.weight, labels=labels))
    return Listing(items, skipped, frozenset(one.rel for one in found), notes)


def _written(row: Row, finder: Finder) -> Located:
    if row.file or not row.path:
        return Located(row.path, row.file)
    return finder.as_written(row.path, row.at)


def _none_exists(rows: Sequence[Row], written: Sequence[Located], place: Place, title: str) -> SourceError:
    count, first = len(rows), rows[0].path if not_local(rows[0].path or ".") else written[0].rel
    start = shown(os.path.abspath(os.path.join(place.root, place.below)))
    if address := not_local(first):
        return SourceError(f"no file listed in {title} exists: {shown(address)}")
    for row, one in zip(rows, written, strict=True):
        if row.path and (what := not_plain(os.path.join(place.root, one.rel))):
            of = f"the one file listed in {title}" if count == 1 else f"none of the {count} files listed in {title}"
            return SourceError(
                f"{of} can{'not' if count == 1 else ''} be read, {'' if count == 1 else 'e.g. '}{shown(one.rel)}: {what}"
            )
    elsewhere = ROOTED.match(first) is not None
    first = shown(first) or "an empty path"
    none = (
        f"the one file listed in {title} does not exist, {first}"
        if count == 1
        else f"none of the {count} files listed in {title} exists, e.g. {first}"
    )
    if elsewhere:
        return SourceError(
            f"{none}, which is a path of another place or computer; write paths as they are below {start}"
        )
    return SourceError(f"{none}; relative paths start at {start}")


def _why_not(
    row: Row,
    path: str,
    file: str,
    places: Mapping[str, Mapping[str, str]],
    used: Mapping[str, str],
    labelled: bool,
) -> tuple[str, str] | None:
    """The reason why a row gives no item, as a short code and a sentence; ``file`` is what it names, ``path`` the same if it is
    there to be read."""
    if not row.path:
        return "no path", f"{row.at}: the path is empty"
    if labelled and row.label is None:
        return "no label", f"{row.at}: the label is empty"
    if not path:
        return "missing", f"{row.at}: {shown(not_local(row.path) or not_plain(file) or 'no such file')}"
    if labelled and len(places[path]) > 1:
        return CONFLICTING_LABELS, " and ".join(f"{label!r} ({at})" for label, at in places[path].items())
    if path in used:
        return "repeated", f"{row.at}: already listed ({used[path]})"
    return None
