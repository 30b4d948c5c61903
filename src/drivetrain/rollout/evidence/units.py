"""The units that have come already: a group counts once, by the first of its cases that counts."""

from __future__ import annotations

import hashlib

from .resolved import Came

REMEMBERED = 50_000
"""Groups that are remembered. One of which more come in later than that many groups counts again."""


class Units:
    """The latest groups that came."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}

    def is_new(self, came: Came, of: str) -> bool:
        """Tells whether no case of the unit has been taken for this purpose yet, and remembers it."""
        if not came.group:
            return True
        mark = hashlib.blake2b(f"{of}\n{came.unit}".encode(), digest_size=8).hexdigest()
        if mark in self._seen:
            return False
        self._seen[mark] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True

    def to_json(self) -> list[str]:
        """Return the state."""
        return list(self._seen)

    @classmethod
    def of_json(cls, state: list[str]) -> Units:
        """Go on from a state."""
        units = cls()
        units._seen = dict.fromkeys(state)
        return units
