"""Tables of what people decided in another system, and of what turned out later: one row a case, by its key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import UsageError
from .cells import number_in, read_table, text_in

CANNOT_TELL = "?"
"""The label by which a table says that a person could not tell."""


@dataclass(frozen=True, slots=True)
class Told:
    """A decision or an outcome of one case."""

    key: str
    label: str | None
    """None: the person cannot tell."""
    by: str | None
    """None: the name of the key that sends it."""
    seconds: float | None = None

    @property
    def row(self) -> tuple[str, str, str]:
        """The words by which a journal knows it again."""
        return self.key, self.by or "", CANNOT_TELL if self.label is None else self.label


@dataclass(frozen=True)
class ToldTable:
    """The rows of a table that say something."""

    told: tuple[Told, ...]
    empty: int
    """Rows without a label: nobody has decided these yet."""


def read_decisions(path: Path, by: str | None = None) -> ToldTable:
    """Read people's blind decisions: the columns ``key``, ``label``, ``by`` and ``seconds``.

    ``by`` is who decided where the table does not say.

    Raises:
        UsageError: a column is missing, nobody is named, or a person decides a case twice.
        SourceError: the table cannot be read.
    """
    table = read_table(path, ("key", "label", *(() if by else ("by",))))
    told: list[Told] = []
    empty = 0
    for at, cells in table.rows:
        label = text_in(cells, "label")
        if label is None:
            empty += 1
            continue
        person = text_in(cells, "by") or by
        if person is None:
            raise UsageError(f"{at}: by is empty; name the person who decided, or give --by NAME for all of the table")
        label = None if label == CANNOT_TELL else label
        told.append(Told(_key(at, cells), label, person, number_in(cells, "seconds", at)))
    _check_once([(one.key, one.by or "") for one in told], path)
    return ToldTable(tuple(told), empty)


def read_outcomes(path: Path, by: str | None = None) -> ToldTable:
    """Read what turned out: the columns ``key``, ``label`` and ``by``.

    Raises:
        UsageError: a column is missing, or a case turned out twice.
        SourceError: the table cannot be read.
    """
    table = read_table(path, ("key", "label"))
    rows = [(at, cells, text_in(cells, "label")) for at, cells in table.rows]
    told = [Told(_key(at, cells), label, text_in(cells, "by") or by) for at, cells, label in rows if label is not None]
    _check_once([(one.key, "") for one in told], path)
    return ToldTable(tuple(told), len(rows) - len(told))


def _key(at: str, cells: Mapping[str, object]) -> str:
    key = text_in(cells, "key")
    if key is None:
        raise UsageError(f"{at}: the key is empty; it says which case is meant")
    return key


def _check_once(pairs: Sequence[tuple[str, str]], path: Path) -> None:
    twice = next(((pair, n) for pair, n in Counter(pairs).items() if n > 1), None)
    if twice is not None:
        (key, by), n = twice
        person = f" by {by}" if by else ""
        raise UsageError(f"{path}: {key!r} is there {n} times{person}; leave one row of it")
