"""The objects that the routes of a desk share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from starlette.requests import Request

from ..core.errors import DataError
from ..core.records import Role
from ..serve.access import Caller, Guard
from ..serve.http.body import BodyReader
from ..serve.http.problems import Problem
from ..workbench.auditing import Auditing
from ..workbench.board import Board
from ..workbench.session import CleaningSession
from ..workbench.situation import Situation
from .bell import Bell
from .pictures import Thumbnails


@dataclass(frozen=True, eq=False)
class Desk:
    """Made once at start; the parts change, the set of parts does not."""

    source: str
    """The name of what is worked on, for people."""
    mode: Literal["clean", "label"]
    pages: tuple[str, ...]
    """The pages that the console shows, in their order."""
    session: CleaningSession
    auditing: Auditing
    guard: Guard
    bodies: BodyReader
    thumbnails: Thumbnails
    log_path: str
    by: str
    """The name under which a person works who gives none."""
    bell: Bell = field(default_factory=Bell)

    @property
    def name_for_all(self) -> str | None:
        """The name for whoever gives none; None where several people may come, as others can reach the desk."""
        return self.by if self.guard.open_to_all else None

    def needs(self, role: Role) -> Callable[[Request], Caller]:
        """A dependency that lets only such callers pass."""

        async def admitted(request: Request) -> Caller:
            return self.guard.admit(request, role)

        return admitted  # type: ignore[return-value]  # FastAPI awaits it

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

    def row(self, key: str) -> int:
        """The row of an item's id.

        Raises:
            Problem: there is none of that id (404), or nothing is known yet (503).
        """
        row = self.board().rows_by_key.get(key)
        if row is None:
            raise Problem("not-found", f"there is no item {key[:40]!r}; load the list anew")
        return row

    async def keep_reading(self, every_s: float) -> None:
        """Read for good what other processes write into the log."""
        while True:
            await asyncio.sleep(every_s)
            with suppress(DataError):  # a disk that is gone for a moment; whoever writes is told
                await asyncio.to_thread(self.session.refresh)
