"""Provenance as a line of JSON, and back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from ...core.confined import is_below
from .line import Provenance

_TEXTS = tuple(one.name for one in fields(Provenance) if one.name != "at")
_NEEDED = ("name", "sha256", "source")


def to_json(provenance: Provenance) -> dict[str, Any]:
    """Return the object that a line holds. What the source did not say is left out; the moment is in UTC."""
    texts = asdict(provenance) | {"at": provenance.at.astimezone(UTC).isoformat()}
    return {name: text for name, text in texts.items() if text is not None}


def to_line(provenance: Provenance) -> str:
    """Write the line, with its end."""
    return json.dumps(to_json(provenance), ensure_ascii=False) + "\n"


def from_line(text: str) -> Provenance:
    r"""Read a line. Fields of newer versions are passed over.

    >>> from_line('{"name": "black/1.jpg", "sha256": "0f", "source": "urls", "at": "2026-01-02T03:04:05+00:00"}').licence
    'unknown'

    Raises:
        ValueError: it is none; the message says why.
    """
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    if missing := [name for name in (*_NEEDED, "at") if not isinstance(found.get(name), str)]:
        raise ValueError(f"it has no {missing[0]}")
    texts = {name: found[name] for name in _TEXTS if found.get(name) is not None}
    if wrong := [name for name, value in texts.items() if not isinstance(value, str)]:
        raise ValueError(f"{wrong[0]} is no text")
    if not is_below(found["name"]):
        raise ValueError(f"the name {found['name'][:200]!r} leads out of the folder")
    at = datetime.fromisoformat(found["at"])
    return Provenance(**texts, at=at if at.tzinfo else at.replace(tzinfo=UTC))
