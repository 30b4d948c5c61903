"""The block of pictures. Shapes: N items, H, W pixels, K channels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.cores import available_cores
from ...core.errors import DataError, UsageError
from ...core.ports import Notes, Progress
from ...core.types import Item
from ..image.decode import DecodeSize
from ..image.files import IMAGES
from ..image.picture import from_array, read_picture
from ..image.preprocess import Preprocess, for_images
from ..image.range_fit import fit_ranges
from ..image.render import SRGB, Range, Ranges, Render
from ..image.traits import Traits
from ..image.traits_pass import traits_of
from ..preparation import Preparation
from ..sources.file_form import FileForm
from .describe import describe
from .input_block import Fitted, InputBlock, Named

Mode = Literal["RGB", "L"]


@dataclass(frozen=True)
class ImageBlock(InputBlock):
    """Pictures: ``RGB``, or ``L`` for greyscale. Whatever a file holds is brought to that mode.

    >>> ImageBlock("L").open(np.zeros((4, 6, 3), np.uint8)).mode
    'L'
    """

    input_type: ClassVar[str] = Preprocess.input_type
    files: ClassVar[FileForm] = IMAGES

    mode: Mode = "RGB"
    render: Render = SRGB
    """The rule for pictures of more than 8 bits, and of other colours than sRGB."""

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise UsageError(f"ImageBlock's mode is {self.mode!r}; it must be 'RGB' or 'L' (greyscale)")

    @property
    def channels(self) -> int:
        """K: 3 or 1."""
        return len(self.mode)

    def prepared(self, preparation: Preparation, resize: str | None) -> Preprocess:
        """Return the preparation in the block's mode, resizing in the way asked for."""
        spec = for_images(preparation)
        changes: dict[str, object] = {}
        if resize is not None and resize != spec.resize.method:
            changes["resize"] = spec.resize.model_copy(update={"method": resize})
        if self.mode != spec.mode:
            changes["mode"] = self.mode
        if self.render != SRGB:
            changes["render"] = self.render
        return spec.model_copy(update=changes) if changes else spec

    def in_range(self, values: Range) -> Self:
        """Return a block with this range of all values of more than 8 bits.

        Raises:
            UsageError: it has one already.
        """
        ranges = self.render.ranges
        if isinstance(ranges, str) or ranges.words:
            raise UsageError("the block says how values are rendered; leave out range (--range), or the block's render")
        known = Ranges(integers=values, floats=values)
        return replace(self, render=self.render.model_copy(update={"ranges": known}))

    def fitted(
        self, inputs: Iterable[Named], progress: Progress, workers: int | None = None, notes: Notes | None = None
    ) -> Fitted[Self]:
        """Fit the ranges of values of more than 8 bits that are not known, see `fit_ranges`."""
        fit = fit_ranges(self.render, inputs, progress, workers or available_cores(), notes)
        return Fitted(self if fit.words is None else replace(self, render=fit.render), fit.words)

    def traits(
        self, items: Sequence[Item], progress: Progress, workers: int | None = None, notes: Notes | None = None
    ) -> tuple[Traits | None, ...]:
        """Take the traits of each picture, see `Traits`."""
        return traits_of(items, progress, workers or available_cores(), notes, self.render)

    def open(self, x: object, decode_size: DecodeSize | None = None) -> Image.Image:
        """Open an upright image of the block's mode; see `read_picture` for what ``x`` may be.

        Raises:
            ImageError: the file is not a usable image.
            DataError: ``x`` is nothing an image can be read from.
        """
        return self.in_mode(read_picture(x, decode_size, self.render))

    def in_mode(self, image: object) -> Image.Image:
        """Turn a transform's result, be it a Pillow image or a uint8 array, into an image of the block's mode.

        Raises:
            DataError: it is neither.
        """
        if isinstance(image, np.ndarray):
            image = from_array(image)
        if not isinstance(image, Image.Image):
            raise DataError(f"it gave {describe(image)}; it must give a Pillow image or a uint8 array")
        return image if image.mode == self.mode else image.convert(self.mode)

    def array(self, image: Image.Image) -> NDArray[np.uint8]:
        """Image of the block's mode → (H, W, K)."""
        return np.asarray(image).reshape(image.height, image.width, self.channels)

    def stack(self, pixels_HWK: Sequence[NDArray[np.uint8]], names: Sequence[str]) -> NDArray[np.uint8]:
        """Images of one size → (N, K, H, W), laid out in memory with channels last.

        Channels last is how the pixels come, so that nothing is copied twice, and what torch's CPU convolutions
        prefer; a reader of the array need not care.

        Raises:
            DataError: sizes differ; names two of the images.
        """
        first = pixels_HWK[0].shape
        for pixels, name in zip(pixels_HWK, names, strict=True):
            if pixels.shape != first:
                raise DataError(
                    f"images of one batch must be of one size; {names[0]} is {first[1]}×{first[0]} pixels and "
                    f"{name} {pixels.shape[1]}×{pixels.shape[0]}; give item_tfms=Resize(224), or another size"
                )
        return np.stack(pixels_HWK).transpose(0, 3, 1, 2)
