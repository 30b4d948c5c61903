"""Cells of a table of cases, decisions or outcomes, read as text: which columns there are, and what a row says in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ...core.errors import UsageError
from ...data.sources.cells import Table
from ...data.sources.table import load


def read_table(path: Path, needed: Collection[str]) -> Table:
    """Read a CSV, TSV, JSON lines or Parquet file that has at least the columns needed.

    Raises:
        UsageError: it lacks one, or has no row.
        SourceError: it cannot be read.
    """
    table = load(path, str(path), every_column=True)
    if missing := [column for column in needed if column not in table.columns]:
        raise UsageError(f"{path} has no column {missing[0]!r}; its columns are {', '.join(table.columns)}")
    if not table.rows:
        raise UsageError(f"{path} has no row")
    return table


def check_columns(table: Table, path: Path, wanted: Sequence[str], option: str) -> None:
    """Check that columns named by an option are there.

    Raises:
        UsageError: one is not.
    """
    if missing := [column for column in wanted if column not in table.columns]:
        raise UsageError(f"{option} names {missing[0]!r}, and {path} has the columns {', '.join(table.columns)}")


def text_in(cells: Mapping[str, object], column: str) -> str | None:
    """Return a cell as text without space around it; None where it is empty, or not there at all."""
    value = cells.get(column)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # numbers of Parquet, where a name such as 1207 became one
    return str(value).strip() or None


def moment_in(cells: Mapping[str, object], column: str, at: str) -> str | None:
    """Return a moment as ISO 8601 with an offset; one that is written without is taken to be in UTC.

    Raises:
        UsageError: it is none; says where.
    """
    text = text_in(cells, column)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{at}: {column} is {text[:40]!r}; write a moment as ISO 8601, such as 2026-01-02T03:04:05Z"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def number_in(cells: Mapping[str, object], column: str, at: str) -> float | None:
    """Return a number of 0 or more.

    Raises:
        UsageError: it is none; says where.
    """
    text = text_in(cells, column)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise UsageError(f"{at}: {column} is {text[:40]!r}; write a number of 0 or more")
    return number
