"""Values of more than 8 bits → 8-bit levels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ImageError

Levels = NDArray[np.uint8]

# 16-bit grey level → 8-bit: full scale to full scale.
_GREY_16: Levels = np.rint(np.arange(1 << 16) / 257).astype(np.uint8)


def by_range(values: NDArray[Any], low: float, high: float) -> Levels:
    """Scale ``low`` to black and ``high`` to white; what lies beyond is cut off, and NaN is black."""
    grey = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(np.clip(np.nan_to_num(grey, nan=0), 0, 255)).astype(np.uint8)


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
