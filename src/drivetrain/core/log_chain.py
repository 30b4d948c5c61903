"""The chain of a rollout's log, checked line by line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime

from .errors import StoreError
from .rollout_records import GENESIS, LogLine, line_hash


def chained(lines: Iterable[LogLine], shown: str) -> Iterator[LogLine]:
    """Yield each line of a log from its first on, once its number, predecessor and hash are right.

    Raises:
        StoreError: a line of the log called ``shown`` was changed, left out, put in later or moved; says which.
    """
    number, before = 0, GENESIS
    for line in lines:
        fault = _fault(line, number + 1, before)
        if fault is not None:
            raise StoreError(f"{shown}: {fault}")
        number, before = line.number, line.hash
        yield line


def _fault(line: LogLine, expected: int, before: str) -> str | None:
    if line.number > expected:
        return f"line {expected} is missing; line {line.number} stands in its place"
    if line.number < expected:
        return f"line {line.number} stands where line {expected} should; it was put in or moved"
    if line.hash != line_hash(line.before, line.number, line.body):
        return f"line {line.number} was changed; its hash is not that of what it says"
    if line.before != before:
        return (
            f"line {line.number} does not follow on the line before it; one of the two was changed, or lines between them "
            "were left out or put in"
        )
    if not _agrees(line):
        return f"line {line.number} was changed; the moment or the case beside it is not the one that it names"
    return None


def _agrees(line: LogLine) -> bool:
    """Tells whether the moment and the case beside a line are those that the event itself names, where it names some."""
    event = json.loads(line.body)
    if not isinstance(event, dict):
        return True
    case, at = event.get("case"), event.get("at")
    case_id = event.get("case_id", case.get("id") if isinstance(case, dict) else None)
    if None not in (case_id, line.case_id) and case_id != line.case_id:
        return False
    return not isinstance(at, str) or datetime.fromisoformat(at) == line.at
