"""The two sides of a split, as data sets that read pictures when they are asked for. N items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.errors import InputError, StepError
from ...core.types import IntArray, Skipped
from ..image.decode import DecodeSize
from .blocks import ImageBlock, TargetBlock
from .sample import Sample


@dataclass(frozen=True, eq=False)
class View:
    """One side: samples, the blocks that read them, and their targets as an array.

    ``view[0]`` is ``(image, target)``: a Pillow image, decoded now, and the target as people see it.
    """

    samples: tuple[Sample, ...]
    image_block: ImageBlock
    target_block: TargetBlock[Any] | None
    targets_N: NDArray[Any] | None
    """Encoded targets, one row for each sample; None without a target."""
    training: bool

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, position: int) -> tuple[Image.Image, Any]:
        sample = self.samples[position]
        try:
            return self.open(sample), sample.target
        except InputError as error:
            raise StepError("ImageBlock", str(sample), str(error)) from None

    def __iter__(self) -> Iterator[tuple[Image.Image, Any]]:
        return (self[position] for position in range(len(self)))

    def __repr__(self) -> str:
        return f"<{len(self)} items for {'training' if self.training else 'validation'}>"

    def open(self, sample: Sample, decode_size: DecodeSize | None = None) -> Image.Image:
        """Open a sample's picture.

        Raises:
            ImageError: it cannot be decoded.
        """
        return self.image_block.open(sample.x, decode_size)


@dataclass(frozen=True, eq=False)
class Datasets:
    """The two sides that `DataBlock.datasets` makes of a source."""

    train: View
    valid: View
    notes: tuple[str, ...] = ()
    """Notes for a person about the split."""
    skipped: tuple[Skipped, ...] = ()
    """Files that cannot be used, as far as they are known before they are decoded."""
    groups_N: IntArray | None = None
    """Group of every item that ``get_items`` gave, by row, where the splitter kept groups together."""
    source: object = None
    """The source as `DataBlock.datasets` was given it."""
    lying: tuple[Sample, ...] = ()
    """All samples as they lie in the source, those included that edits changed or left out."""

    @property
    def vocab(self) -> tuple[str, ...]:
        """The labels, in the order of their numbers; empty for numbers and for no target."""
        return getattr(self.train.target_block, "vocab", None) or ()

    def __repr__(self) -> str:
        target = self.train.target_block
        lines = [f"{len(self.train)} items for training, {len(self.valid)} for validation"]
        lines += [target.summary] if target else []
        lines += self.notes
        if self.skipped:
            first = self.skipped[0]
            lines.append(f"{len(self.skipped)} files skipped, first {first.name}: {first.reason}, {first.detail}")
        return "\n".join(lines)

    def groups_of(self, view: View) -> IntArray:
        """(N,) group of each sample of a side; every item its own group where the splitter knows none."""
        rows = np.asarray([sample.row for sample in view.samples], np.int64)
        return rows if self.groups_N is None else self.groups_N[rows]
