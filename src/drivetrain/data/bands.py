"""Bands of a picture whose meaning its file does not say."""

from __future__ import annotations

from ..core.types import Facts


def bands_of(facts: Facts) -> str | None:
    """The bands of a picture, in words, of which the first three were taken for its colours; None where it has colours.

    >>> bands_of({"mode": "4 bands"}), bands_of({"mode": "RGB"})
    ('4 bands', None)
    """
    mode = str(facts.get("mode", ""))
    return mode if mode.endswith(" bands") else None
