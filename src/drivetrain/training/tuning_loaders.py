"""The images that a network is fine-tuned on, as batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..data.block.blocks import ImageBlock
from ..data.block.datasets import Datasets, View
from ..data.block.item_transforms import Resize, ResizeMethod
from ..data.block.loader import DataLoader, DataLoaders, Loading
from ..data.block.sample import Sample
from ..data.image import preprocess
from ..data.image.facts import pixel_size
from ..learn.scale import Scale
from .options import Tuning
from .ready import Ready

# Images reach the augmentation up to this much larger than the network's input: it shrinks, magnifies and tilts them by
# sampling once, which leaves more of their detail where there is more of it than the input shows.
MARGIN = 1.15


def loaders_of(
    ready: Ready,
    train: NDArray[np.intp],
    valid: NDArray[np.intp],
    scale: Scale,
    image_block: ImageBlock,
    resize: preprocess.Resize,
) -> DataLoaders:
    """Make both sides' batches: for training a little larger than the network's input, for judging the very pixels that it
    answers for in production."""
    targets = ready.sample.targets
    samples = [
        Sample(row, item.name, item, item.reference, targets.text(row), group=item.group)
        for row, item in enumerate(ready.sample.items)
    ]
    method, facts = ResizeMethod(resize.method), ready.chosen.embeddings.facts
    roomy = roomy_size([pixel_size(facts[row])[::-1] for row in train], resize)
    views = [
        View(tuple(samples[row] for row in rows), image_block, None, scale.encode(targets.values[rows]), training)
        for rows, training in ((train, True), (valid, False))
    ]
    tuning = ready.options.deep or Tuning()
    batch_size = tuning.batch_size or batch_size_for(len(train))
    loading = Loading(batch_size, ready.options.seed, ready.options.workers)
    return DataLoaders(
        train=DataLoader(
            views[0], replace(loading, shuffle=True, drop_last=True), (Resize(roomy, method, filter=resize.filter),)
        ),
        valid=DataLoader(views[1], loading, (Resize(resize.size, method, filter=resize.filter),)),
        datasets=Datasets(views[0], views[1]),
    )


def roomy_size(sizes: Sequence[tuple[int, int]], resize: preprocess.Resize) -> tuple[int, int]:
    """(height, width) to load pictures of these ``sizes`` at, (height, width) too, before they are varied.

    Larger than the input only as far as half of them have the pixels: enlarged ones are soft, and a network that learned
    on soft pictures is less good at the sharp ones it answers for.

    >>> spec = preprocess.Resize(size=(200, 200), method="crop")
    >>> roomy_size([(3000, 4000)], spec), roomy_size([(210, 280)], spec), roomy_size([(28, 28)], spec)
    ((230, 230), (210, 210), (200, 200))
    """
    height, width = resize.size
    # Where the whole picture is padded to a square there is nothing beyond it that a larger one would show.
    if resize.method == "pad":
        return height, width
    times = float(np.clip(np.median([min(h / height, w / width) for h, w in sizes]), 1, MARGIN))
    return round(times * height), round(times * width)


def batch_size_for(images: int) -> int:
    """32, or as many as leave an epoch about 32 steps, though not fewer than 8: with too few steps a good head is only lost.

    >>> [batch_size_for(n) for n in (100, 600, 5000)]
    [8, 16, 32]
    """
    return min(32, max(8, 1 << max(images // 32, 1).bit_length() - 1))
