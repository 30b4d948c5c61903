"""Values of more than 8 bits → 8-bit levels. Shapes: H, W pixels, K channels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ImageError
from .guess import guess_from
from .render import Range, Ranges, RangeWord
from .valid_values import Numbers, counting, ends, is_missing, wide

Levels = NDArray[np.uint8]

# 16-bit grey level → 8-bit: full scale to full scale.
_GREY_16: Levels = np.rint(np.arange(1 << 16) / 257).astype(np.uint8)

# Values that are turned to levels at a time, so that the copies on the way stay small.
BAND_VALUES = 1 << 17

# The share of a picture's values outside of a known range from which on it is of another kind than those the range is for.
MOSTLY = 0.5


def levels_of(
    values: Numbers,
    ranges: Literal["picture"] | Ranges,
    no_data: float | None = None,
    *,
    inverted: bool = False,
    stated: Range | None = None,
) -> tuple[Levels, RangeWord]:
    """Turn (H, W) or (H, W, K) values, grey or colours without transparency, into levels, and say by which kind of range.

    All channels share one range. ``no_data``: the value that means nothing in this file; that, NaN and infinity are black.
    ``inverted``: the lowest number is white. ``stated``: black and white as the file has them, where ``ranges`` do not know.

    Raises:
        ImageError: no value counts; or the rule is that of bundles of before schema version 4, and one is not finite.
    """
    if isinstance(ranges, str):
        levels = by_picture(values)
        return (np.subtract(255, levels, out=levels) if inverted else levels), "guessed"
    counted = counting(values, no_data)
    if not len(counted):
        raise ImageError("damaged", "none of its values is a number that counts: all are “no data”, NaN or infinite")
    known = ranges.of(values, no_data) or stated
    if known is None:
        floats = np.issubdtype(values.dtype, np.floating)
        most = inf if floats else float(np.iinfo(values.dtype).max)
        guessed = Scaling(*guess_from(*ends(counted), floats=floats, most=most), no_data, inverted)
        return guessed.levels(values), "guessed"
    outside = (counted < known[0]) | (counted > known[1])
    return Scaling(*known, no_data, inverted).levels(values), "exceeded" if outside.mean() >= MOSTLY else "known"


@dataclass(frozen=True)
class Scaling:
    """The way from values to levels: ``low`` becomes black and ``high`` white, or the other way where it is ``inverted``.

    What lies beyond is cut off, and what means nothing is black.
    """

    low: float
    high: float
    no_data: float | None = None
    inverted: bool = False

    def levels(self, values: Numbers) -> Levels:
        """Turn (H, W) or (H, W, K) values into levels, some rows at a time."""
        levels: Levels = np.empty(values.shape, np.uint8)
        rows = max(1, BAND_VALUES // max(values[:1].size, 1))
        for top in range(0, len(values), rows):
            band = values[top : top + rows]
            levels[top : top + rows] = self._by_table(band) if _is_16(band) else self.scaled(band)
        return levels

    def scaled(self, values: Numbers) -> Levels:
        """Turn values into levels, all at once."""
        values = wide(values)
        with np.errstate(over="ignore", invalid="ignore"):
            grey = values.astype(np.float64)
            grey -= self.low
            grey /= self.high - self.low
            if self.inverted:
                np.subtract(1, grey, out=grey)
            grey *= 255
            grey[is_missing(values, self.no_data, self.low, self.high)] = 0
        return np.rint(np.clip(grey, 0, 255, out=grey), out=grey).astype(np.uint8)

    def _by_table(self, values: Numbers) -> Levels:
        signed = values.dtype.kind == "i"
        places = values.astype(np.int16 if signed else np.uint16).view(np.uint16)
        levels: Levels = _table(self, signed=signed)[places]
        return levels


def _is_16(values: Numbers) -> bool:
    return values.dtype.kind in "iu" and values.dtype.itemsize == 2


@lru_cache(maxsize=4)
def _table(scaling: Scaling, *, signed: bool) -> Levels:
    """(65536,) the level of each 16-bit value."""
    every = np.arange(1 << 16, dtype=np.uint16)
    return scaling.scaled(every.view(np.int16) if signed else every)


def by_picture(values: NDArray[Any]) -> Levels:
    """Scale by the picture's own extremes, as bundles of before schema version 4 do.

    16-bit grey is divided by 257 (full scale to full scale, so that two files stay comparable); floating-point grey in 0–1 is
    scaled by 255, in 0–255 kept, anything else stretched to its own range.

    Raises:
        ImageError: floating-point pixels are not finite.
    """
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        levels: Levels = _GREY_16[values]
        return levels
    # Damaged bytes may be a signalling NaN, of which the processor complains while it is widened.
    with np.errstate(invalid="ignore"):
        grey = values.astype(np.float64)
    if not np.isfinite(grey).all():
        raise ImageError("damaged", "the pixels contain NaN or infinity")
    low, high = float(grey.min()), float(grey.max())
    floating = values.dtype.kind == "f"
    if not floating and low >= 0 and high <= 65535:
        grey /= 257
    elif floating and low >= 0 and high <= 1:
        grey *= 255
    elif not (low >= 0 and high <= 255):
        grey -= low
        grey *= 255 / (high - low) if high > low else 0
    return np.rint(grey, out=grey).astype(np.uint8)
