"""Batches of a few sizes: a network is run only on those that were tried before it was trusted.

A graph from elsewhere can ask for its batch's size and make something of it, so that a batch of three takes terabytes where
one of two took nothing. What has been run once on a size takes as much the next time (`drivetrain.embed.operators`).
Shapes: N tensors of any number; of an image (K, H, W): K channels, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
from numpy.typing import NDArray

# Sizes are powers of two, so that any number of images is made up of a few batches.
MOST = 8

# The most pixels of a batch, those of eight images of 300×300. A large image fills the cores alone, and eight of them would
# take gigabytes.
MOST_PIXELS = MOST * 300 * 300


def batch_sizes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the batch sizes for tensors of that shape (channels first), the smallest first.

    >>> batch_sizes((3, 224, 224)), batch_sizes((3, 512, 512)), batch_sizes((5,))
    ((1, 2, 4, 8), (1, 2), (1, 2, 4, 8))
    """
    places = prod(shape[1:])
    return tuple(size for size in (1, 2, 4, MOST) if size == 1 or size * places <= MOST_PIXELS)


def in_batches(tensors: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Divide (N, …) tensors, in their order, into as few batches of the `batch_sizes` as will do."""
    sizes = batch_sizes(tensors.shape[1:])
    start = 0
    while start < len(tensors):
        size = max(size for size in sizes if start + size <= len(tensors))
        yield tensors[start : start + size]
        start += size
