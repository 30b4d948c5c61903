"""What the inner layers ask of the outside world."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]
"""Call with the number of items just finished."""


class Progress(Protocol):
    """Tells a person how far a long step has come."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Enter a step of ``total`` items; the value entered reports progress in it."""
        ...

    def say(self, line: str) -> None:
        """One line worth knowing now."""
        ...


class Silent:
    """Progress that tells nobody."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:  # noqa: ARG002  # the port's signature
        yield lambda _count: None

    def say(self, line: str) -> None:
        """Nothing."""
