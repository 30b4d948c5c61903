"""Groups of copies, and which of them a person may keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.reference import size_of
from ..curate.duplicates import KINDS, Duplicates
from ..data.image.copies import joined
from .board import Board
from .survey import Survey


@dataclass(frozen=True)
class CopyGroup:
    """Pictures that are one picture."""

    kind: str
    """The surest look by which all of them are joined: of `KINDS`."""
    rows: tuple[int, ...]
    proposed: int
    """The row to keep."""
    why: str


def copy_groups(survey: Survey, board: Board) -> tuple[CopyGroup, ...]:
    """All groups of two and more, the largest first; rows are the board's."""
    found = survey.duplicates
    clusters, levels_P = found.clusters(), [KINDS.index(kind) for _, _, kind, _ in found.pairs]
    kinds = _kinds(found, levels_P)
    return tuple(_group(board, rows, kinds[int(found.pictures_N[rows[0]])]) for rows in clusters)


def _kinds(found: Duplicates, levels_P: Sequence[int]) -> dict[int, str]:
    """Tell of each picture's number how its copies hang together; whom no pair joins looks alike by the embedding."""
    n = len(found.pictures_N)
    i_P, j_P = (np.asarray([pair[side] for pair in found.pairs], np.intp) for side in (0, 1))
    within_P = found.pictures_N[i_P] == found.pictures_N[j_P]
    kinds = dict.fromkeys(found.pictures_N.tolist(), KINDS[-1])
    for level in reversed(range(len(KINDS))):
        linked_P = within_P & (np.asarray(levels_P, np.intp) <= level)
        parts_N = joined(n, i_P[linked_P], j_P[linked_P])
        # A number is whole where each of its rows has the part of its first row.
        numbers, first, place_N = np.unique(found.pictures_N, return_index=True, return_inverse=True)
        broken = np.unique(place_N[parts_N != parts_N[first][place_N]])
        kinds.update(dict.fromkeys(np.delete(numbers, broken).tolist(), KINDS[level]))
    return kinds


def _group(board: Board, rows: Sequence[int], kind: str) -> CopyGroup:
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
    return CopyGroup(kind, tuple(sorted(rows, key=lambda row: (row != proposed, board.items[row].name))), proposed, why)
