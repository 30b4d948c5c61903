"""The journal of applying edits: what was done to files, as the log keeps it before it is done.

An edit finds its item by it under the name that it has now, and whatever a killed program left half done is finished by it.
Names of files are as the file system has them, relative to the source's folder, with forward slashes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from ...core.confined import is_below
from .line import moment
from .places import is_record

MOVES, MOVED = "moves", "moved"
"""The kinds of the lines that say what is going to be done to files, and that it has been done."""


@dataclass(frozen=True, slots=True)
class Move:
    """An item's file and its new name."""

    old: str
    new: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Swap:
    """A table whose content is replaced; copies of the old and of the new one are kept."""

    table: str
    old_sha256: str
    new_sha256: str
    old: str
    """The copy of the table as it was."""
    new: str
    """The copy of the table as it will be."""


@dataclass(frozen=True, slots=True)
class Journal:
    """Changes of files that belong together: all of them are made, or none."""

    id: str
    at: datetime
    by: str
    moves: tuple[Move, ...] = ()
    swaps: tuple[Swap, ...] = ()
    made: tuple[str, ...] = ()
    """Folders that are made for this, those above before those below."""
    unmade: tuple[str, ...] = ()
    """Folders that were made for this once, and go again where nothing is left in them."""
    aside: str | None = None
    """The folder for what was removed, which is marked, so that nobody reads it for a class."""
    undoes: str | None = None
    redoes: str | None = None

    def reversed(self, new_id: str, at: datetime, by: str) -> Journal:
        """Return the journal that takes these changes back."""
        return replace(
            self,
            id=new_id,
            at=at,
            by=by,
            moves=tuple(Move(move.new, move.old, move.sha256) for move in reversed(self.moves)),
            swaps=tuple(
                Swap(swap.table, swap.new_sha256, swap.old_sha256, swap.new, swap.old) for swap in reversed(self.swaps)
            ),
            made=(),
            unmade=tuple(reversed(self.made)),
            undoes=self.redoes or self.id,
            redoes=None,
        )

    def again(self, new_id: str, at: datetime, by: str) -> Journal:
        """Return the journal that makes these changes once more."""
        return replace(self, id=new_id, at=at, by=by, undoes=None, redoes=self.redoes or self.id)

    def to_line(self) -> dict[str, Any]:
        """Return the fields of its line."""
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "by": self.by,
            "moves": [[move.old, move.new, move.sha256] for move in self.moves],
            "swaps": [[one.table, one.old_sha256, one.new_sha256, one.old, one.new] for one in self.swaps],
            "made": list(self.made),
            "unmade": list(self.unmade),
            "aside": self.aside,
            "undoes": self.undoes,
            "redoes": self.redoes,
        }

    @classmethod
    def of_line(cls, line: Mapping[str, Any]) -> Self:
        """Read a line.

        Raises:
            ValueError: it is no journal, or names a file outside the source.
        """
        try:
            found = cls(
                id=str(line["id"]),
                at=moment(line["at"]),
                by=str(line["by"]),
                moves=tuple(Move(*one) for one in line["moves"]),
                swaps=tuple(Swap(*one) for one in line.get("swaps", ())),
                made=tuple(line.get("made", ())),
                unmade=tuple(line.get("unmade", ())),
                aside=line.get("aside"),
                undoes=line.get("undoes"),
                redoes=line.get("redoes"),
            )
            found.check()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"it is no journal of moved files: {error}") from None
        return found

    def check(self) -> None:
        """Check that every name stays within the source's folder: a log may come with a stranger's data.

        Raises:
            ValueError: one does not.
        """
        for digest in (move.sha256 for move in self.moves):
            if not isinstance(digest, str | None):
                raise ValueError(f"{digest!r} is no SHA-256")  # a line's value, and no argument's type
        names = [name for move in self.moves for name in (move.old, move.new)]
        names += [name for swap in self.swaps for name in (swap.table, swap.old, swap.new)]
        for name in (*names, *self.made, *self.unmade, *([self.aside] if self.aside else [])):
            os.fsencode(name)  # which fails over what no file can be called
            if not is_below(name) or is_record(name.rpartition("/")[2]):
                raise ValueError(f"{name!r} is no name within the folder")
