"""The objects that the routes of a desk for labelling share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.types import Item
from ..serve.http.problems import Problem
from ..workbench.board import Board
from ..workbench.labelling import LabellingSession, Opened
from .any_desk import AnyDesk


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelDesk(AnyDesk):
    """Made once at start; the parts change, the set of parts does not."""

    mode: Literal["clean", "label"] = "label"
    pages: tuple[str, ...] = ("label",)
    session: LabellingSession
    into: str | None
    blind: bool
    """Tells whether suggestions are hidden until a person asks for them."""

    @property
    def sitting(self) -> LabellingSession:
        """The session."""
        return self.session

    def opened(self) -> Opened:
        """The items.

        Raises:
            Problem: they are not known yet (503), or will never be (409).
        """
        session = self.session
        if session.opened is not None:
            return session.opened
        if session.state == "failed":
            raise Problem("conflict", f"the items could not be read: {session.problem}")
        raise Problem("overloaded", "the items are still being embedded; ask again soon", retry_after_s=1)

    def board(self) -> Board:
        """The items; raises what `opened` does."""
        return self.opened().board

    def item(self, key: str) -> Item:
        """The item of an id; raises what `row` does."""
        row = self.row(key)
        return self.opened().pool.items[row]
