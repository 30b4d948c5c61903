"""Floats as JSON can carry them without losing a bit, NaN and infinities included."""

from __future__ import annotations

from collections.abc import Iterable


def written(values: Iterable[float]) -> list[str]:
    """Write floats in hexadecimal.

    >>> written([0.1, 2])
    ['0x1.999999999999ap-4', '0x1.0000000000000p+1']
    """
    return [float(value).hex() for value in values]


def read(texts: Iterable[str]) -> list[float]:
    """Read floats again.

    >>> read(["0x1.999999999999ap-4"])
    [0.1]
    """
    return [float.fromhex(text) for text in texts]
