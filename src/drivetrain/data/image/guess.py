"""The range of one picture's values, guessed from that picture alone.

Many scales are possible; the commonest are 0–1 and 0–255 of floating point, and 8, 10, 12, 14 or 16 bits of integers. The scale
that a picture is probably on is found by its brightest values, a few left out. It is a continuous function of them: between two
scales the white point rises twice as fast (of its own size) as the brightest values, and then stands still for a factor of two
(of floating point up to 1, four). So a slightly brighter picture is never shown much darker, as it would be with a rule that
jumps from one scale to the next.
"""

from __future__ import annotations

from itertools import pairwise
from math import inf, log

import numpy as np

# (brightest value, white point): straight lines between their logarithms; beyond the last, both are the same.
Scales = tuple[tuple[float, float], ...]
BITS = (10, 12, 14, 16)
INTEGER_SCALES: Scales = (
    (255.0, 255.0),
    *((at, full) for full in (2.0**n - 1 for n in BITS) for at in (full / 2, full)),
)
FLOAT_SCALES: Scales = (
    (1 / 16, 1 / 16),
    (1 / 4, 1.0),
    (1.0, 1.0),
    (255 / 16, 255 / 16),
    (255 / 4, 255.0),
    (255.0, 255.0),
)

# Values that begin far from 0 (a thermal camera's counts, kelvins) are shown from their lowest on: not at all where that is half
# of the highest, and wholly from three quarters on.
APART = (0.5, 0.75)

# The narrowest range, as a share of the larger end, and of integers on a usual scale 8 bits: a picture that is all but one value
# is not to be stretched until its noise fills it.
NARROWEST_SHARE, NARROWEST_INTEGERS = 1 / 32, 255.0


def guess_from(low: float, high: float, *, floats: bool, most: float = inf) -> tuple[float, float]:
    """Guess black and white where all but a few values lie from ``low`` to ``high``; ``most`` is the largest value of the type.

    >>> guess_from(12, 3900, floats=False), guess_from(0.01, 0.93, floats=True)
    ((0.0, 4095.0), (0.0, 1.0))
    """
    apart = _apart(low, high, 1.0 if floats else 255.0)
    # On no usual scale are values as far below 0 as above it; there they are shown from the lowest to the highest.
    mirrored = float(np.clip(-low / high, 0, 1)) if high > 0 else float(low < 0)
    full = min(_white(high, FLOAT_SCALES if floats else INTEGER_SCALES), most)
    black = min(low, 0.0) + apart * max(low, 0.0)
    white = full + max(apart, mirrored) * (high - full)
    narrowest = NARROWEST_SHARE * max(abs(black), abs(white)) or 1.0
    return black, max(white, black + max(narrowest, 0.0 if floats else NARROWEST_INTEGERS * (1 - mirrored)))


def _apart(low: float, high: float, least: float) -> float:
    """Say how far (0–1) the values lie from 0, compared with how far from one another.

    Up to ``least`` is a scale of its own, on which a picture of little contrast is meant to have little.
    """
    if low <= 0 or high <= least:
        return 0.0
    apart = float(np.clip((low / high - APART[0]) / (APART[1] - APART[0]), 0, 1))
    return apart * float(np.clip(np.log2(high / least), 0, 1))


def _white(high: float, scales: Scales) -> float:
    if high <= scales[0][0]:
        return max(high, 255.0) if scales is INTEGER_SCALES else high
    for (before, its_white), (at, white) in pairwise(scales):
        if high <= at:
            # Exactly on the scale, where both ends are.
            return white if its_white == white else its_white * (high / before) ** _slope(before, its_white, at, white)
    return high


def _slope(before: float, its_white: float, at: float, white: float) -> float:
    return log(white / its_white) / log(at / before)
