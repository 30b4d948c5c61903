"""JSON from strangers, judged by what reading it costs before it is read.

Two bytes of ``{}`` become a hundred of Python's, so a limit on bytes says little. What is dear is structure: every value is
announced by one of ``, { [ : "``, and counting these takes no time. Long texts, images in base64, have none of them and cost
what they are long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from .problems import Problem

# The metadata of all images of a request may have so many values together: more than a hundred for each of 64.
MOST_VALUES = 16_384

# Bytes of Python's that a value costs at most, by the sign that announces it; measured, and rounded up.
_NUMBER, _OBJECT, _LIST, _MEMBER, _QUOTE = 48, 240, 96, 96, 32

# Python keeps four bytes for each sign of a text with signs outside the Basic Multilingual Plane, and copies it once.
_WIDE = re.compile(rb"[\xf0-\xff]|\\u[dD][89abAB]")

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Cost:
    """An upper bound of the memory that reading a document takes."""

    size: int
    commas: int
    lists: int
    objects: int
    """Signs of objects and texts: braces, colons, half of the quotation marks."""
    structure: int
    """Bytes that lists, objects and short texts will take."""
    text: int
    """Bytes that long texts will take, and what they are decoded to from base64."""

    @property
    def weight(self) -> int:
        """Bytes beside the document itself."""
        return self.structure + self.text


def cost_of(pieces: Iterable[bytes]) -> Cost:
    """Count what reading the document in these pieces would cost; nothing is read yet."""
    size = commas = lists = braces = colons = quotes = 0
    wide = False
    for piece in pieces:
        size += len(piece)
        commas += piece.count(b",")
        lists += piece.count(b"[")
        braces += piece.count(b"{")
        colons += piece.count(b":")
        quotes += piece.count(b'"')
        wide = wide or _WIDE.search(piece) is not None
    structure = commas * _NUMBER + lists * _LIST + braces * _OBJECT + colons * _MEMBER + quotes * _QUOTE
    return Cost(size, commas, lists, braces + colons + quotes // 2, structure, size * (23 if wide else 7) // 4)


def read_json(data: bytes, what: str, *, values: int = MOST_VALUES, numbers: int = 0) -> Any:
    """Read ``data`` if it has no more than ``values`` values; ``numbers`` may come on top, in lists.

    Raises:
        Problem: it has more (413), or is no JSON or deeper than 200 (400).
    """
    cost = cost_of([data])
    if cost.objects > values or cost.commas + cost.lists > values + numbers:
        raise Problem(
            "too-large",
            f"{what} has more values than the {values + numbers} that may be sent at once"
            + ("; send fewer images, or image files in base64" if numbers else ""),
        )
    try:
        return from_json(data.removeprefix(_BOM), allow_inf_nan=False)
    except ValueError as error:
        reason = " ".join(str(error).split())[:200]
        if "hex escape" in reason:
            reason += " (half of a surrogate pair is no text)"
        raise Problem("bad-request", f"{what} is not valid JSON: {reason}") from None
