"""3×3 matrices that say where each output pixel comes from, and the one pass that fetches them.

Coordinates are in pixels from the image's centre, x to the right and y downwards, so flips and rotations need no
offsets. A matrix maps a point of the output to a point of the input; ``a @ b`` applies b first, which makes
``warp(warp(image, a), b) = warp(image, a @ b)``. Shapes: N batch, K channels, H and W input pixels, h and w output
pixels; matrices are (N, 3, 3) float64 on the CPU, made from (N,) vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

# Images that are warped at a time: their coordinates (3 MB at 224²) stay in a core's cache between the operations on them.
PIECE = 8


def _matrices(rows: Sequence[Sequence[Tensor | float]], like: Tensor) -> Tensor:
    cells = [torch.as_tensor(cell, dtype=torch.float64).expand(len(like)) for row in rows for cell in row]
    return torch.stack(cells, dim=1).reshape(-1, 3, 3)


def rotation(degrees_N: Tensor) -> Tensor:
    """Turn the picture clockwise as seen."""
    angle_N = torch.deg2rad(degrees_N.double())
    cos, sin = torch.cos(angle_N), torch.sin(angle_N)
    return _matrices([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]], degrees_N)


def scaling(x_N: Tensor, y_N: Tensor) -> Tensor:
    """Step by ``x`` and ``y`` input pixels an output pixel: 2 halves the picture, −1 mirrors it."""
    return _matrices([[x_N, 0, 0], [0, y_N, 0], [0, 0, 1]], x_N)


def translation(x_N: Tensor, y_N: Tensor) -> Tensor:
    """Move the picture, so that the output's centre shows the input ``x`` and ``y`` pixels from its centre."""
    return _matrices([[1, 0, x_N], [0, 1, y_N], [0, 0, 1]], x_N)


def perspective(tilt_x_N: Tensor, tilt_y_N: Tensor, size: tuple[int, int]) -> Tensor:
    """View the picture from aside: magnified 1 / (1 ± tilt) at the edges of an output of ``size`` = (h, w), 1 at its centre."""
    height, width = size
    return _matrices([[1, 0, 0], [0, 1, 0], [2 * tilt_x_N / width, 2 * tilt_y_N / height, 1]], tilt_x_N)


def compose(*matrices: Tensor) -> Tensor:
    """Multiply matrices from left to right; the last is applied to the output's points first."""
    return reduce(torch.matmul, matrices)


def warp(pixels_NKHW: Tensor, matrix_N33: Tensor, size: tuple[int, int]) -> Tensor:
    """Warp (N, K, H, W) float images to (N, K, h, w), bilinearly; beyond the edge the image is mirrored.

    Reflection needs no grey wedge that a network could learn to recognise augmentation by.
    """
    n, channels, height, width = pixels_NKHW.shape
    device = pixels_NKHW.device
    # Coordinates are turned into grid_sample's units, in which the image spans −1 to 1, before rounding to float32.
    unit = torch.diag(torch.tensor([2 / width, 2 / height, 1], dtype=torch.float64))
    m_N33 = (unit @ matrix_N33.cpu()).to(device, torch.float32)
    x_w = torch.arange(size[1], device=device, dtype=torch.float32) - (size[1] - 1) / 2
    y_h = torch.arange(size[0], device=device, dtype=torch.float32) - (size[0] - 1) / 2
    flat = bool((matrix_N33[:, 2, :2] == 0).all())
    out = pixels_NKHW.new_empty((n, channels, *size))
    step = PIECE if device.type == "cpu" else max(n, 1)
    for start in range(0, n, step):
        piece = slice(start, start + step)
        # Each row of the product is a sum of one term in x and one in y.
        across, along = m_N33[piece, :, :1] * x_w, m_N33[piece, :, 1:2] * y_h + m_N33[piece, :, 2:]
        grid = torch.empty((len(across), *size, 2), device=device)
        if flat:
            for axis in (0, 1):
                torch.add(across[:, axis, None, :], along[:, axis, :, None], out=grid[..., axis])
        else:
            inverse = (across[:, 2, None, :] + along[:, 2, :, None]).reciprocal_()
            for axis in (0, 1):
                torch.mul(across[:, axis, None, :] + along[:, axis, :, None], inverse, out=grid[..., axis])
        out[piece] = grid_sample(
            pixels_NKHW[piece], grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )
    return out
