"""A line of a rollout's log as a line of a JSONL file, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from .canonical_json import canonical_json
from .rollout_records import LogLine


def to_text(line: LogLine) -> str:
    """Write a line, without a line end.

    The event stands in it as JSON; its hash is that of ``before``, number and canonical JSON of the event, with line ends
    between them.
    """
    at = line.at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
    parts = {"number": line.number, "at": at, "case_id": line.case_id, "event": json.loads(line.body)}
    return json.dumps({**parts, "before": line.before, "hash": line.hash}, separators=(",", ":"))


def of_text(text: str) -> LogLine:
    """Read what `to_text` wrote.

    Raises:
        ValueError: it is no line of a log.
    """
    try:
        parts = json.loads(text)
        line = LogLine(
            number=parts["number"],
            at=datetime.fromisoformat(parts["at"]),
            case_id=parts["case_id"],
            body=canonical_json(parts["event"]),
            before=parts["before"],
            hash=parts["hash"],
        )
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    if type(line.number) is not int or not isinstance(line.hash, str) or line.at.tzinfo is None:
        raise ValueError("a number, hash or moment of another kind")
    return line
