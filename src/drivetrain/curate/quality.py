"""Faults of the picture itself: near-black, blurred, tiny. Each is a sentence with the number measured and the limit.

A limit is absolute, and for blur and size also relative to the set: where every picture is soft, as faces cut from larger photos
are, or 32 pixels wide, that is what the set is, and nobody is told a thousand times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data.image.traits import Traits
from .suspect import BLURRED, NEAR_BLACK, TINY, Ground

# The luma, of 1, that 95 % of the pixels stay below. Of 2,325 real photos one had less, at night; photos darkened to a tenth have
# 0.05 to 0.10.
DARK = 0.1
# Sharpness (see `drivetrain.data.image.sharpness`). A blur of 1 % of the longer side leaves 0.12 to 0.42; of bears, clothing and
# scenes 99 in 100 have more than 0.56. In a soft set, only what is below a share of its median counts.
BLUR, OF_MEDIAN_SHARPNESS = 0.45, 0.6
USUAL_SHARPNESS = 0.73
# Pixels on the shorter side: hardly any network sees something in the first; the second only where others are far larger.
HARDLY_ANY, FEW, OF_MEDIAN_SIZE = 16, 64, 1 / 3
# From this many pictures on, the set has a median to speak of.
ENOUGH = 20


def faults(traits: Sequence[Traits | None]) -> tuple[tuple[Ground, ...], ...]:
    """Find the faults of each picture, the gravest first; none of one without traits."""
    known = [one for one in traits if one is not None]
    sharp = [one.sharpness for one in known if one.sharpness is not None]
    least_sharp = min(
        BLUR, OF_MEDIAN_SHARPNESS * (float(np.median(sharp)) if len(sharp) >= ENOUGH else USUAL_SHARPNESS)
    )
    median = float(np.median([one.shorter for one in known])) if len(known) >= ENOUGH else 0.0
    least_pixels = max(HARDLY_ANY, min(FEW, round(median * OF_MEDIAN_SIZE)))
    return tuple(() if one is None else _of(one, least_sharp, least_pixels) for one in traits)


def _of(traits: Traits, least_sharp: float, least_pixels: int) -> tuple[Ground, ...]:
    found = []
    if traits.highlight < DARK:
        reached, least = f"{100 * traits.highlight:.1f} %", f"{100 * DARK:.0f} %"
        words = f"nearly black: 95 of 100 pixels are no lighter than {reached} of white; {least} is the least"
        found.append(Ground(NEAR_BLACK, words))
    if traits.shorter < least_pixels:
        size = f"{traits.width}×{traits.height} pixels"
        found.append(Ground(TINY, f"tiny: {size}; {least_pixels} on the shorter side is the least"))
    elif traits.sharpness is not None and traits.sharpness < least_sharp and not found:
        words = f"blurred: its sharpness is {traits.sharpness:.2f} of 1; {least_sharp:.2f} is the least here"
        found.append(Ground(BLURRED, words))
    return tuple(found)
