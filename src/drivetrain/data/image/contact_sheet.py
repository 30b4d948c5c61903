"""Pictures in a grid with a line of text below each: what `show_batch` gives. Drawn with Pillow alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ...core.errors import UsageError

CELL = 208
GAP = 16
CAPTION = 26
FONT_SIZE = 16
INK, PAPER, FRAME = (40, 44, 52), (255, 255, 255), (226, 229, 233)
# Pictures smaller than this show their pixels when enlarged, rather than a blur.
PIXELATED = 64
WIDE_FONTS = ("NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "msyh.ttc", "DejaVuSans.ttf", "arial.ttf")

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def pictures(x: Any) -> list[Image.Image]:
    """(N, K, H, W) array or tensor → images. Numbers with a fraction lie in 0–1, or are stretched from their own range.

    >>> [image.mode for image in pictures(np.zeros((2, 1, 8, 8), np.uint8))]
    ['L', 'L']
    """
    tensor = x.detach().cpu() if hasattr(x, "detach") else x  # torch's, without importing torch
    pixels_NKHW: NDArray[Any] = np.asarray(tensor)
    if pixels_NKHW.dtype != np.uint8:
        low, high = float(pixels_NKHW.min()), float(pixels_NKHW.max())
        if low < -1e-3 or high > 1 + 1e-3:
            pixels_NKHW = (pixels_NKHW - low) / max(high - low, 1e-12)
        pixels_NKHW = np.rint(np.clip(pixels_NKHW, 0, 1) * 255).astype(np.uint8)
    images_NHWK = pixels_NKHW.transpose(0, 2, 3, 1)
    return [
        Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image)) for image in images_NHWK
    ]


def contact_sheet(images: Sequence[Image.Image], captions: Sequence[str], nrows: int | None = None) -> Image.Image:
    """One image of all, row by row; by default about as many rows as columns.

    Raises:
        UsageError: there is nothing to show, or ``nrows`` is no number of rows.
    """
    if not images or (nrows is not None and nrows < 1):
        raise UsageError(f"cannot show {len(images)} images in {nrows or 1} rows; give at least one of both")
    columns = ceil(len(images) / nrows) if nrows else ceil(sqrt(len(images)))
    rows = ceil(len(images) / columns)
    step_x, step_y = CELL + GAP, CELL + CAPTION + GAP
    sheet = Image.new("RGB", (columns * step_x + GAP, rows * step_y + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = _font(" ".join(captions))
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = GAP + place % columns * step_x, GAP + place // columns * step_y
        shown = _fitted(image)
        x, y = left + (CELL - shown.width) // 2, top + (CELL - shown.height) // 2
        sheet.paste(shown, (x, y))
        draw.rectangle((x - 1, y - 1, x + shown.width, y + shown.height), outline=FRAME)
        draw.text((left + CELL / 2, top + CELL + 6), _cut(caption, font), INK, font, anchor="ma")
    return sheet


def _font(text: str) -> Font:
    """Pillow's own font; for other scripts one that the system may have, as Pillow's would show boxes."""
    if text.isascii():
        return ImageFont.load_default(FONT_SIZE)
    for name in WIDE_FONTS:
        try:
            return ImageFont.truetype(name, FONT_SIZE)
        except OSError:
            continue
    return ImageFont.load_default(FONT_SIZE)


def _fitted(image: Image.Image) -> Image.Image:
    """Return the picture in RGB, its longer side as long as the cell."""
    scale = CELL / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    pixelated = max(image.size) < PIXELATED
    return image.convert("RGB").resize(size, Image.Resampling.NEAREST if pixelated else Image.Resampling.BICUBIC)


def _cut(text: str, font: Font) -> str:
    """Cut the text to fit below a picture."""
    text = " ".join(text.split())
    if font.getlength(text) <= CELL:
        return text
    while text and font.getlength(text + "…") > CELL:
        text = text[:-1]
    return text.rstrip() + "…"
