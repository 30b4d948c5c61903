"""Labels in columns of zeros and ones: one column for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .cells import Table
from .distinct import distinct, plain, yes_or_no

# Marks of yes and no; of signs, as in tables of attributes, −1 is no.
_MARKS = frozenset({"0", "1", "true", "false", "yes", "no"})
_SIGNS = frozenset({"-1", "1"})


@dataclass(frozen=True)
class OneHot:
    """The columns, each named like its label; ``exclusive`` where every row has a one in exactly one of them."""

    columns: tuple[str, ...]
    exclusive: bool

    def labels(self, cells: Mapping[str, object]) -> tuple[str, ...]:
        """The labels of a row."""
        return tuple(column.strip() for column in self.columns if is_yes(cells.get(column)))


def is_yes(value: object) -> bool:
    """Tells whether a cell is marked."""
    text = plain(value)
    return text is not None and yes_or_no(text) is True


def find_one_hot(table: Table, columns: Sequence[str]) -> OneHot | None:
    """Find two or more columns with nothing but marks in them; None where there are none, or nothing is marked."""
    named = [column for column in columns if column.strip() and not column.lower().startswith("unnamed")]
    cells = {column: distinct(table, column) for column in named}
    for marks in (_MARKS, _SIGNS):
        # A column of ones alone is a mark in either way of writing.
        found = tuple(
            column for column in named if (texts := cells[column]) and {_lower(text) for text in texts} <= marks
        )
        hot = OneHot(found, exclusive=False)
        counts = {len(hot.labels(row)) for _, row in table.rows} if len(found) > 1 else set()
        if counts - {0}:
            return OneHot(found, counts == {1})
    return None


def _lower(text: str | None) -> str | None:
    return text.lower() if text is not None else None
