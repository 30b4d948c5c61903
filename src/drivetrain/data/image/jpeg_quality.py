"""The quality at which a JPEG was saved, as its quantisation table tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Mean of the luminance table of annex K of the JPEG standard (ITU-T T.81), from which encoders scale theirs; in any order.
STANDARD_MEAN = 57.625


def quality_of(tables: Mapping[int, Sequence[int]]) -> int | None:
    """Return the quality from 1 to 100 on the scale of libjpeg that the luminance table is nearest to; None without a table.

    Cameras with tables of their own get the number of that scale at which as much would be lost.

    >>> quality_of({0: [57.625] * 64}), quality_of({0: [1] * 64}), quality_of({})
    (50, 99, None)
    """
    table = tables.get(0)
    if not table:
        return None
    percent = 100 * (sum(table) / len(table)) / STANDARD_MEAN
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return int(min(max(round(quality), 1), 100))
