"""Groups given with the data, as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.types import IntArray, Item


def group_numbers(items: Sequence[Item]) -> IntArray:
    """Return (N,) group numbers: one number for each named group, and one for each item without a group."""
    names: dict[str, int] = {}
    return np.asarray(
        [names.setdefault(item.group, len(names)) if item.group else -1 - row for row, item in enumerate(items)],
        np.int64,
    )
