"""A heat map by itself, to lay over the picture in a browser. Shapes: Y and X pixels of the picture, C outputs."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.errors import UsageError
from .heat_colours import AGAINST, FOR
from .heatmap import SCALE_QUANTILE, HeatMap

# Opacities over a photo in its own colours: weak evidence is nearly clear, and the strongest never hides the photo.
OPAQUE, CURVE = 0.75, 1.2
OUTSIDE, OUTSIDE_OPAQUE = (20, 22, 26), 0.55
# The number of steps, which no eye tells apart; as a palette they take a quarter of the time and room of four channels.
LEVELS = 64


def heat_png(heat_map: HeatMap, output: str, *, longest: int = 512, alone: bool = False) -> bytes:
    """Write evidence for one output (orange) and against it (blue) as a PNG with transparency; equal maps give equal bytes.

    It has the shape of the upright picture, the longer side ``longest`` pixels, and is meant to be stretched over it.
    Without evidence it is clear; what the network did not see (outside a centre crop) is dark. One scale serves all
    outputs of a picture, so that they can be compared; ``alone`` scales this one by itself, as numbers in different
    units need.

    Raises:
        UsageError: there is no such output, or ``longest`` is not a number of pixels.
    """
    if longest < 1:
        raise UsageError(f"longest is {longest}; give the longer side in pixels, such as 512")
    width, height = heat_map.image.size
    scale = longest / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    heat_YX = heat_map.on_picture(output, size=size).astype(np.float64)
    strength_YX = heat_YX / _full_colour(heat_map.contributions(output)[None] if alone else heat_map.contributions_Chw)
    image = Image.fromarray(_places(strength_YX), "P")
    colours, opacities = _palette()
    image.putpalette(colours)
    data = BytesIO()
    image.save(data, "PNG", transparency=opacities)
    return data.getvalue()


def _full_colour(shares_Chw: NDArray[np.float32]) -> float:
    """The evidence (logits for the input's area) that is drawn in full colour, as in `HeatMap.overlay`."""
    shares_Cp = np.abs(shares_Chw).reshape(len(shares_Chw), -1)
    return float(np.quantile(shares_Cp, SCALE_QUANTILE, axis=1).max()) * shares_Cp.shape[1] or 1.0


def _places(strength_YX: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the place of each pixel's colour in the palette, for −1 against to 1 for, NaN: not seen."""
    seen_YX = np.isfinite(strength_YX)
    level_YX = np.rint(np.clip(np.where(seen_YX, strength_YX, 0.0), -1, 1) * LEVELS).astype(np.int16)
    places_YX: NDArray[np.uint8] = np.where(seen_YX, level_YX + LEVELS, 2 * LEVELS + 1).astype(np.uint8)
    return places_YX


def _palette() -> tuple[bytes, bytes]:
    """Make colours and opacities: from the strongest against over none to the strongest for, then the colour of pixels not
    seen."""
    colours = bytes([*AGAINST * LEVELS, *FOR * (LEVELS + 1), *OUTSIDE])
    shares = [OPAQUE * (abs(level) / LEVELS) ** CURVE for level in range(-LEVELS, LEVELS + 1)]
    return colours, bytes(round(255 * share) for share in (*shares, OUTSIDE_OPAQUE))
