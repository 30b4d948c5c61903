"""The objects that every desk has, whatever people do at it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, Protocol

from starlette.requests import Request

from ..core.errors import DataError
from ..core.records import Role
from ..data.edits.edit import Edit
from ..data.edits.log import EditLog
from ..serve.access import Caller, Guard
from ..serve.http.body import BodyReader
from ..serve.http.problems import Problem
from ..workbench.board import Board
from .bell import Bell
from .pictures import Thumbnails


class Sitting(Protocol):
    """The part of a session that is the same whatever people do."""

    @property
    def edits(self) -> EditLog:
        """The log."""
        ...

    def listen(self, told: Callable[[], None]) -> None:
        """Have ``told`` called after each change, from any thread."""
        ...

    def start(self) -> None:
        """Begin."""
        ...

    def refresh(self) -> tuple[Edit, ...]:
        """Read what other processes wrote into the log."""
        ...

    def close(self) -> None:
        """Stop working."""
        ...


def nothing() -> None:
    """There is nothing to be let go of."""


@dataclass(frozen=True, eq=False, kw_only=True)
class AnyDesk(ABC):
    """Made once at start; the parts change, the set of parts does not."""

    source: str
    """The name of what is worked on, for people."""
    mode: Literal["clean", "label"]
    pages: tuple[str, ...]
    """The pages that the console shows, in their order."""
    guard: Guard
    bodies: BodyReader
    thumbnails: Thumbnails
    log_path: str
    by: str
    """The name under which a person works who gives none."""
    close: Callable[[], None] = nothing
    """Lets go of what the session holds open."""
    bell: Bell = field(default_factory=Bell)

    @property
    @abstractmethod
    def sitting(self) -> Sitting:
        """The session."""

    @abstractmethod
    def board(self) -> Board:
        """The items.

        Raises:
            Problem: they are not known yet (503), or will never be (409).
        """

    @property
    def name_for_all(self) -> str | None:
        """The name for whoever gives none; None where several people may come, as others can reach the desk."""
        return self.by if self.guard.open_to_all else None

    def needs(self, role: Role) -> Callable[[Request], Awaitable[Caller]]:
        """A dependency that lets only such callers pass."""

        async def admitted(request: Request) -> Caller:
            return self.guard.admit(request, role)

        return admitted

    def row(self, key: str) -> int:
        """The row of an item's id.

        Raises:
            Problem: there is none of that id (404), or what `board` raises.
        """
        row = self.board().rows_by_key.get(key)
        if row is None:
            raise Problem("not-found", f"there is no item {key[:40]!r}; load the list anew")
        return row

    async def keep_reading(self, every_s: float) -> None:
        """Read for good what other processes write into the log."""
        while True:
            await asyncio.sleep(every_s)
            with suppress(OSError, DataError):  # a disk that is gone for a moment; whoever writes is told
                await asyncio.to_thread(self.sitting.refresh)
