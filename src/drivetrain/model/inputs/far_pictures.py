"""Pictures like nothing that anybody trains on, made in code. Shapes: S pixels a side, K = 3 channels."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Pixels a side, and how often each stands in the file: small files whatever they show.
SIDE, TIMES = 64, 3


def far_pictures() -> tuple[bytes, ...]:
    """Draw noise, coarse and fine, a chequerboard, rings, a ramp of colours and a plain one, as PNG.

    Several, as what is far from one training set may not be from another, of drawings say.
    """
    rng = np.random.default_rng(0)
    y_SS, x_SS = np.mgrid[:SIDE, :SIDE]
    radius_SS = np.hypot(y_SS - SIDE / 2, x_SS - SIDE / 2)
    drawn = (
        rng.integers(0, 256, (SIDE, SIDE, 3)),
        np.kron(rng.integers(0, 256, (SIDE // 8, SIDE // 8, 3)), np.ones((8, 8, 1))),
        _in(((y_SS // 4 + x_SS // 4) % 2)[..., None], (255, 0, 255), (0, 255, 0)),
        _in((np.sin(radius_SS) > 0)[..., None], (0, 255, 255), (255, 0, 0)),
        np.stack([x_SS * 4, y_SS * 4, (SIDE - 1 - x_SS) * 4], axis=-1),
        _in(np.ones((SIDE, SIDE, 1)), (0, 0, 0), (255, 0, 255)),
    )
    return tuple(_png(pixels_SSK.astype(np.uint8)) for pixels_SSK in drawn)


def _in(share_SS1: NDArray[np.generic], low: tuple[int, ...], high: tuple[int, ...]) -> NDArray[np.float64]:
    """Mix two colours."""
    share = share_SS1.astype(np.float64)
    mixed: NDArray[np.float64] = (1 - share) * np.asarray(low) + share * np.asarray(high)
    return mixed


def _png(pixels_SSK: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    enlarged = np.repeat(np.repeat(pixels_SSK, TIMES, axis=0), TIMES, axis=1)
    Image.fromarray(enlarged).save(buffer, "PNG", optimize=False, compress_level=6)
    return buffer.getvalue()
