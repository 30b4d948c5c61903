"""The objects that the routes of a desk for labelling share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.requests import Request

from ..core.errors import DataError
from ..core.records import Role
from ..core.types import Item
from ..serve.access import Caller, Guard
from ..serve.http.body import BodyReader
from ..serve.http.problems import Problem
from ..workbench.labelling import LabellingSession, Opened
from .bell import Bell
from .pictures import Thumbnails


@dataclass(frozen=True, eq=False)
class LabelDesk:
    """Made once at start; the parts change, the set of parts does not."""

    source: str
    """The name of what is labelled, for people."""
    session: LabellingSession
    guard: Guard
    bodies: BodyReader
    thumbnails: Thumbnails
    log_path: str
    into: str | None
    by: str
    """The name under which a person works who gives none."""
    blind: bool
    """Tells whether suggestions are hidden until a person asks for them."""
    close: Callable[[], None]
    """Lets go of what the session holds open."""
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

    def row(self, key: str) -> int:
        """The row of an item's id.

        Raises:
            Problem: there is none of that id (404), or nothing is known yet (503).
        """
        row = self.opened().board.rows_by_key.get(key)
        if row is None:
            raise Problem("not-found", f"there is no item {key[:40]!r}; ask for the next ones anew")
        return row

    def item(self, key: str) -> Item:
        """The item of an id; raises what `row` does."""
        row = self.row(key)
        return self.opened().pool.items[row]

    async def keep_reading(self, every_s: float) -> None:
        """Read for good what other processes write into the log."""
        while True:
            await asyncio.sleep(every_s)
            with suppress(OSError, DataError):  # a disk that is gone for a moment
                await asyncio.to_thread(self.session.refresh)
