"""JSON lines → cells: one object a line."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

from ...core.errors import SourceError
from ...core.plain_file import open_plain
from .cells import MAX_LINE, Table, bound_columns
from .encoding import encoding_of, not_utf8


def load_json_lines(path: Path, name: str) -> Table:
    """Read the cells.

    Raises:
        SourceError: of another encoding, or a line that is no object (with its number).
        OSError: it cannot be read.
    """
    with open_plain(path) as file:
        encoding = encoding_of(file, name)
        try:
            return _load(io.TextIOWrapper(file, encoding=encoding), name)
        except UnicodeError:
            with open_plain(path) as again:
                raise not_utf8(again, name) from None


def _load(text: io.TextIOWrapper, name: str) -> Table:
    rows: list[tuple[str, Mapping[str, object]]] = []
    columns: dict[str, None] = {}
    for number, line in enumerate(iter(lambda: text.readline(MAX_LINE + 1), ""), start=1):
        if not line.strip():
            continue
        at = f"{name}, line {number}"
        if len(line) > MAX_LINE:
            raise SourceError(f"{at} has more than {MAX_LINE >> 20} million characters; each line is one image")
        cells = _object(line, at)
        columns |= dict.fromkeys(cells)
        bound_columns(len(columns), at)
        rows.append((at, cells))
    return Table(name, tuple(columns), tuple(rows))


def _object(line: str, at: str) -> Mapping[str, object]:
    try:
        cells = json.loads(line.rstrip())
    except json.JSONDecodeError as error:
        raise SourceError(f"{at}: broken JSON at column {error.colno} ({error.msg}); correct the line") from None
    except (ValueError, RecursionError) as error:  # JSON may hold numbers of thousands of digits, or nest without end
        raise SourceError(f"{at}: {error}; correct the line") from None
    if not isinstance(cells, dict):
        raise SourceError(f'{at} is a JSON {type(cells).__name__}; each line must be one object, {{"file_name": …}}')
    return cells
