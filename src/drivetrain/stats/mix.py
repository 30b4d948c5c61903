"""Mixes of classes: the share of each, by name."""

from __future__ import annotations

from collections.abc import Mapping


def total_variation(mix: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the distance of two mixes: the share of cases that would have to be of another class to turn one into the other.

    Of a sample it is too large rather than too small: of n cases of two equal classes about 0.4 / √n by chance alone.

    >>> round(total_variation({"bear": 0.2, "fox": 0.8}, {"bear": 0.5, "fox": 0.5}), 9)
    0.3
    """
    return sum(abs(mix.get(name, 0) - other.get(name, 0)) for name in {*mix, *other}) / 2
