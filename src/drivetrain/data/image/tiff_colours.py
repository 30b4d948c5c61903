"""TIFF in YCbCr and CIELAB: values of these → RGB of 8 bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ImageError
from .tiff_layout import BLACK_IS_ZERO, NONE, Layout
from .tiff_values import values_HWS

# Rows that are turned from YCbCr to RGB at a time take about so many pixels.
BAND_PIXELS = 1 << 17


# XYZ in shares of the white of D50 → linear sRGB, adapted by Bradford's method.
XYZ_TO_RGB = np.array(
    [[3.021727, -1.6168668, -0.4048602], [-0.9437482, 1.9161416, 0.0276067], [0.069371, -0.2289913, 1.1596203]]
)


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


def from_lab(array: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Turn values in CIELAB of 8 or 16 bits, of which a and b are signed, into sRGB, as an array of (height, width, RGB)."""
    rgb = np.empty((*array.shape[:2], 3), np.uint8)
    rows = max(1, BAND_PIXELS // max(1, array.shape[1]))
    for top in range(0, len(array), rows):
        band = array[top : top + rows, :, :3]
        lightness = band[:, :, 0] * (100 / ((1 << bits) - 1))
        a, b = np.moveaxis(band[:, :, 1:].astype(f"i{bits // 8}") / (1 << bits - 8), 2, 0)
        rgb[top : top + rows] = np.rint(_lab_to_srgb(lightness, a, b))
    return rgb


def _lab_to_srgb(lightness: NDArray[Any], a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Convert by the definitions of CIELAB (1976) and of sRGB (IEC 61966-2-1), in 0 to 255."""
    y = (lightness + 16) / 116
    roots = np.stack([y + a / 500, y, y - b / 200], axis=2)
    shares = np.where(roots > 6 / 29, roots**3, (116 * roots - 16) * (27 / 24389))
    linear = np.clip(shares @ XYZ_TO_RGB.T, 0, 1)
    srgb: NDArray[np.float64] = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    return srgb
