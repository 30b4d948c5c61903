"""The chain of a rollout's log, checked line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .errors import StoreError
from .rollout_records import GENESIS, LogLine, line_hash


def chained(lines: Iterable[LogLine], shown: str) -> Iterator[LogLine]:
    """Yield each line of a log from its first on, once its number, predecessor and hash are right.

    Raises:
        StoreError: a line of the log called ``shown`` was changed, left out, put in later or moved; says which.
    """
    number, before = 0, GENESIS
    for line in lines:
        expected = number + 1
        if line.number > expected:
            raise StoreError(f"{shown}: line {expected} is missing; line {line.number} stands in its place")
        if line.number < expected:
            raise StoreError(f"{shown}: line {line.number} stands where line {expected} should; it was put in or moved")
        if line.hash != line_hash(line.before, line.number, line.body):
            raise StoreError(f"{shown}: line {line.number} was changed; its hash is not that of what it says")
        if line.before != before:
            raise StoreError(
                f"{shown}: line {line.number} does not follow on the line before it; one of the two was changed, or lines "
                "between them were left out or put in"
            )
        number, before = line.number, line.hash
        yield line
