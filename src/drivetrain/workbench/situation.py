"""The situation at one moment: the label and fate of every item, and who changed it last. It does not change any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ..data.edits.edit import Edit, Fate, Standing
from ..data.edits.log import EditLog
from ..data.edits.standings import Stood
from .board import Board


@dataclass(frozen=True, eq=False)
class Situation:
    """Every item of a board, as the log has it."""

    board: Board
    stood: Mapping[int, Stood]
    """The rows that the log speaks of."""
    lost: tuple[Stood, ...] = ()
    """Items of the log that the set has no more: neither their name nor their content was found."""

    @classmethod
    def of(cls, board: Board, log: EditLog) -> Situation:
        """The situation after all edits that were read. An item whose file was moved is found by its content."""
        stood, lost = dict[int, Stood](), list[Stood]()
        for one in log.standings.all():
            row = row_of(board, one)
            if row is None:
                if one.standing != one.original and one.standing.fate is not Fate.REMOVED:
                    lost.append(one)  # else nothing was to be changed about it, or it was to be left out
            elif row not in stood or stood[row].last.at <= one.last.at:
                stood[row] = one
        return cls(board, stood, tuple(lost))

    def standing(self, row: int) -> Standing:
        """The label and fate of an item."""
        one = self.stood.get(row)
        return self.board.lying[row] if one is None else one.standing

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """The label and fate of every item."""
        return tuple(map(self.standing, range(len(self.board))))

    def last_edit(self, row: int) -> Edit | None:
        """The newest edit of an item; None where there is none."""
        one = self.stood.get(row)
        return None if one is None else one.last

    @cached_property
    def fates(self) -> Mapping[Fate, int]:
        """Fate → number of items."""
        counts = Counter(standing.fate for standing in self.standings)
        return {fate: counts[fate] for fate in Fate}

    @cached_property
    def relabelled(self) -> int:
        """The number of items in the set whose label is not the one that they had before any edit."""
        kept = [one for one in self.stood.values() if one.standing.fate is not Fate.REMOVED]
        return sum(labels_of(one.standing) != labels_of(one.original) for one in kept)

    @cached_property
    def labels(self) -> Mapping[str, int]:
        """Label → number of items that have it and are in the set."""
        counts: Counter[str] = Counter()
        for standing in self.standings:
            if standing.fate is not Fate.REMOVED:
                counts.update(labels_of(standing))
        return dict(sorted(counts.items()))


def row_of(board: Board, stood: Stood) -> int | None:
    """The row of an item of the log: of the same name, unless its bytes are others; else the one row of the same bytes."""
    row, sha256 = board.rows_by_name.get(stood.item.name), stood.item.sha256
    if row is not None and sha256 in (None, board.items[row].sha256):
        return row
    return None if sha256 is None else board.rows_by_sha256.get(sha256)


def labels_of(standing: Standing) -> tuple[str, ...]:
    """The labels of a standing, one by one."""
    if standing.labels is not None:
        return standing.labels
    return () if standing.label is None else (standing.label,)
