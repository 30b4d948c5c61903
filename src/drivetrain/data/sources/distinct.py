"""The different cells of a column, as far as a person would look: as texts, or as yes and no."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Hashable
from decimal import Decimal

import numpy as np

from .cells import Table

# Spreadsheets write yes and no in the language of their country.
YES = frozenset({"1", "true", "yes", "t", "y", "wahr", "ja", "vrai", "oui", "verdadero", "sí"})
NO = frozenset({"0", "false", "no", "f", "n", "falsch", "nein", "faux", "non", "falso"})

_WHOLE = re.compile(r"-?\d+\.0")

MOST = 1000
"""Columns with more different cells than this are no splits, and no marks of classes."""


def plain(value: object) -> str | None:
    """Return a cell as text in which equal numbers are equal; None where it is empty.

    >>> plain(" Train "), plain(True), plain(1.0), plain(float("nan")), plain("")
    ('Train', 'true', '1', None, None)
    """
    if value is None or (isinstance(value, numbers.Real) and math.isnan(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, (numbers.Real, Decimal)):
        return f"{value:.0f}" if value == value // 1 else str(value)
    text = str(value).strip()
    return (text[:-2] if _WHOLE.fullmatch(text) else text) or None


def distinct(table: Table, column: str) -> frozenset[str | None] | None:
    """The different cells of a column as texts, None among them where one is empty; nothing where there are too many, or
    cells that are no single values."""
    found: set[Hashable] = set()
    for _, cells in table.rows:
        value = cells.get(column)
        if not isinstance(value, Hashable) or isinstance(value, tuple):
            return None
        found.add(value)
        if len(found) > MOST:
            return None
    return frozenset(plain(value) for value in found)


def yes_or_no(text: str) -> bool | None:
    """Read a text as yes or no; None where it is neither.

    >>> yes_or_no("True"), yes_or_no("0"), yes_or_no("maybe")
    (True, False, None)
    """
    lower = text.lower()
    return True if lower in YES else False if lower in NO else None
