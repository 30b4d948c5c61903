"""An audit within a session: the draw in its log, the items as they stand, and what the answers are worth so far.

A draw that another program wrote into the log, such as ``drivetrain suspects --audit``, is this session's as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from ..core.errors import DataError
from ..core.types import ItemId
from .audit import KIND, Answers, answers, draw_from, keep, latest, still_there, vouched
from .audit_estimate import Estimate
from .board import Board
from .ranking import Ranking
from .session import CleaningSession


@dataclass(eq=False)
class Auditing:
    """The audit of one session's set. Safe to use from several threads."""

    session: CleaningSession
    seed: int
    clock: Callable[[], datetime]
    wanted: int | None = None
    """The size of an audit to begin once the set has been surveyed; None where none is wanted."""
    problem: str | None = None
    """The reason why the audit that was wanted could not begin."""
    _turn: Lock = field(default_factory=Lock)

    def begin(self, size: int) -> None:
        """Draw a new audit, unless one is under way; it is on disk when this returns.

        Raises:
            DataError: nothing has been ranked yet, or nothing is left to draw; the log cannot be written to.
        """
        ranking = self.session.ranking
        if ranking is None:
            raise DataError("the set is still being surveyed; begin an audit when it is ready")
        with self._turn:
            self.session.refresh()  # an audit that another program has begun meanwhile
            told = self.told()
            if told is not None and told.open:
                return
            log, sample = self.session.edits, ranking.survey.sample
            items = [(item.id, sample.targets.text(row)) for row, item in enumerate(sample.items)]
            suspected = {one.name for one in ranking.suspects}
            seed = self.seed + len(log.lines(KIND))
            keep(log, draw_from(items, suspected, size, seed=seed, at=self.clock(), seen=vouched(log)))
            self.problem = None

    def begin_if_wanted(self) -> None:
        """Begin the audit that was wanted from the start, as soon as there is something to draw from; does nothing else."""
        size = self.wanted
        if size is None or self.session.ranking is None:
            return
        self.wanted = None
        try:
            self.begin(size)
        except DataError as error:
            self.problem = str(error)

    def told(self) -> Answers | None:
        """The answers to the audit drawn last; None where there is none.

        Raises:
            DataError: its line in the log cannot be read.
        """
        audit = latest(self.session.edits)
        if audit is None:
            return None
        found, opened = answers(audit, self.session.edits), self.session.opened
        return found if opened is None else still_there(found, [item.id for item in opened.board.items])

    def estimate(self) -> Estimate | None:
        """The upshot of the answers so far; None where no audit was drawn, or nothing is ranked yet; raises what `told` does."""
        told, ranking = self.told(), self.session.ranking
        return None if told is None or ranking is None else Estimate.of(told, self._left(ranking))

    def rows(self) -> list[int]:
        """The rows of the audit's items, in the order in which they were drawn; raises what `told` does."""
        told, opened = self.told(), self.session.opened
        if told is None or opened is None:
            return []
        rows = (_row(opened.board, one.item) for one in told.audit.items)
        return [row for row in rows if row is not None]

    def _left(self, ranking: Ranking) -> tuple[int, int]:
        """Suspects and others that no person has looked at."""
        seen, suspected = vouched(self.session.edits), {one.name for one in ranking.suspects}
        left = [item.name in suspected for item in ranking.survey.sample.items if item.name not in seen]
        return sum(left), len(left) - sum(left)


def _row(board: Board, item: ItemId) -> int | None:
    row = board.rows_by_name.get(item.name)
    if row is not None and item.sha256 in (None, board.items[row].sha256):
        return row
    return None if item.sha256 is None else board.rows_by_sha256.get(item.sha256)
