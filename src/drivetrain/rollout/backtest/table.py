"""A table of past decisions (CSV, TSV, JSON lines or Parquet) → past cases.

One row a case: ``key``, ``at``, ``decided``; and where there is one ``decided_by``, ``decided_at``, ``outcome``, ``outcome_at``,
``adjudicated``, ``group``, ``path``, the answer that a bundle gave then (see `recorded`), and columns by which cases are cut into
slices. All other columns are what people saw beside the case.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ...core.case import Case
from ...core.errors import DataError
from ...core.told_how import ToldHow
from ...data.sources.cells import Table
from ...data.sources.table import load, text_of
from ..events import ReviewKind
from .past import Outcome, PastCase, PastLog, Said, case_id
from .recorded import RECORDED

NEEDED = ("key", "at", "decided")
PATH = "path"
_OWN = (
    *NEEDED,
    *("decided_by", "decided_at", "outcome", "outcome_at", "adjudicated", "group"),
    *(PATH, *RECORDED),
)

PEOPLE = "people"
"""The name of whoever decided, where the table names nobody."""

ADJUDICATOR = "adjudicator"


def read_table(path: Path, columns: Collection[str] = ()) -> PastLog:
    """Read a table of past decisions; ``columns`` are those by which cases are cut into slices.

    Raises:
        SourceError: it cannot be read.
        DataError: a column is missing, or a cell cannot be understood (with its place).
    """
    table = load(path, path.name, every_column=True)
    _check(table, columns)
    places: dict[str, str] = {}
    rows = []
    zoneless = False
    for at, cells in table.rows:
        row = _Row(at, cells)
        key = row.needed("key")
        if key in places:
            raise DataError(f"{at}: the key {key!r} stands in {places[key]} already; give every case a key of its own")
        places[key] = at
        rows.append((row, key, row.moment("at")))
        zoneless |= row.zoneless
    if not rows:
        raise DataError(f"{table.name} has no row; give one for each past case")
    rows.sort(key=lambda one: one[2])
    cases = _in_order([_case(row, key, at, columns) for row, key, at in rows])
    files = {
        one.case.id: name for one, (row, _, _) in zip(cases, rows, strict=True) if (name := row.text(PATH)) is not None
    }
    return PastLog(table.name, cases, tuple(columns), remarks=tuple(_remarks(table, cases, zoneless)), files=files)


def _check(table: Table, columns: Collection[str]) -> None:
    there = ", ".join(table.columns[:20])
    if missing := [name for name in NEEDED if name not in table.columns]:
        raise DataError(f"{table.name} has no column {missing[0]!r}; its columns are {there}")
    if missing := [name for name in columns if name not in table.columns]:
        raise DataError(
            f"{table.name} has no column {missing[0]!r}, by which the policy cuts cases into slices (cases.slices); "
            f"its columns are {there}"
        )


def _remarks(table: Table, cases: Collection[PastCase], zoneless: bool) -> Iterable[str]:
    if "decided_at" not in table.columns:
        yield "the table does not say when cases were decided (decided_at): each counts as decided when it came in"
    if "outcome" in table.columns and "outcome_at" not in table.columns:
        yield "the table does not say when outcomes became known (outcome_at): each counts as known once it was decided"
    if zoneless:
        yield "moments without an offset are taken for UTC"
    if undecided := sum(one.people is None for one in cases):
        yield f"{undecided:,} of {len(cases):,} cases have no decision of people (decided is empty)"


class _Row:
    """The cells of one row, by the meaning of their columns."""

    def __init__(self, at: str, cells: Mapping[str, object]) -> None:
        self.at, self.cells = at, cells
        self.zoneless = False

    def text(self, name: str) -> str | None:
        """Return a cell's text; None where it is empty."""
        return text_of(self.cells.get(name), f"{self.at}: {name}")

    def needed(self, name: str) -> str:
        """Return a cell that may not be empty.

        Raises:
            DataError: it is.
        """
        text = self.text(name)
        if text is None:
            raise DataError(f"{self.at}: {name} is empty; every case needs one")
        return text

    def moment(self, name: str) -> datetime:
        """Read a moment in ISO 8601.

        Raises:
            DataError: it is none.
        """
        cell = self.cells.get(name)
        text = cell.isoformat() if isinstance(cell, datetime) else self.needed(name)
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise DataError(
                f"{self.at}: {name} is {text!r}; write moments as ISO 8601 has them, such as 2026-05-31T14:05:00+02:00"
            ) from None
        if found.tzinfo is None:
            self.zoneless = True
            return found.replace(tzinfo=UTC)
        return found.astimezone(UTC)

    def moment_or(self, name: str, otherwise: datetime) -> datetime:
        """Read a moment that is not before another, which stands for it where the cell is empty.

        Raises:
            DataError: it is none, or before the other.
        """
        if self.text(name) is None:
            return otherwise
        found = self.moment(name)
        if found < otherwise:
            raise DataError(
                f"{self.at}: {name} is {found.isoformat()}, before {otherwise.isoformat()}, when the case came or was decided"
            )
        return found


def _case(row: _Row, key: str, at: datetime, columns: Collection[str]) -> PastCase:
    """Make a case of a row; the places in the log are given to it afterwards."""
    slices = {name: row.text(name) or "(none)" for name in columns}
    others = {name: row.text(name) for name in row.cells if name not in _OWN and name not in slices}
    metadata = {name: text for name, text in others.items() if text is not None}
    case = Case(case_id(at, key), key, at, (), slices, row.text("group"), metadata=metadata)
    by, decided = row.text("decided_by") or PEOPLE, row.text("decided")
    decided_at = row.moment_or("decided_at", at)
    said = [Said(0, decided_at, ReviewKind.DECIDE, 0, by, decided, ToldHow.BLIND)] if decided is not None else []
    known_at = row.moment_or("outcome_at", decided_at)
    if (adjudicated := row.text("adjudicated")) is not None:
        said.append(Said(0, known_at, ReviewKind.ADJUDICATE, 0, _another(by), _told(adjudicated), ToldHow.ADJUDICATED))
    outcome = row.text("outcome")
    outcomes = (Outcome(0, known_at, outcome, "the table"),) if outcome is not None else ()
    return PastCase(0, case, tuple(said), outcomes)


def _another(by: str) -> str:
    """Name the adjudicator, who is never the one who decided."""
    return ADJUDICATOR if by != ADJUDICATOR else f"another {ADJUDICATOR}"


CANNOT_TELL = "?"
"""The text of an adjudication by somebody who could not tell."""


def _told(text: str) -> str | None:
    return None if text == CANNOT_TELL else text


def _in_order(cases: Iterable[PastCase]) -> tuple[PastCase, ...]:
    """Give everything its place in the log: by its moment; of one moment the case first, then what was said of it."""
    cases = list(cases)
    moments: list[tuple[datetime, int, int, int]] = []
    for n, one in enumerate(cases):
        moments.append((one.case.at, 0, n, -1))
        moments += [(said.at, 1, n, place) for place, said in enumerate(one.said)]
        moments += [(outcome.at, 2, n, place) for place, outcome in enumerate(one.outcomes)]
    orders = {(kind, n, place): order for order, (_, kind, n, place) in enumerate(sorted(moments), start=1)}
    return tuple(_placed(one, n, orders) for n, one in enumerate(cases))


def _placed(one: PastCase, n: int, orders: Mapping[tuple[int, int, int], int]) -> PastCase:
    said = tuple(replace(said, order=orders[1, n, place]) for place, said in enumerate(one.said))
    outcomes = tuple(replace(outcome, order=orders[2, n, place]) for place, outcome in enumerate(one.outcomes))
    return replace(one, order=orders[0, n, -1], said=said, outcomes=outcomes)
