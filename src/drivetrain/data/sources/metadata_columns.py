"""Columns beside file and label, of a table or of a folder: what is known of items besides, such as the site or the season."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ...core.errors import SourceError
from ..edits.places import is_record
from ..provenance.line import FILE
from ..provenance.origins import origins_below
from .columns import find_meaning
from .file_form import FileForm
from .folder import shown
from .labelled_folder import METADATA
from .locate import Finder, Place
from .parquet import holds_pictures
from .table import SUFFIXES, Row, load, read_listing

# The column of the tables in a folder that names a file.
FILE_NAME = "file_name"
# The folder of items that were removed.
REMOVED = "removed"
# The most columns that are looked at, and the most distinct values of one that says something of several items.
MOST_COLUMNS, MOST_VALUES = 12, 40
# The longest text that is a value rather than a remark.
LONGEST = 60


Columns = dict[str, dict[str, str]]
"""Values by item name of each column."""


def metadata_columns(source: Path, form: FileForm) -> Columns:
    """Return the values by item name of each column that says something of several items; empty where there are none.

    The columns are those of a table, of the tables ``metadata.csv`` in a folder, and of its record of where items came from. A
    column with a value of its own for most items, or with one value only, says nothing of others and is left out.
    """
    if source.suffix.lower() in SUFFIXES and source.is_file():
        found = _of_table(source, Place(str(source.parent)), form)
    elif source.is_dir():
        found = _of_folder(source, form)
    else:
        return {}
    telling = (column for column, values in found.items() if 2 <= len(set(values.values())) <= _most(len(values)))
    return {column: found[column] for column in list(telling)[:MOST_COLUMNS]}


def _of_folder(root: Path, form: FileForm) -> Columns:
    """Read the tables that describe what lies below them, of which the nearest one counts, and where items came from."""
    found: Columns = {}
    tables, records = list[str](), list[str]()
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name != REMOVED]
        start = "" if Path(folder) == root else f"{Path(folder).relative_to(root).as_posix()}/"
        tables += [start + name for name in files if _describes(name, at_top=not start)]
        records += [start.removesuffix("/")] * (FILE in files)
    for name in sorted(tables, key=lambda one: (one.count("/"), one)):
        place = Place(str(root), name.rpartition("/")[0], confined=True)
        for column, values in _of_table(root / name, place, form).items():
            found.setdefault(column, {}).update(values)
    for column, values in origins_below(root, records).items():
        found.setdefault(column, {}).update(values)
    return found


def _describes(name: str, *, at_top: bool) -> bool:
    """Tells whether a file may be a table of the pictures around it."""
    kind = Path(name).suffix.lower()
    return name.lower() in METADATA or (at_top and kind in SUFFIXES and not is_record(name))


def _of_table(path: Path, place: Place, form: FileForm) -> Columns:
    """Read the free columns of one table; none of a table that cannot be read."""
    try:
        if path.suffix.lower() == ".parquet" and holds_pictures(path, shown(path.name)):
            return {}  # reading its columns would unpack the pictures once more
        table = load(path, shown(path.name), every_column=True)
        within = path.name.lower() in METADATA
        meaning = find_meaning(
            table,
            labelled=True,
            exists=Finder(place, form, path.stem).exists,
            path_column=FILE_NAME if within else "path",
            needs_label=not within,
        )
        taken = {*meaning.roles.values(), *(meaning.one_hot.columns if meaning.one_hot else ())}
        free = [column for column in table.columns if column not in taken]
        texts = {column: [_text(cells.get(column)) for _, cells in table.rows] for column in free}
        if not free:
            return {}

        def instead_of_labels(rows: list[Row]) -> list[Row]:
            """Put the cells where labels stand, so that items are named as they were."""
            cells = [json.dumps({column: texts[column][at] for column in free}) for at in range(len(rows))]
            return [row._replace(label=text, labels=None) for row, text in zip(rows, cells, strict=True)]

        listing = read_listing(
            table,
            place,
            table.name,
            form,
            labelled=True,
            no_splits=True,
            path_column=FILE_NAME if within else "path",
            needs_label=not within,
            complete=instead_of_labels,
        )
    except (SourceError, OSError, ValueError):
        return {}  # the table was read before by whoever needs it, and is told of there
    found: Columns = {column: {} for column in free}
    for item in listing.items:
        for column, value in json.loads(item.label or "{}").items():
            if value is not None:
                found[column][item.name] = value
    return found


def _most(rows: int) -> int:
    return min(MOST_VALUES, max(2, rows // 5))


def _text(value: object) -> str | None:
    """Return a cell as text; None where it is empty or no short value."""
    if value is None or isinstance(value, list | dict | bytes) or value != value:  # NaN differs from itself
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= LONGEST else None
