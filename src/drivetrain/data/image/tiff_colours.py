"""TIFF in YCbCr and CIELAB: 8-bit values of these → a Pillow image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.errors import ImageError
from .tiff_layout import BLACK_IS_ZERO, NONE, Layout
from .tiff_values import values_HWS

# Rows that are turned from YCbCr to RGB at a time take about so many pixels.
BAND_PIXELS = 1 << 17


def read_ycbcr(data: bytes, layout: Layout) -> NDArray[np.uint8]:
    """Read a picture in YCbCr, whose colour may be coarser than its luma, as an array of (height, width, RGB).

    Raises:
        ImageError: a part of it is missing or damaged.
    """
    across, down = layout.subsampling if any(layout.subsampling) else _fitting(layout)
    if (across, down) == (1, 1):
        return _to_rgb(values_HWS(data, layout, [0, 1, 2]), layout)
    if layout.planar or layout.predictor != 1:
        raise ImageError(
            "not an image", "a TIFF in coarse YCbCr in a rare layout, which cannot be read; save it again as RGB"
        )
    # A unit holds the luma of across × down pixels, and one colour: units side by side are read as a row of a grey picture.
    unit = across * down + 2
    wide, high = layout.segment
    if (layout.tile and wide % across) or (high % down and layout.down > 1):
        raise ImageError("damaged", "a TIFF in YCbCr whose strips or tiles end within a pixel's colour")
    columns, rows = -(-layout.width // across), -(-layout.length // down)
    units = replace(
        layout,
        width=columns * unit,
        length=rows,
        samples=1,
        extra=(),
        photometric=BLACK_IS_ZERO,
        tile=(wide // across * unit, high // down) if layout.tile else None,
        rows=-(-layout.rows // down),
    )
    array = values_HWS(data, units, [0]).reshape(rows, columns, unit)
    luma = (
        array[:, :, :-2].reshape(rows, columns, down, across).swapaxes(1, 2).reshape(rows * down, columns * across, 1)
    )
    colour = array[:, :, -2:].repeat(down, axis=0).repeat(across, axis=1)
    return _to_rgb(np.concatenate([luma, colour], axis=2)[: layout.length, : layout.width], layout)


def _fitting(layout: Layout) -> tuple[int, int]:
    """Find how coarse colours are by the bytes of a strip, where no tag says it and nothing is compressed."""
    wide, high = layout.segment
    announced = int(layout.counts[0]) if layout.compression == NONE and len(layout.counts) else 0
    for across, down in ((2, 2), (1, 1)):
        if announced == -(-wide // across) * -(-high // down) * (across * down + 2):
            return across, down
    raise ImageError(
        "not an image", "a TIFF in YCbCr that does not say how coarse its colours are; save it again as RGB"
    )


def _to_rgb(ycbcr: NDArray[Any], layout: Layout) -> NDArray[np.uint8]:
    red, green, blue = layout.luma
    black = np.array(layout.black_and_white[::2])
    white = np.array(layout.black_and_white[1::2])
    scale = np.array([255, 127, 127]) / np.where(white == black, 1, white - black)
    rgb = np.empty((*ycbcr.shape[:2], 3), np.uint8)
    rows = max(1, BAND_PIXELS // max(1, ycbcr.shape[1]))
    for top in range(0, len(ycbcr), rows):
        y, cb, cr = np.moveaxis((ycbcr[top : top + rows].astype(np.float64) - black) * scale, 2, 0)
        r, b = y + cr * (2 - 2 * red), y + cb * (2 - 2 * blue)
        g = (y - blue * b - red * r) / green
        rgb[top : top + rows] = np.rint(np.clip(np.stack([r, g, b], axis=2), 0, 255))
    return rgb


def lab_image(array: NDArray[np.uint8]) -> Image.Image:
    """Make an image of values in CIELAB, whose a and b are signed."""
    # Pillow keeps them unsigned, and turns them so as it reads.
    return Image.frombytes("LAB", (array.shape[1], array.shape[0]), np.ascontiguousarray(array).tobytes())
