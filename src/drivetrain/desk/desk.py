"""The objects that the routes of a desk for cleaning share."""

from __future__ import annotations

from dataclasses import dataclass

from ..serve.http.problems import Problem
from ..workbench.auditing import Auditing
from ..workbench.board import Board
from ..workbench.session import CleaningSession
from ..workbench.situation import Situation
from .any_desk import AnyDesk


@dataclass(frozen=True, eq=False, kw_only=True)
class Desk(AnyDesk):
    """Made once at start; the parts change, the set of parts does not."""

    session: CleaningSession
    auditing: Auditing

    @property
    def sitting(self) -> CleaningSession:
        """The session."""
        return self.session

    def board(self) -> Board:
        """The items.

        Raises:
            Problem: they are not known yet (503), or will never be (409).
        """
        session = self.session
        if session.opened is not None:
            return session.opened.board
        if session.state == "failed":
            raise Problem("conflict", f"the source could not be read: {session.problem}")
        raise Problem("overloaded", "the set is still being surveyed; ask again soon", retry_after_s=1)

    def situation(self) -> Situation:
        """Where every item stands; raises what `board` does."""
        self.board()
        assert self.session.situation is not None, "it is taken before there is a board to be seen"
        return self.session.situation
