"""The colours of a heat map over a photo, and the legend below it. Shapes: Y and X pixels of the photo, K channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Floats = NDArray[np.float64]

# Deep orange for, deep blue against: a pair that every kind of colour blindness tells apart, and that differ from
# what photos are mostly made of. The photo below is a pale grey, so that all colour is evidence.
FOR, AGAINST = (230, 85, 0), (15, 80, 200)
PHOTO_LIGHT, TINT = 0.12, 0.78
OUTSIDE_DIM = 0.45

LEGEND_HEIGHT, LEGEND_FONT = 30, 14
INK, PAPER = (40, 44, 52), (255, 255, 255)


def tinted(photo_YXK: Floats, strength_YX: Floats) -> NDArray[np.uint8]:
    """Colour the photo, pale and grey, by ``strength_YX`` (−1 against to 1 for; NaN: not seen)."""
    grey_YX1 = (photo_YXK @ np.array([0.299, 0.587, 0.114]))[..., None]
    pale_YXK = np.broadcast_to(grey_YX1 + PHOTO_LIGHT * (255 - grey_YX1), photo_YXK.shape)
    seen_YX = np.isfinite(strength_YX)
    level_YX = np.clip(np.where(seen_YX, strength_YX, 0.0), -1, 1)
    tint_YXK = np.where(level_YX[..., None] > 0, np.array(FOR, np.float64), np.array(AGAINST, np.float64))
    # The mix keeps the photo's light and shade visible under the colour, and the colour visible on black.
    shaded_YXK = tint_YXK * (0.7 + 0.5 * grey_YX1 / 255)
    alpha_YX1 = TINT * np.abs(level_YX)[..., None]
    mixed_YXK = (1 - alpha_YX1) * pale_YXK + alpha_YX1 * shaded_YXK
    mixed_YXK[~seen_YX] = OUTSIDE_DIM * pale_YXK[~seen_YX]
    drawn: NDArray[np.uint8] = np.rint(np.clip(mixed_YXK, 0, 255)).astype(np.uint8)
    return drawn


def with_legend(drawn: Image.Image, title: str) -> Image.Image:
    """Add the scale below the picture: against, a band of colour, for."""
    framed = Image.new("RGB", (drawn.width, drawn.height + LEGEND_HEIGHT), PAPER)
    framed.paste(drawn, (0, 0))
    draw = ImageDraw.Draw(framed)
    font = ImageFont.load_default(LEGEND_FONT)
    middle, band = drawn.height + LEGEND_HEIGHT / 2, min(96, drawn.width // 5)
    levels_YX = np.broadcast_to(np.linspace(-1, 1, max(band, 2)), (10, max(band, 2)))
    bar = Image.fromarray(tinted(np.full((*levels_YX.shape, 3), 200.0), levels_YX))
    right = drawn.width - 6
    right -= round(font.getlength("for"))
    draw.text((right, middle), "for", INK, font, anchor="lm")
    right -= 6 + bar.width
    framed.paste(bar, (right, round(middle - 5)))
    right -= 6
    draw.text((right, middle), "against", INK, font, anchor="rm")
    room = right - round(font.getlength("against")) - 18
    while title and font.getlength(title) > room:
        title = title.removesuffix("…")[:-1].rstrip() + "…" if len(title) > 1 else ""
    draw.text((6, middle), title, INK, font, anchor="lm")
    return framed
