"""Tables that list images: CSV, TSV, JSON lines and Parquet → rows → items.

Three steps: `load` parses a file into cells, `read_rows` gives the cells their meaning, `resolve` looks for the files.
Rows also come from Python (see `sources`), so the last two know nothing of file formats.
The steps stand together as they share what a row is; a part of them would be read with the others anyway, hence the length.
"""

# ruff: noqa: PTH100, PTH113, PTH117, PTH118
# Paths are strings until they are items: a Path costs more than all else that is done for a row.

from __future__ import annotations

import math
import os
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from ...core.errors import SourceError
from ...core.local_path import not_local
from ...core.scratch import Into
from ...core.types import Doubt, Item, Skipped
from .cells import HeldFile, Table
from .delimited import load_delimited
from .file_form import FileForm
from .folder import shown
from .json_lines import load_json_lines
from .parquet import load_parquet
from .splits import split_value
from .unpacked import beside

# The reason why a file that is listed twice is left out.
CONFLICTING_LABELS = "conflicting labels"

MAX_PATH = 4096
"""The most characters of a path on any system."""

SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".parquet"})

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "file", "filename", "file_name", "image", "image_path"),
    "label": ("label", "class", "category", "target"),
    "group": ("group", "source", "video", "patient", "module"),
    "split": ("split", "subset"),
    "weight": ("weight",),
}
"""A column's meaning → the names it may have, in lower case. The first wins over the others."""

# Paths that leave the folder they are joined to: absolute for Linux or Windows, or relative to a Windows drive.
ROOTED = re.compile(r"[/\\]|[A-Za-z]:")


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


class Place(NamedTuple):
    """The folder at which rows' relative paths start: ``root`` is the source, ``below`` the table's folder within it.

    ``confined`` rows may not name a file outside the root: the table came with the data, not from the user's hand.
    """

    root: str
    below: str = ""
    confined: bool = False


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

    Of Parquet only the columns that mean something (see `COLUMNS`) are read, or ``every_column``; pictures inside it become
    files below ``unpack_dir``, by default a hidden folder beside it.

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


def find_roles(
    columns: Sequence[str],
    at: str,
    *,
    labelled: bool,
    path_column: str = "path",
    needs_label: bool = True,
    stated: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Find each meaning's column; without labels only the path counts. ``path_column`` wins over its synonyms, and what the
    table itself has ``stated`` over all.

    Raises:
        SourceError: no path column, no label column though it is needed, or two that could be it.
    """
    roles: dict[str, str] = {}
    for role in COLUMNS if labelled else ("path",):
        matches = [column for column in columns if column.strip().lower() in COLUMNS[role]]
        first = path_column if role == "path" else role
        best = [column for column in matches if column.strip().lower() == first] or matches
        if len(best) > 1 and role not in stated:
            either = " and ".join(repr(column) for column in best)
            raise SourceError(f"{at}: columns {either} could both be the {role}; call one of them {first}")
        if best:
            roles[role] = best[0]
        if role in stated:
            roles[role] = stated[role]
    needed = ("path", "label") if labelled and needs_label else ("path",)
    if missing := [role for role in needed if role not in roles]:
        names = " and ".join(f"{role} (or {', '.join(COLUMNS[role][1:])})" for role in missing)
        found = ", ".join(repr(column) for column in columns[:12]) or "none"
        raise SourceError(f"{at} has no column for {names}; found {found}; name the columns in the first row")
    return roles


def read_rows(table: Table, *, labelled: bool, path_column: str = "path", needs_label: bool = True) -> list[Row]:
    """Give a table's cells their meaning.

    Raises:
        SourceError: columns are missing, or a cell cannot be understood (with its place).
    """
    roles = find_roles(
        table.columns,
        table.name,
        labelled=labelled,
        path_column=path_column,
        needs_label=needs_label,
        stated=table.stated,
    )
    return [row_of(at, cells, roles) for at, cells in table.rows]


def row_of(at: str, cells: Mapping[str, object], roles: Mapping[str, str]) -> Row:
    """Read one row from its cells; an absent cell counts as empty."""
    value = {role: cells.get(column) for role, column in roles.items()}
    path, held = value["path"], value["path"]
    if isinstance(held, HeldFile):
        path = held.name
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    if path is not None and not isinstance(path, str):
        raise SourceError(f"{at}: the path is of type {type(path).__name__}; give the name of a file as text")
    if path and len(path) > MAX_PATH:
        raise SourceError(
            f"{at}: the path has {len(path):,} characters, as no file's has; if it is a picture written out as text (base64), "
            "decode it to a file first"
        )
    return Row(
        at,
        path or "",
        text_of(value.get("label"), f"{at}: the label"),
        text_of(value.get("group"), f"{at}: the group"),
        split_of(value.get("split"), at),
        weight_of(value.get("weight"), at),
        file=held.path if isinstance(held, HeldFile) else "",
    )


def text_of(value: object, what: str) -> str | None:
    """Return a label or group as text in NFC; None where the cell is empty. Whole floats lose their ``.0``."""
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
        raise SourceError(f"{at}: split {text!r} is unknown; use train, valid or test")
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


def resolve(rows: Sequence[Row], place: Place, title: str, form: FileForm, *, labelled: bool) -> Listing:
    """Look for the rows' files, which have ``form``, and make items of them, in the rows' order.

    A file listed twice counts once; listed under two labels it does not count at all.

    Raises:
        SourceError: none of the files exists, or a confined row points outside.
    """
    found = [_locate(row, place) if row.path else ("", "") for row in rows]
    if rows and not any(path for _, path in found):
        first = shown(found[0][0]) or "an empty path"
        start = shown(os.path.abspath(os.path.join(place.root, place.below)))
        none = (
            f"the one file listed in {title} does not exist, {first}"
            if len(rows) == 1
            else f"none of the {len(rows)} files listed in {title} exists, e.g. {first}"
        )
        raise SourceError(f"{none}; relative paths start at {start}")
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
        if reason := _why_not(row, path, places, used, labelled) or form.problem(path):
            skipped.append(Skipped(name, *reason))
            continue
        used[path] = row.at
        label = row.label if labelled else None
        items.append(Item(Path(path), name, label, row.group, row.split, row.weight))
    return Listing(items, skipped, frozenset(rel for rel, _ in found))


def _why_not(
    row: Row, path: str, places: Mapping[str, Mapping[str, str]], used: Mapping[str, str], labelled: bool
) -> tuple[str, str] | None:
    """The reason why a row gives no item, as a short code and a sentence."""
    if not row.path:
        return "no path", f"{row.at}: the path is empty"
    if labelled and row.label is None:
        return "no label", f"{row.at}: the label is empty"
    if not path:
        return "missing", f"{row.at}: {shown(not_local(row.path) or 'no such file')}"
    if labelled and len(places[path]) > 1:
        return CONFLICTING_LABELS, " and ".join(f"{label!r} ({at})" for label, at in places[path].items())
    if path in used:
        return "repeated", f"{row.at}: already listed ({used[path]})"
    return None


def _locate(row: Row, place: Place) -> tuple[str, str]:
    """Find a row's path relative to the root, and the file it names; the latter is empty where there is none."""
    if row.file:
        return row.path, row.file
    rels = [_relative(spelling, row.at, place) for spelling in _spellings(row.path)]
    for rel in rels:
        path = os.path.normpath(os.path.join(place.root, rel))
        if os.path.isfile(path):
            return rel, path
    return rels[0], ""


def _spellings(path: str) -> Iterator[str]:
    """Yield a path as listed, then as other systems and editors would have written it."""
    return iter(
        dict.fromkeys(
            (
                path,
                path.strip(),
                unicodedata.normalize("NFC", path),
                unicodedata.normalize("NFD", path),
                path.replace("\\", "/"),
            )
        )
    )


def _relative(path: str, at: str, place: Place) -> str:
    """Return the normal form of a path, relative to the root where it stands below."""
    path = path.replace(os.sep, "/")
    if not place.confined and os.path.isabs(path):
        path = posixpath.normpath(path)
        root = os.path.abspath(place.root).replace(os.sep, "/") + "/"
        return path.removeprefix(root) if place.root else path
    rel = posixpath.normpath(posixpath.join(place.below, path))
    if place.confined and (ROOTED.match(path) or rel == ".." or rel.startswith("../")):
        raise SourceError(f"{at}: {path!r} points outside the data; list files by their path relative to the table")
    return rel
