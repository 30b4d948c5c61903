"""Functions from an item to its label: the folder it stands in, a pattern in its name, a column of its row.

Items are `Item`s, paths, or rows of a table (mappings, named tuples, pandas rows). Errors say what was received and
what would do; the DataBlock adds which item it was.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ...core.errors import DataError, UsageError
from ...core.types import Item
from ..sources.folder import label_of
from ..sources.table import text_of
from .describe import columns, describe

ITEM_COLUMNS = ("path", "name", "label", "group", "split", "weight")
Column = str | int


def place_of(item: object) -> Path:
    """Return the place of an item's file.

    >>> place_of("cat/1.jpg").name
    '1.jpg'

    Raises:
        DataError: the item is a row of a table, or something else without a path of its own.
    """
    match item:
        case Item(path=path):
            return path
        case str() | os.PathLike():
            return Path(item)
    raise DataError(f"received {describe(item)}, which is no path; for rows of a table use ColReader(column)")


def parent_label(item: object) -> str:
    """Return the name of the folder that an item stands in.

    >>> parent_label("photos/cat/1.jpg")
    'cat'
    """
    path = place_of(item)
    if not path.parent.name:
        raise DataError(f"received {path.as_posix()!r}, which stands in no folder; give paths such as cat/1.jpg")
    return label_of(path.parent.name)


@dataclass(frozen=True)
class RegexLabeller:
    r"""Labels an item by a regular expression's first group (the whole match where it has no group).

    A pattern with a slash is searched for in the whole path (forward slashes on every system), any other in the
    file's name, so that the folders above cannot be mistaken for it.

    >>> RegexLabeller(r"(.+)_\d+\.jpg$")("pets/great_pyrenees_173.jpg")
    'great_pyrenees'
    >>> RegexLabeller(r"/([^/]+)/night/")("photos/owl/night/1.jpg")
    'owl'
    """

    pattern: str

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except (re.error, TypeError) as error:
            raise UsageError(f"{self.pattern!r} is not a regular expression: {error}") from None

    def __call__(self, item: object) -> str:
        """Return the item's label.

        Raises:
            DataError: the pattern is not found; says in what it was looked for.
        """
        path = place_of(item)
        text = label_of(path.as_posix() if "/" in self.pattern else path.name)
        match = re.search(self.pattern, text)
        if match is None:
            where = "the path" if "/" in self.pattern else "the name"
            raise DataError(f"the pattern {self.pattern!r} is not found in {where} {text!r}; correct it")
        found: str | None = match[1] if match.re.groups else match[0]
        if not found:
            raise DataError(f"the pattern {self.pattern!r} finds nothing between its brackets in {text!r}; correct it")
        return found


@dataclass(frozen=True)
class ColReader:
    """Reads a column of an item's row, or a field of an `Item`; several columns give a tuple.

    ``label_delim`` cuts a text into a list of labels; ``prefix`` (a folder, or a text) and ``suffix`` go around a
    text, as paths in tables need it.

    >>> ColReader("labels", label_delim=" ")({"file": "a.jpg", "labels": "sea sky"})
    ['sea', 'sky']
    >>> ColReader("file", prefix=Path("photos"), suffix=".jpg")({"file": "a"}).as_posix()
    'photos/a.jpg'
    >>> ColReader(("x", "y"))({"x": 1, "y": 2})
    (1, 2)
    """

    column: Column | tuple[Column, ...]
    label_delim: str | None = None
    prefix: str | Path = ""
    suffix: str = ""

    def __post_init__(self) -> None:
        if self.label_delim == "":
            raise UsageError("label_delim is an empty text; give what stands between two labels")

    def __call__(self, item: object) -> object:
        """Return the item's cell.

        Raises:
            DataError: the item has no such column; says which it has.
        """
        if isinstance(self.column, tuple):
            return tuple(read_column(item, column) for column in self.column)
        value = read_column(item, self.column)
        if self.label_delim is not None:
            text = text_of(value, f"column {self.column!r}") or ""
            return [part for label in text.split(self.label_delim) if (part := label.strip())]
        if isinstance(self.prefix, Path):
            return self.prefix / f"{_cell_text(value, self.column)}{self.suffix}"
        if self.prefix or self.suffix:
            return f"{self.prefix}{_cell_text(value, self.column)}{self.suffix}"
        return value


def _cell_text(value: object, column: Column) -> str:
    text = os.fspath(value) if isinstance(value, os.PathLike) else text_of(value, f"column {column!r}")
    if not text:
        raise DataError(f"column {column!r} is empty; fill it in, or leave the item out")
    return str(text)


def read_column(item: object, column: Column) -> object:
    """Return a cell of a row, by the column's name, or by its number where rows are plain tuples.

    >>> read_column(Item(Path("1.jpg"), "1.jpg", group="video 7"), "group")
    'video 7'

    Raises:
        DataError: there is no such column, or the item is no row at all.
    """
    if isinstance(item, Item):
        fields_of: Sequence[Column] = ITEM_COLUMNS
    elif isinstance(item, tuple) and hasattr(item, "_fields"):
        fields_of = item._fields
    elif isinstance(item, list | tuple):
        if isinstance(column, int) and -len(item) <= column < len(item):
            return cast("Sequence[object]", item)[column]
        raise DataError(f"there is no column {column!r}; received {describe(item)}")
    elif isinstance(item, Mapping) or hasattr(item, "keys"):  # rows of pandas have keys without being mappings
        row = cast("Mapping[Column, object]", item)
        if column in row:
            return row[column]
        raise DataError(f"there is no column {column!r}; found {columns(row)}")
    else:
        raise DataError(f"received {describe(item)}, which has no columns; give rows, e.g. get_items=get_rows")
    if column not in fields_of:
        raise DataError(f"there is no column {column!r}; found {columns(dict.fromkeys(fields_of))}")
    return cast("object", getattr(item, str(column)))
