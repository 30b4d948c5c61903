"""The order in which a person should look at items, as one refit found it. Shapes: A items of the survey."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from ..curate.suspect import Suspect
from .board import Board
from .survey import Survey


@dataclass(frozen=True, eq=False)
class Ranking:
    """One ranking; a newer one has a larger version."""

    version: int
    survey: Survey
    """The set as it stood: labels as they were edited, and without what was removed."""
    suspects: tuple[Suspect, ...]
    """The most suspicious first."""
    seconds: float | None = None
    """From the newest edit until this ranking stood; None of the first."""
    _order: tuple[int, ...] | None = field(default=None, repr=False)

    @cached_property
    def by_name(self) -> dict[str, Suspect]:
        """Each suspect by the item's name."""
        return {suspect.name: suspect for suspect in self.suspects}

    @cached_property
    def rows_by_name(self) -> dict[str, int]:
        """The row of each item in the survey."""
        return {item.name: row for row, item in enumerate(self.survey.sample.items)}

    def rows_in_order(self, board: Board) -> tuple[int, ...]:
        """All rows of the board: the suspects as they are ranked, then the others by name."""
        if self._order is None:
            ranked = [row for one in self.suspects if (row := board.rows_by_name.get(one.name)) is not None]
            rest = set(ranked)
            order = (*ranked, *(row for row in board.rows_in_order if row not in rest))
            object.__setattr__(self, "_order", order)
        assert self._order is not None  # it has just been made
        return self._order

    def answer_to(self, name: str) -> dict[str, float]:
        """What a head that has not seen the item's group answers, by the outputs' names; empty where there is none."""
        judged, row = self.survey.judged, self.rows_by_name.get(name)
        if judged is None or row is None:
            return {}
        answers = judged.answers_JO[row].tolist()
        return (
            dict(zip(judged.targets.names, answers, strict=True)) if len(answers) == len(judged.targets.names) else {}
        )
