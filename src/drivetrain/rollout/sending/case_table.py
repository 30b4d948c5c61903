"""Cases listed in a table: the columns ``key``, ``path``, ``at``, ``group``, ``due`` and ``known``, and those that are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import UsageError
from .cells import check_columns, moment_in, read_table, text_in
from .key import check_key
from .outgoing import OutgoingCase

BETWEEN = ";"
"""The text between the paths of a case that has several pictures."""

MEANT = ("key", "path", "at", "group", "due", "known")


@dataclass(frozen=True)
class CaseTable:
    """The cases of a table, in its order."""

    cases: tuple[OutgoingCase, ...]
    unsent: tuple[str, ...]
    """Columns that are not sent, since nobody named them: one of them may be the answer."""


def read_case_table(path: Path, slices: Sequence[str] = (), shown: Sequence[str] = ()) -> CaseTable:
    """Read the cases of a table.

    ``slices`` are columns whose values cases are told apart by, ``shown`` those that people see beside a case. Paths are
    relative to the table's folder.

    Raises:
        UsageError: a column is missing, a cell cannot be read, a key is there twice, or a file is not there.
        SourceError: the table cannot be read.
    """
    table = read_table(path, ("key", "path"))
    check_columns(table, path, slices, "--slice")
    check_columns(table, path, shown, "--show")
    cases, seen = [], dict[str, str]()
    for at, cells in table.rows:
        case = _case(at, cells, path.parent, slices, shown)
        if (first := seen.setdefault(case.key, at)) is not at:
            raise UsageError(f"{at}: the key {case.key!r} is that of {first}, too; a key stands for one case")
        cases.append(case)
    unsent = tuple(column for column in table.columns if column not in {*MEANT, *slices, *shown})
    return CaseTable(tuple(cases), unsent)


def _case(
    at: str, cells: Mapping[str, object], folder: Path, slices: Sequence[str], shown: Sequence[str]
) -> OutgoingCase:
    key, path = text_in(cells, "key"), text_in(cells, "path")
    if key is None or path is None:
        raise UsageError(f"{at}: the {'key' if key is None else 'path'} is empty; every case needs one")
    check_key(key, at)
    return OutgoingCase(
        key=key,
        files=_files(at, path, folder),
        at=moment_in(cells, "at", at),
        due=moment_in(cells, "due", at),
        slices={column: value for column in slices if (value := text_in(cells, column)) is not None},
        group=text_in(cells, "group"),
        metadata={column: value for column in shown if (value := text_in(cells, column)) is not None},
        known=text_in(cells, "known"),
    )


def _files(at: str, path: str, folder: Path) -> tuple[Path, ...]:
    """Return the files of a cell: one, or several with semicolons between them."""
    names = [path] if (folder / path).is_file() else [part.strip() for part in path.split(BETWEEN) if part.strip()]
    files = tuple(folder / name for name in names)
    if missing := [one for one in files if not one.is_file()]:
        raise UsageError(f"{at}: there is no file {missing[0]}; paths are relative to the table's folder")
    return files
