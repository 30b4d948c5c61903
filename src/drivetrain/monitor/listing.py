"""The images that a watch is to look at, from a folder, an archive or a table: which camera took each, and when."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ..core.errors import SourceError, UsageError
from ..core.scratch import Into
from ..data.sources import table
from ..data.sources.cells import Table
from ..data.sources.folder import shown
from ..data.sources.locate import Place
from ..data.sources.opening import open_source
from ..data.sources.table import Row
from ..model.inputs.input import Input
from .moment import EPOCH

SOURCES = ("camera", "camera_id", "site", "location")
"""Columns that name the source, the first of them that there is."""
TIMES = ("taken_at", "timestamp", "datetime", "date_time", "time", "date")
FOLDER = "folder"
"""The word by which the first folder below the one given is the source."""


Order = Literal["time", "name", "shuffled"]


@dataclass(frozen=True, slots=True)
class Taken:
    """One image, where it came from, and when."""

    file: Path
    name: str
    source: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """Images in the order in which a watch is told of them."""

    images: tuple[Taken, ...]
    order: Order
    """By time where every image has one; else by name, unless they stand in several folders: names then say what they show
    rather than when, and their order is shuffled, the same every time."""


def list_images(data: str, form: Input, into: Into, by: str | None = None) -> Listed:
    """List images. ``by``: a column of the table, or ``folder``; by default the column that is called like a camera or site.

    Raises:
        SourceError, UsageError: nothing is found, or there is no such column.
    """
    path = Path(data)
    is_table = path.suffix.lower() in table.SUFFIXES and path.is_file()
    if is_table:
        found = _of_table(path, form, into, by)
    else:
        if by not in (None, FOLDER):
            raise UsageError(f"--by {by} names a column, and {shown(data)} is no table; give a table, or --by {FOLDER}")
        items = open_source(data, labelled=False, form=form.files, unpack_dir=into).items
        found = [
            Taken(item.path, item.name, _folder(item.name) if by else "", form.taken_at(item.path)) for item in items
        ]
    if all(one.at is not None for one in found):
        return Listed(tuple(sorted(found, key=lambda one: (one.at or EPOCH, one.name))), "time")
    if is_table or by or len({one.name.rpartition("/")[0] for one in found}) == 1:
        return Listed(tuple(found), "name")
    return Listed(
        tuple(sorted(found, key=lambda one: hashlib.sha256(one.name.encode("utf-8", "replace")).digest())), "shuffled"
    )


def _folder(name: str) -> str:
    first, slash, _ = name.partition("/")
    return first if slash else ""


def _of_table(path: Path, form: Input, into: Into, by: str | None) -> list[Taken]:
    title = shown(path.name)
    cells = table.load(path, title, every_column=True, unpack_dir=into)
    source = _column(cells, (by,) if by else SOURCES)
    if by and source is None:
        raise SourceError(f"{title} has no column {by!r}; its columns are {', '.join(cells.columns[:12])}")
    time = _column(cells, TIMES)

    def told(rows: list[Row]) -> list[Row]:
        # A row's group is the only cell that goes along with its file, and nothing else needs it here.
        return [
            row._replace(group=json.dumps([_text(values, source), _text(values, time)]))
            for row, (_, values) in zip(rows, cells.rows, strict=True)
        ]

    items = table.read_listing(cells, Place(str(path.parent)), title, form.files, labelled=False, complete=told).items
    found = []
    for item in items:
        camera, moment = json.loads(item.group or '["", ""]')
        found.append(Taken(item.path, item.name, camera, _moment(moment) or form.taken_at(item.path)))
    return found


def _column(cells: Table, names: Sequence[str]) -> str | None:
    columns = {column.strip().lower(): column for column in reversed(cells.columns)}
    return next((columns[name.lower()] for name in names if name.lower() in columns), None)


def _text(values: Mapping[str, object], column: str | None) -> str:
    value = None if column is None else values.get(column)
    return "" if value is None else str(value).strip()


def _moment(text: str) -> datetime | None:
    """Read ISO 8601, in UTC unless it says otherwise; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
