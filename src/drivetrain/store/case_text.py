"""A case as JSON text, and back."""

from __future__ import annotations

import json
from typing import Any

from ..core.case import Case
from .moment import from_us, to_us
from .rows import extra_text


def to_text(case: Case) -> str:
    """Write a case; moments are microseconds, and what JSON cannot hold in its metadata becomes what is nearest."""
    return extra_text(
        {
            "id": case.id,
            "key": case.key,
            "at": to_us(case.at),
            "inputs": list(case.inputs),
            "slices": dict(case.slices),
            "group": case.group,
            "due": None if case.due is None else to_us(case.due),
            "metadata": dict(case.metadata),
        }
    )


def of_text(text: str) -> Case:
    """Read what `to_text` wrote."""
    parts: dict[str, Any] = json.loads(text)
    due = parts["due"]
    return Case(
        **{
            **parts,
            "at": from_us(parts["at"]),
            "inputs": tuple(parts["inputs"]),
            "due": None if due is None else from_us(due),
        }
    )
