"""The blind adjudication of a sample of past cases in which people and model differ: a sheet to be filled in, and read back.

Each row shows two unnamed answers in random order; nothing in it says whose is which, nor which case of the log it is.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.case import ModelAnswer
from ...core.errors import DataError
from ...data.sources.table import load, text_of
from .past import PastCase
from .suppositions import discordant

SHEET = "queue.csv"
CANNOT_TELL = "?"
_HEAD = ("number", "case", "picture", "first", "second", "right")


@dataclass(frozen=True)
class Drawn:
    """A case that was drawn for adjudication."""

    case: PastCase
    token: str
    """The name it has on the sheet, which nobody can turn into a case without the seed."""
    first: str
    second: str


def draw(
    cases: Sequence[PastCase], answers: Sequence[Mapping[str, ModelAnswer]], count: int, seed: int
) -> tuple[Drawn, ...]:
    """Draw at random from the cases whose truth nobody knows and in which a bundle differs from people.

    ``answers`` are those of each bundle. Of several that differ, one is drawn whose answer is shown. Where more are asked for,
    the first ones stay the same.
    """
    found = []
    for one in cases:
        differing = [its[one.case.id] for its in answers if one.case.id in its and discordant(one, its[one.case.id])]
        if not differing or one.truth is not None:
            continue
        digest = hashlib.sha256(f"adjudicate {seed} {one.case.id}".encode()).digest()
        model, people = differing[digest[8] % len(differing)].label, one.people
        pair = (str(model), str(people)) if digest[9] & 1 else (str(people), str(model))
        found.append((digest, Drawn(one, digest[10:16].hex(), *pair)))
    found.sort(key=lambda pair: pair[0])
    return tuple(drawn for _, drawn in found[:count])


def sheet(drawn: Sequence[Drawn], pictures: Mapping[str, str]) -> str:
    """Write the sheet; ``pictures`` are the names of the files, by token. What people saw beside a case stands in columns."""
    columns = list(dict.fromkeys(name for one in drawn for name in (*one.case.case.slices, *one.case.case.metadata)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_HEAD, *columns])
    for number, one in enumerate(drawn, start=1):
        case = one.case.case
        beside = {**case.slices, **case.metadata}
        own = [str(number), one.token, pictures.get(one.token, ""), one.first, one.second, ""]
        writer.writerow([*own, *(beside.get(name, "") for name in columns)])
    return text.getvalue()


def read_back(path: Path, drawn: Sequence[Drawn], labels: Sequence[str]) -> dict[str, str | None]:
    """Read a sheet that was filled in: by case id the right answer, or None where nobody can tell.

    ``right`` holds ``first``, ``second``, a label, or ``?``.

    Raises:
        SourceError: it cannot be read.
        DataError: it is another log's, seed's or bundle's, a row is not filled in, or a label is unknown.
    """
    table = load(path, path.name, every_column=True)
    if missing := [name for name in _HEAD[1:] if name not in table.columns]:
        raise DataError(
            f"{path} has no column {missing[0]!r}; it is no sheet of a backtest: name another folder with --queue"
        )
    rows = {text_of(cells.get("case"), f"{at}: case"): (at, cells) for at, cells in table.rows}
    if strange := [one for one in drawn if one.token not in rows]:
        raise DataError(
            f"{path} lacks {len(strange):,} of {len(drawn):,} cases drawn from this log: it was drawn from another log, or with "
            "another seed, bundle or number; move it away to draw anew"
        )
    told: dict[str, str | None] = {}
    empty = []
    for one in drawn:
        at, cells = rows[one.token]
        right = text_of(cells.get("right"), f"{at}: right")
        if right is None:
            empty.append(at)
            continue
        told[one.case.case.id] = _right(at, right, one, labels)
    if empty:
        raise DataError(
            f"{path}: {len(empty):,} of {len(drawn):,} cases are not adjudicated yet (first: {empty[0]}); write first, second, "
            f"another label, or {CANNOT_TELL} where nobody can tell, in the column 'right'"
        )
    return told


def _right(at: str, right: str, one: Drawn, labels: Sequence[str]) -> str | None:
    if right == CANNOT_TELL:
        return None
    found = {"first": one.first, "second": one.second}.get(right, right)
    if found not in labels:
        known = ", ".join(labels[:12])
        raise DataError(f"{at}: right is {right!r}; write first, second, one of {known}, or {CANNOT_TELL}")
    return found
