"""The order in which a person should look at items, as one refit found it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..curate.suspect import Suspect
from .situation import Situation
from .survey import Survey


@dataclass(frozen=True, eq=False)
class Ranking:
    """One ranking; a newer one has a larger version."""

    version: int
    survey: Survey
    """The set as it stood: labels as they were edited, and without what was removed."""
    situation: Situation
    """The situation that was ranked."""
    suspects: tuple[Suspect, ...]
    """The most suspicious first."""
    seconds: float | None = None
    """From the newest edit until this ranking stood; None of the first."""

    @cached_property
    def by_row(self) -> dict[int, Suspect]:
        """Each suspect by the item's row on the board."""
        rows = self.situation.board.rows_by_name
        return {rows[suspect.name]: suspect for suspect in self.suspects if suspect.name in rows}

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """All rows of the board: the suspects as they are ranked, then the others by name."""
        others = (row for row in self.situation.board.rows_in_order if row not in self.by_row)
        return (*self.by_row, *others)

    def neighbours(self, row: int) -> list[int]:
        """The rows that made an item suspicious: its nearest ones, or its copies."""
        suspect, rows = self.by_row.get(row), self.situation.board.rows_by_name
        return [rows[name] for name in (suspect.neighbours if suspect else ()) if name in rows]

    def answer_to(self, row: int) -> dict[str, float]:
        """Say what a head answers that has not seen the item's group, by the outputs' names; empty where there is none."""
        judged, place = self.survey.judged, self._places.get(self.situation.board.items[row].name)
        if judged is None or place is None:
            return {}
        names, answers = judged.targets.names, judged.answers_JO[place].tolist()
        return dict(zip(names, answers, strict=True)) if len(names) == len(answers) else {}

    @cached_property
    def _places(self) -> dict[str, int]:
        """The place of each item in the survey, by name."""
        return {item.name: place for place, item in enumerate(self.survey.sample.items)}
