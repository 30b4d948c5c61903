"""A table as read: its columns, and cells whose meaning nobody has looked at yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...core.errors import SourceError

MAX_COLUMNS = 10_000
MAX_LINE = 4 << 20
"""The most characters of a line, which names columns, or one image with all that is known of it."""


@dataclass(frozen=True)
class HeldFile:
    """A cell that held a file's bytes, which are in a file now; ``name`` is what people know it by."""

    path: str
    name: str


@dataclass(frozen=True)
class Table:
    """A table's cells as read. Each row has words that tell a person where it is (``labels.csv, line 3``)."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, Mapping[str, object]], ...]
    stated: Mapping[str, str] = field(default_factory=dict)
    """A meaning → the column that has it as the file itself states, whatever the column is called."""


def bound_columns(count: int, name: str) -> None:
    """Check that a table has no more columns than anybody would read.

    Raises:
        SourceError: it has.
    """
    if count > MAX_COLUMNS:
        raise SourceError(
            f"{name} has {count:,} columns; at most {MAX_COLUMNS:,} are read, and few of them mean something: path, label, "
            "group, split, weight"
        )
