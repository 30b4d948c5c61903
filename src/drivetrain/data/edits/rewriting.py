"""A table's text with other labels, and without the rows of what was removed; all else stays as it was written.

Rows count from 0, as `table.load` gives them: rows without anything in them are no rows, nor is the one that names the columns.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...core.errors import DataError
from ..sources.columns import Meaning
from ..sources.delimited import layout_of
from ..sources.list_text import read_list
from ..sources.one_hot import is_yes
from .edit import Fate, Standing

_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CODECS = dict(zip(_MARKS, ("utf-32-le", "utf-32-be", "utf-8", "utf-16-le", "utf-16-be"), strict=True))


def rewritten(data: bytes, path: Path, meaning: Meaning, rows: Mapping[int, Standing]) -> bytes:
    """Return the bytes of a table in which some rows stand otherwise.

    Raises:
        DataError: the table is none that can be rewritten.
    """
    mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    text = data[len(mark) :].decode(_CODECS.get(mark, "utf-8"))
    if path.suffix.lower() == ".jsonl":
        parts = _json_lines(text, meaning, rows)
    elif path.suffix.lower() in (".csv", ".tsv"):
        parts = _delimited(text, path, meaning, rows)
    else:
        raise DataError(
            f"{path.name} is of a kind that is not rewritten; training reads it with the edits, and a CSV, TSV or JSON lines "
            "table can be given instead"
        )
    return mark + "".join(parts).encode(_CODECS.get(mark, "utf-8"))


def _json_lines(text: str, meaning: Meaning, rows: Mapping[int, Standing]) -> Iterator[str]:
    number = -1
    for line in io.StringIO(text, newline=""):
        number += bool(line.strip())
        standing = rows.get(number) if line.strip() else None
        if standing is None:
            yield line
        elif standing.fate is not Fate.REMOVED:
            end = line[len(line.rstrip()) :]
            cells = json.loads(line.rstrip())
            yield json.dumps(_with_label(cells, meaning, standing, _json_cell), ensure_ascii=line.isascii()) + end


def _delimited(text: str, path: Path, meaning: Meaning, rows: Mapping[int, Standing]) -> Iterator[str]:
    layout = layout_of(path, "\t" if path.suffix.lower() == ".tsv" else ",")
    lines = io.StringIO(text, newline="")
    for _ in range(layout.skipped):
        yield lines.readline()
    taken: list[str] = []

    def feed() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    number = -2  # the first row names the columns
    columns: list[str] = []
    for cells in csv.reader(feed(), delimiter=layout.delimiter, skipinitialspace=layout.padded):
        raw = "".join(taken)
        taken.clear()
        is_row = any(cell.strip() for cell in cells) and cells != ["\x1a"]
        number += is_row
        if number == -1 and not columns:
            columns = [cell.strip("\ufeff \t\r\n").strip() for cell in cells]
        standing = rows.get(number) if is_row else None
        if standing is None:
            yield raw
        elif standing.fate is not Fate.REMOVED:
            known = dict(zip(columns, cells, strict=False))
            changed = _with_label(known, meaning, standing, _text_cell)
            extra = cells[len(columns) :]
            wide = [changed.get(column, "") for column in columns]
            yield _record([*wide, *extra], layout.delimiter, raw)


def _record(cells: list[Any], delimiter: str, raw: str) -> str:
    body = raw.rstrip("\r\n")
    quoted = body.startswith('"') and body.endswith('"')
    out = io.StringIO(newline="")
    style: Any = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(out, delimiter=delimiter, quoting=style, lineterminator=raw[len(body) :]).writerow(cells)
    return out.getvalue()


Cell = Callable[[Any, Standing], Any]


def _with_label(cells: Mapping[str, Any], meaning: Meaning, standing: Standing, cell: Cell) -> dict[str, Any]:
    """The cells of a row with the standing's label in the columns that give labels."""
    if meaning.one_hot is not None:
        wanted = set(standing.labels if standing.labels is not None else (standing.label,))
        columns = meaning.one_hot.columns
        marks = {one: one.strip() in wanted for one in columns}
        if unknown := wanted - {one.strip() for one in columns}:
            raise DataError(
                f"the table has no column for the label {min(map(str, unknown))!r}; add one, with a mark in each row"
            )
        return {**cells, **{one: _marked(cells.get(one), on) for one, on in marks.items()}}
    column = meaning.roles.get("label")
    if column is None:
        raise DataError("the table has no column for labels, which stand in folders; give the folder")
    return {**cells, column: cell(cells.get(column), standing)}


def _marked(before: Any, on: bool) -> Any:
    """A mark as the table writes them; one that is right already stays as it is."""
    if is_yes(before) == on:
        return before
    return type(before)(on) if isinstance(before, bool | int | float) else str(int(on))


def _text_cell(before: Any, standing: Standing) -> str:
    if isinstance(before, str) and isinstance(read_list(before), list):
        return json.dumps(list(standing.labels or ()), ensure_ascii=False)
    return standing.label or ""


def _json_cell(before: Any, standing: Standing) -> Any:
    """A label as JSON lines write it: a list where there was one, a number where it was and still is one."""
    if standing.labels is not None and (isinstance(before, list) or before is None):
        return list(standing.labels)
    if isinstance(before, list):
        return [] if standing.label is None else [standing.label]
    if isinstance(before, int | float) and not isinstance(before, bool) and standing.label is not None:
        try:
            return json.loads(standing.label)
        except ValueError:
            return standing.label
    return standing.label
