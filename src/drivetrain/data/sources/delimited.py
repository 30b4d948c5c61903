"""CSV, TSV and their relatives → cells: comma, semicolon, tab or bar, as spreadsheets of all countries save them."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...core.errors import SourceError
from ...core.plain_file import open_plain
from .cells import MAX_LINE, Table, bound_columns
from .encoding import encoding_of, not_utf8

SEPARATORS = (",", ";", "\t", "|")

# Excel writes, and asks for, a first line that names the separator.
_SEP_LINE = re.compile(r'"?sep=(.)"?[;,\t]*\s*', re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_DOS_END = "\x1a"


class Layout(NamedTuple):
    """The way a table is written: lines in front that only name the separator, which it is, and spaces before quoted cells."""

    skipped: int
    delimiter: str
    padded: bool


class _PaddedError(Exception):
    """A quoted cell stands behind a space: ``a.jpg, "big, brown"``."""


def layout_of(path: Path, usual: str) -> Layout:
    """Return the way a table is written that `load_delimited` can read.

    Raises:
        SourceError: it cannot.
        OSError: it cannot be read.
    """
    with open_plain(path) as file:
        encoding = encoding_of(file, path.name)
        padded = False
        try:
            _load(file, encoding, path.name, usual, padded=False)
        except _PaddedError:
            padded = True
        file.seek(0)
        text = io.TextIOWrapper(file, encoding=encoding, newline="")
        try:
            return Layout(*_separator(text, path.name, usual), padded)
        finally:
            text.detach()


def load_delimited(path: Path, name: str, usual: str) -> Table:
    """Read the cells; ``usual`` is the separator where the header shows none.

    Raises:
        SourceError: of another encoding, or malformed (with the line).
        OSError: it cannot be read.
    """
    with open_plain(path) as file:
        encoding = encoding_of(file, name)
        try:
            try:
                return _load(file, encoding, name, usual, padded=False)
            except _PaddedError:
                file.seek(0)
                return _load(file, encoding, name, usual, padded=True)
        except UnicodeError:  # that of a text of 16 bits without an end is no UnicodeDecodeError
            raise not_utf8(file, name) from None


def _load(raw: io.BufferedReader, encoding: str, name: str, usual: str, *, padded: bool) -> Table:
    text = io.TextIOWrapper(raw, encoding=encoding, newline="")
    try:
        skipped, delimiter = _separator(text, name, usual)
        reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=padded)
        columns: tuple[str, ...] = ()
        rows: list[tuple[str, Mapping[str, object]]] = []
        for at, cells in _lines(reader, name, skipped):
            if not padded and any(cell[:1] == " " and cell.lstrip()[:1] == '"' for cell in cells):
                raise _PaddedError
            if not columns:
                columns = _header(cells, name)
                continue
            if any(cell.strip() for cell in cells[len(columns) :]):
                title = "; if the first row is a title, delete it: it must name the columns" if not rows else ""
                raise SourceError(
                    f"{at}: {len(cells)} cells under {len(columns)} column{'s' * (len(columns) > 1)}; "
                    f"put cells that contain {delimiter!r} in quotes{title}"
                )
            rows.append((at, dict(zip(columns, cells, strict=False))))
    finally:
        text.detach()
    return Table(name, columns, tuple(rows))


def _separator(text: io.TextIOWrapper, name: str, usual: str) -> tuple[int, str]:
    """Find the separator: the number of lines that only name it, behind which the text then stands, and itself."""
    skipped, header = 0, ""
    while not header.strip(" \t\r\n,;|\ufeff") and (line := text.readline(MAX_LINE + 1)):
        header, told = line, _SEP_LINE.fullmatch(line.lstrip("\ufeff"))
        if told:
            return skipped + 1, told[1]
        skipped += 1
    if len(header) > MAX_LINE:
        raise SourceError(f"{name}: the first line has more than {MAX_LINE >> 20} million characters; is it a table?")
    text.seek(0)
    outside = _QUOTED.sub("", header)
    # The usual separator wins a tie, as with a single column.
    return 0, max((usual, *SEPARATORS), key=outside.count)


def _lines(reader: Any, name: str, skipped: int) -> Iterator[tuple[str, list[str]]]:
    """Yield each line that has anything in it, with its place."""
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells) and cells != [_DOS_END]:
                yield f"{name}, line {skipped + reader.line_num}", cells
    except csv.Error as error:
        at = f"{name}, line {skipped + reader.line_num}"
        raise SourceError(f"{at}: {error}; correct the quotes there") from None


def _header(cells: Sequence[str], name: str) -> tuple[str, ...]:
    columns = [cell.strip("\ufeff \t\r\n").strip() for cell in cells]
    while columns and not columns[-1]:
        columns.pop()  # spreadsheets leave empty columns at the right
    bound_columns(len(columns), name)
    twice = next((column for column, count in Counter(columns).items() if column and count > 1), None)
    if twice is not None:
        raise SourceError(f"{name} has two columns named {twice!r}; rename one")
    return tuple(columns)
