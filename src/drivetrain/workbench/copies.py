"""Groups of copies, and which of them a person may keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.reference import size_of
from .board import Board
from .survey import Survey

KINDS = ("exact", "hash", "embedding")
"""The looks by which copies are found, the surest first."""


@dataclass(frozen=True)
class CopyGroup:
    """Pictures that are one picture."""

    kind: str
    """The surest look that joined two of them."""
    rows: tuple[int, ...]
    proposed: int
    """The row to keep."""
    why: str


def copy_groups(survey: Survey, board: Board) -> tuple[CopyGroup, ...]:
    """All groups of two and more, the largest first; rows are the board's."""
    kinds = _kinds(survey)
    return tuple(_group(board, rows, kinds) for rows in survey.duplicates.clusters())


def _kinds(survey: Survey) -> dict[int, str]:
    found: dict[int, str] = {}
    for i, j, kind, _ in survey.duplicates.pairs:
        for row in (i, j):
            if row not in found or KINDS.index(kind) < KINDS.index(found[row]):
                found[row] = kind
    return found


def _group(board: Board, rows: Sequence[int], kinds: dict[int, str]) -> CopyGroup:
    """The largest picture is kept; of equals the largest file, then the first name."""

    def merit(row: int) -> tuple[int, int]:
        width, height = board.size(row)
        return (width or 0) * (height or 0), size_of(board.items[row].reference)

    best = max(merit(row) for row in rows)
    proposed = min((row for row in rows if merit(row) == best), key=lambda row: board.items[row].name)
    width, height = board.size(proposed)
    others = {merit(row)[0] for row in rows if row != proposed}
    why = f"the largest, {width} × {height} pixels" if others != {best[0]} and width else "the first of equals, by name"
    if others == {best[0]} and {merit(row)[1] for row in rows} != {best[1]}:
        why = "the largest file; all have the same number of pixels"
    kind = min((kinds.get(row, KINDS[-1]) for row in rows), key=KINDS.index)
    return CopyGroup(kind, tuple(sorted(rows, key=lambda row: (row != proposed, board.items[row].name))), proposed, why)
