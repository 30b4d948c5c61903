"""The items that a person wants to see, in an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..data.edits.edit import Fate
from ..workbench.ranking import Ranking
from ..workbench.situation import Situation, labels_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters, of which None lets everything pass, and an order."""

    label: str | None = None
    fate: Fate | None = None
    reason: str | None = None
    order: Literal["suspicion", "name"] = "suspicion"

    def rows(self, situation: Situation, ranking: Ranking | None) -> list[int]:
        """The rows that pass, in order. Filters look at what stands now, suspicion at the ranking."""
        by_suspicion = self.order == "suspicion" and ranking is not None
        ordered = ranking.rows if by_suspicion and ranking is not None else situation.board.rows_in_order
        return [row for row in ordered if self._passes(row, situation, ranking)]

    def _passes(self, row: int, situation: Situation, ranking: Ranking | None) -> bool:
        standing = situation.standings[row]
        if self.fate is not None and standing.fate is not self.fate:
            return False
        if self.label is not None and self.label not in labels_of(standing):
            return False
        if self.reason is None:
            return True
        suspect = ranking.by_row.get(row) if ranking is not None else None
        return suspect is not None and any(ground.code == self.reason for ground in suspect.grounds)
