"""Functions from a source to its items: the files below a folder, or the rows of a table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...core.errors import SourceError
from ..image.files import IMAGES
from ..sources.folder import no_inputs, shown, walk
from ..sources.table import SUFFIXES, load
from .describe import describe


def get_image_files(source: str | os.PathLike[str], *, recurse: bool = True) -> list[Path]:
    """Return the sorted paths of the images below a folder, passing over hidden files and those that are no images.

    Raises:
        SourceError: there is no such folder, or no image in it.
    """
    if not isinstance(source, str | os.PathLike):
        raise SourceError(
            f"received {describe(source)}; get_image_files needs a folder; for a table give get_items=get_rows, for a "
            "list of items get_items=list"
        )
    root, title = Path(source), shown(str(source))
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise SourceError(f"{title} {what}; give the folder of the images, or another get_items, e.g. open_source")
    tree = walk(root, title, IMAGES, None if recurse else 0)
    files = [Path(file.path) for file in tree.inputs]
    if not files:
        raise no_inputs(tree, "give the folder that holds the images")
    return files


def get_rows(source: object) -> list[Mapping[str, object]]:
    """Return a table's rows with every column: a CSV, TSV, JSON lines or Parquet file, a data frame, or an iterable of rows.

    >>> get_rows([{"file": "a.jpg", "age": 27}])
    [{'file': 'a.jpg', 'age': 27}]

    Raises:
        SourceError: it cannot be read, or is no table.
    """
    if isinstance(source, str | os.PathLike):
        path, title = Path(source), shown(str(source))
        if not path.is_file() or path.suffix.lower() not in SUFFIXES:
            raise SourceError(f"{title} is no table; give a file that ends in {', '.join(sorted(SUFFIXES))}")
        return [cells for _, cells in load(path, shown(path.name), every_column=True).rows]
    to_dict = getattr(source, "to_dict", None)
    if to_dict is not None and hasattr(source, "columns"):
        source = to_dict("records")
    if not isinstance(source, Iterable) or isinstance(source, bytes | Mapping):
        raise SourceError(f"received {describe(source)}; give the path of a table, a data frame, or a list of rows")
    rows: list[Mapping[str, object]] = []
    for number, row in enumerate(source):
        if not isinstance(row, Mapping):
            raise SourceError(f"row {number} is {describe(row)}; every row must be a mapping from column to cell")
        rows.append(row)
    return rows
