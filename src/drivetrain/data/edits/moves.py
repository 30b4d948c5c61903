"""Moves: what applying edits did to files, as the log keeps it, so that an edit finds its item under the name it has now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOVES = "moves"
"""The kind of the lines that say which files were given other names."""


@dataclass(frozen=True, slots=True)
class Move:
    """An item's file and its new name; both names are relative to the source, with forward slashes."""

    old: str
    new: str
    sha256: str | None


def read_moves(line: Mapping[str, Any]) -> tuple[Move, ...]:
    """Read the moves of a line.

    Raises:
        ValueError: they are none; says why.
    """
    try:
        found = tuple(Move(str(old), str(new), sha256) for old, new, sha256 in line["moves"])
    except (KeyError, TypeError, ValueError):
        raise ValueError("its moves are no list of old name, new name and hash") from None
    return found


def moves_line(moves: tuple[Move, ...]) -> list[list[str | None]]:
    """Return the moves as a line has them."""
    return [[move.old, move.new, move.sha256] for move in moves]
