"""Canonical JSON: one text for one value, so that a hash of the text is one of the value."""

from __future__ import annotations

import json
from typing import Any

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def canonical_json(value: Any) -> str:
    """Write a value in ASCII, with sorted keys and without blanks, so that no line end stands in it.

    >>> canonical_json({"b": [1, 0.5, None], "a": "Köln"})
    '{"a":"K\\\\u00f6ln","b":[1,0.5,null]}'

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return _encode(value)


def is_canonical(text: str) -> bool:
    """Tells whether a text is the canonical JSON of what it says.

    >>> is_canonical('{"a":1}'), is_canonical('{"a": 1}')
    (True, False)
    """
    try:
        return _encode(json.loads(text)) == text
    except (ValueError, RecursionError):
        return False
