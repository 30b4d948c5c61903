"""The findings of a log's verification: whether its chain holds, and where it says what does not follow from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..core.errors import LogError, StoreError
from ..core.rollout_records import GENESIS, LogLine
from .recomputation import Difference, Recomputation

_MOST_NAMED = 100
"""Differences that are named; the first says where to look, and all others may follow from it."""


@dataclass(frozen=True, slots=True)
class VerifiedLog:
    """A log that was verified to its end, or to the first line that cannot be right."""

    lines: int | None = None
    """The lines there are; None where there is a problem."""
    hash: str | None = None
    problem: str | None = None
    """A line that was changed, left out, put in later, or that says what cannot have happened."""
    recomputed: bool = False
    """The salt was at hand, so draws, gates and turns were computed anew."""
    differences: tuple[Difference, ...] = ()
    """Lines that say otherwise than what was computed, the first of them."""

    def to_json(self) -> dict[str, Any]:
        return {
            "whole": self.problem is None,
            "problem": self.problem,
            "lines": self.lines,
            "hash": self.hash,
            "recomputed": self.recomputed,
            "differences": [{"line": one.number, "words": one.words} for one in self.differences],
        }


def verify_lines(lines: Iterable[LogLine], salt: bytes) -> VerifiedLog:
    """Recompute a log from lines whose chain is checked as they come."""
    again = Recomputation(salt)
    end = 0, GENESIS

    def noted() -> Iterable[LogLine]:
        nonlocal end
        for line in lines:
            end = line.number, line.hash
            yield line

    differences: list[Difference] = []
    try:
        for difference in again.take(noted()):
            if len(differences) < _MOST_NAMED:
                differences.append(difference)
    except (LogError, StoreError) as error:
        return VerifiedLog(problem=str(error), differences=tuple(differences))
    return VerifiedLog(*end, recomputed=True, differences=tuple(differences))
