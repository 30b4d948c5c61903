"""The values of a picture that mean something: not NaN, not infinite, and not a number that stands for “no data”.

Shapes: H, W pixels, K channels.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]
"""(H, W) or (H, W, K) of integers or floating point."""

# Numbers that programs write where nothing was measured. They count as such only where they lie far from all other values.
# The largest number of a type is not among them: in many a picture that is a light too bright for the camera.
# (−10000 is what 16 bits of floating point make of −9999, and −65504 their lowest number.)
FILLS = (
    -99.0,
    -999.0,
    -9999.0,
    -10000.0,
    -99999.0,
    -999999.0,
    9999.0,
    99999.0,
    999999.0,
    -32768.0,
    -32767.0,
    -65504.0,
    -2147483648.0,
)
# Floating point from here on is a number for “no data” as well: 1e20, 9.97e36 and ±3.4e38 are common ones.
HUGE = 1e19

# So far away is a number below all others, as a share of the range of these; above them it is the whole of that range, as a
# camera's brightest light may be such a number.
BELOW = 1 / 8

# Values looked at to find out between which numbers a picture's lie: every n-th row and column of a larger one.
LOOKED_AT = 1 << 18
# The share of a picture's values at either end that may be anything, and how many of a small one: one of a hundred, up to four.
TAIL, FEWEST = 0.001, 4
# The mean is taken from there up to so many times as many values.
MEAN_OVER = 4


def is_missing(values: Numbers, no_data: float | None, low: float, high: float) -> NDArray[np.bool_]:
    """Tell which values stand for nothing, where those that count lie from about ``low`` to ``high``.

    ``no_data`` is the number that the file itself names.
    """
    missing = _is_named(values, no_data)
    if values.dtype.kind == "u":
        return missing
    far = (values < low - BELOW * (high - low)) | (values > high + (high - low))
    if far.any():
        missing |= far & _may_be_fill(values)
    return missing | ~np.isfinite(values) if values.dtype.kind == "f" else missing


def counting(values: Numbers, no_data: float | None) -> Numbers:
    """Return, in one row, those values that count, of an even sample of the picture; of all of it where the sample has none."""
    step = isqrt(max(values.size - 1, 0) // LOOKED_AT) + 1
    found = _counting(values[::step, ::step], no_data)
    if len(found) or step == 1:
        return found
    return np.concatenate([_counting(values[row : row + step], no_data) for row in range(0, len(values), step)])


def _counting(values: Numbers, no_data: float | None) -> Numbers:
    found = wide(values.ravel())
    found = found[~_is_named(found, no_data)]
    if found.dtype.kind == "f":
        found = found[np.isfinite(found)]
        found = found[np.abs(found) < HUGE]
    if found.dtype.kind == "u":
        return found
    others = found[~_may_be_fill(found)]
    if not len(others) or len(others) == len(found):
        return found
    return found[~is_missing(found, None, *ends(others))]


def ends(counted: Numbers) -> tuple[float, float]:
    """Return about the lowest and the highest of some values: single pixels say nothing of a picture.

    A few at either end are left out, and of the next ones the mean is taken, three times as many: so a pixel more or less moves
    it by a small part of what it is away, where a quantile would jump as soon as a bright spot is large enough.

    >>> ends(np.asarray([*range(1000), 60000]))
    (10.0, 990.0)
    """
    n = len(counted)
    left_out = max(round(TAIL * n), min(FEWEST, n // 100))
    last = min(MEAN_OVER * left_out, n - 1)
    ordered = np.partition(counted, sorted({left_out, last, n - 1 - last, n - 1 - left_out}))
    lowest, highest = ordered[left_out : last + 1], ordered[n - 1 - last : n - left_out]
    return float(lowest.mean(dtype=np.float64)), float(highest.mean(dtype=np.float64))


def wide(values: Numbers) -> Numbers:
    """Return floating point of 16 bits as 32, in which every bound can be said."""
    if values.dtype != np.float16:
        return values
    with np.errstate(invalid="ignore"):  # a signalling NaN, which damaged bytes may be
        return values.astype(np.float32)


def _is_named(values: Numbers, no_data: float | None) -> NDArray[np.bool_]:
    if no_data is None:
        return np.zeros(values.shape, np.bool_)
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            named: NDArray[np.bool_] = values == values.dtype.type(no_data)
        return named
    # A number that no integer equals stands nowhere in the picture.
    whole = int(no_data) if np.isfinite(no_data) and no_data == int(no_data) else None
    return np.zeros(values.shape, np.bool_) if whole is None else np.asarray(values == whole, np.bool_)


def _may_be_fill(values: Numbers) -> NDArray[np.bool_]:
    may_be = np.isin(values, _fills_of(values.dtype))
    return may_be | (np.abs(values) >= HUGE) if values.dtype.kind == "f" else may_be


def _fills_of(kind: np.dtype[Any]) -> NDArray[Any]:
    within = np.finfo(kind) if kind.kind == "f" else np.iinfo(kind)
    return np.asarray([fill for fill in FILLS if within.min <= fill <= within.max], kind)
