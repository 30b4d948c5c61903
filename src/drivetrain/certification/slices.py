"""Slices of the fresh data: the part that each item belongs to, by its answer, its group, or a column of its table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.types import Item
from ..data.sources.file_form import FileForm
from ..data.sources.folder import shown
from ..data.sources.locate import Place
from ..data.sources.table import SUFFIXES, Row, load, read_listing, text_of
from .field_data import FieldData

CLASS, GROUP = "class", "group"
"""Words that stand for the answer and for the group, where no column is called so."""

NOTHING = "–"
"""The value of an item that has none."""

Slice = tuple[str, NDArray[np.bool_]]


def slices_of(
    by: Sequence[str], source: object, items: Sequence[Item], answers: Sequence[str], form: FileForm
) -> Iterator[Slice]:
    """Yield name and (J,) mask of every slice: ``camera=north``; ``answers`` are the labels answered.

    Raises:
        UsageError: there is no such column.
    """
    for column in by:
        values = _values(column, source, items, answers, form)
        for value in sorted(set(values)):
            yield f"{column}={value}", np.asarray([other == value for other in values], np.bool_)


def _values(
    column: str, source: object, items: Sequence[Item], answers: Sequence[str], form: FileForm
) -> Sequence[str]:
    if column == CLASS:
        return answers
    if isinstance(source, FieldData) and column in source.columns:
        return [source.columns[column].get(item.name, NOTHING) for item in items]
    if column == GROUP:
        return [item.group or "" for item in items]
    if isinstance(source, FieldData):
        there = ", ".join(map(shown, [*source.columns][:12]))
        raise UsageError(f"by (--by) is {column!r}, which no input has; there are {there}, {CLASS} and {GROUP}")
    path = Path(source) if isinstance(source, str | Path) else None
    if path is None or path.suffix.lower() not in SUFFIXES or not path.is_file():
        raise UsageError(
            f"by (--by) is {column!r}, a column, and {shown(str(source))[:200]} is no table; give a table with that column, or "
            f"cut by {CLASS} or {GROUP}"
        )
    named = _column(column, path, form)
    return [named.get(item.name, "") for item in items]


def _column(column: str, path: Path, form: FileForm) -> dict[str, str]:
    """Return the column's value of each item, by the item's name."""
    table = load(path, shown(path.name), every_column=True)
    if column not in table.columns:
        there = ", ".join(map(shown, table.columns[:12]))
        raise UsageError(f"by (--by): {table.name} has no column {column!r}; its columns are {there}")

    def instead_of_labels(rows: list[Row]) -> list[Row]:
        """Put the column where labels stand, so that items are made as they were, with its values."""
        cells = [text_of(cells.get(column), f"{at}: {column}") or NOTHING for at, cells in table.rows]
        return [row._replace(label=value, labels=None) for row, value in zip(rows, cells, strict=True)]

    found = read_listing(
        table, Place(str(path.parent)), table.name, form, labelled=True, no_splits=True, complete=instead_of_labels
    )
    return {item.name: item.label or NOTHING for item in found.items}
