"""An edit as a line of JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...core.told_how import ToldHow
from ...core.types import ItemId
from .edit import Edit, Fate, Standing

EDIT = "edit"
"""The kind of the lines that are edits."""

KIND, LEFT = "kind", "left"
"""Fields that every line may have: its kind, and the number of lines that are still to come of those written at one stroke."""


def encoded(lines: list[dict[str, Any]]) -> bytes:
    """Write lines that belong together: a reader takes all of them or none."""
    counted = [{**line, LEFT: len(lines) - 1 - place} for place, line in enumerate(lines)]
    return b"".join(_bytes(line) + b"\n" for line in counted)


def _bytes(line: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(line, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can stand for
        return json.dumps(line).encode()


def edit_line(edit: Edit) -> dict[str, Any]:
    """Return the edit's line; what is None is left out, but for a label."""
    marks = {"undoes": edit.undoes, "redoes": edit.redoes}
    return {
        KIND: EDIT,
        "id": edit.id,
        "step": edit.step,
        "at": edit.at.isoformat(),
        "by": edit.by,
        "item": {"name": edit.item.name, "sha256": edit.item.sha256},
        "before": standing_line(edit.before),
        "after": standing_line(edit.after),
        "why": edit.why,
        "how": str(edit.how),
        **{name: value for name, value in marks.items() if value is not None},
    }


def standing_line(standing: Standing) -> dict[str, Any]:
    """Return the part of a line that is about a standing."""
    labels = {} if standing.labels is None else {"labels": list(standing.labels)}
    return {"label": standing.label, "fate": str(standing.fate), **labels}


def read_edit(line: Mapping[str, Any]) -> Edit:
    """Read an edit; fields that are not known are passed over.

    Raises:
        ValueError: a field is missing, or no such value; says which.
    """
    item = _field(line, "item", dict)
    return Edit(
        id=_field(line, "id", str),
        at=moment(_field(line, "at", str)),
        by=_field(line, "by", str),
        item=ItemId(_field(item, "name", str), _perhaps(item, "sha256")),
        before=_standing(_field(line, "before", dict)),
        after=_standing(_field(line, "after", dict)),
        why=_perhaps(line, "why") or "",
        how=_one_of(ToldHow, line.get("how", ToldHow.ASSISTED), "how"),
        undoes=_perhaps(line, "undoes"),
        redoes=_perhaps(line, "redoes"),
        step=_perhaps(line, "step"),
    )


def _standing(line: Mapping[str, Any]) -> Standing:
    labels = line.get("labels")
    if labels is not None and not (isinstance(labels, list) and all(isinstance(label, str) for label in labels)):
        raise ValueError(f"labels is {labels!r}, no list of texts")
    fate = _one_of(Fate, line.get("fate", Fate.OPEN), "fate")
    return Standing(_perhaps(line, "label"), fate, None if labels is None else tuple(labels))


def _field(line: Mapping[str, Any], name: str, kind: type) -> Any:
    if name not in line:
        raise ValueError(f"it has no {name}")
    if not isinstance(line[name], kind):
        raise ValueError(f"{name} is {line[name]!r}")
    return line[name]


def _perhaps(line: Mapping[str, Any], name: str) -> str | None:
    return None if line.get(name) is None else str(_field(line, name, str))


def moment(text: str) -> datetime:
    """Read a moment; one without a time zone, as people write it by hand, is one of UTC.

    Raises:
        ValueError: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"at is {text!r}, no moment") from None


def _one_of(kind: Any, value: object, name: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{name} is {value!r}, none of {', '.join(kind)}") from None
