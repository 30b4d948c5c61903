"""Columns of a table that are neither file nor label: what its owner knows besides, such as the site or the season."""

from __future__ import annotations

import json
from pathlib import Path

from ...core.errors import SourceError
from .columns import find_meaning
from .file_form import FileForm
from .folder import shown
from .locate import Finder, Place
from .table import SUFFIXES, Row, load, read_listing

# The most columns that are looked at, and the most distinct values of one that says something of several items.
MOST_COLUMNS, MOST_VALUES = 12, 40
# The longest text that is a value rather than a remark.
LONGEST = 60


def metadata_columns(source: Path, form: FileForm) -> dict[str, dict[str, str]]:
    """Return the values by item name of each column that says something of several items; empty where it is no table.

    A column with a value of its own for most rows, or with one value only, says nothing of others and is left out.
    """
    if source.suffix.lower() not in SUFFIXES or not source.is_file():
        return {}
    try:
        table = load(source, shown(source.name), every_column=True)
        place = Place(str(source.parent))
        meaning = find_meaning(table, labelled=True, exists=Finder(place, form, source.stem).exists)
        taken = {*meaning.roles.values(), *(meaning.one_hot.columns if meaning.one_hot else ())}
        free = [column for column in table.columns if column not in taken]
        texts = {column: [_text(cells.get(column)) for _, cells in table.rows] for column in free}
        telling = [column for column in free if 2 <= len(set(texts[column]) - {None}) <= _most(len(table.rows))]
        if not telling:
            return {}

        def instead_of_labels(rows: list[Row]) -> list[Row]:
            """Put the cells where labels stand, so that items are named as they were."""
            cells = [json.dumps({column: texts[column][at] for column in telling}) for at in range(len(rows))]
            return [row._replace(label=text, labels=None) for row, text in zip(rows, cells, strict=True)]

        listing = read_listing(
            table,
            place,
            table.name,
            form,
            labelled=True,
            no_splits=True,
            complete=instead_of_labels,
        )
    except (SourceError, OSError, ValueError):
        return {}  # the table was read before by whoever needs it, and is told of there
    found: dict[str, dict[str, str]] = {column: {} for column in telling[:MOST_COLUMNS]}
    for item in listing.items:
        for column, value in json.loads(item.label or "{}").items():
            if column in found and value is not None:
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
