"""Transforms of one picture before it joins a batch: to one size, by resizing or by a random crop.

A transform draws first and then looks at pixels: `ItemTransform.plan` takes all its random numbers from the generator
it is given and returns a `Plan`, which knows at what size a large JPEG may be decoded and what to do with the decoded
image. So a random crop of a photo of many megapixels is decoded no larger than this crop needs. A plain function
``(image, rng) -> image`` also does as a transform, in training and validation alike.
Shapes: H, W pixels; ``size`` is (H, W), Pillow's sizes and `DecodeSize` are (W, H).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, exp, log, sqrt
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.errors import UsageError
from ..image import preprocess
from ..image.decode import DecodeSize
from .describe import describe

Filter = Literal["bilinear", "bicubic", "lanczos", "box"]
PadMode = Literal["grey", "zeros", "border", "reflection"]
Size = tuple[int, int]
Box = tuple[float, float, float, float]
PlainTransform = Callable[[Image.Image, np.random.Generator], Any]

NUMPY_PADS: dict[str, Literal["constant", "edge", "reflect"]] = {
    "zeros": "constant",
    "border": "edge",
    "reflection": "reflect",
}


class ResizeMethod(StrEnum):
    """The way a picture of another shape is made to fit: cut off the surplus, pad the rest, or ignore its shape."""

    Crop = "crop"
    Pad = "pad"
    Squish = "squish"


def full_size(_width: int, _height: int) -> None:
    """The `DecodeSize` of a transform that needs every pixel."""


@dataclass(frozen=True)
class Plan:
    """A transform with its random numbers drawn."""

    apply: Callable[[Image.Image], Any]
    decode_size: DecodeSize = full_size
    fixed: bool = False
    """Tells whether nothing was drawn, so that a picture comes out the same in every epoch. Where a loader's first transforms
    are fixed, their result is kept in memory rather than the decoded picture, as it is far smaller."""


class ItemTransform(ABC):
    """A transform of one picture."""

    @abstractmethod
    def plan(self, rng: np.random.Generator, *, training: bool) -> Plan:
        """Draw the random numbers of one picture; validation draws none."""

    def __call__(
        self, image: Image.Image, rng: np.random.Generator | None = None, *, training: bool = True
    ) -> Image.Image:
        """Transform one image. Without a generator the draws of seed 0 are made."""
        made: Image.Image = self.plan(rng or np.random.default_rng(0), training=training).apply(image)
        return made


@dataclass(frozen=True)
class Resize(ItemTransform):
    """Brings every picture to ``size`` (a number for a square, or (H, W)), the same way in training and validation.

    ``Crop`` takes the largest centred box of the target's shape, ``Pad`` fits the whole picture and fills the rest,
    ``Squish`` ignores the shape. These are the pixels of `preprocess.resize_image`, and so those that a bundle sees in
    production; `RandomResizedCrop` is for variety. ``pad_mode``: ``grey`` as the bundle does, ``zeros`` (black),
    ``border`` (the outermost pixels repeated) or ``reflection``; the last three exist in training only.

    >>> Resize(128, ResizeMethod.Pad)(Image.new("RGB", (640, 480))).size
    (128, 128)

    Raises:
        UsageError: size, method, pad_mode or filter is none.
    """

    size: int | Size
    method: ResizeMethod = ResizeMethod.Crop
    pad_mode: PadMode = "grey"
    filter: Filter = "bilinear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", checked_size(self.size, "Resize"))
        if self.method not in set(ResizeMethod):
            raise UsageError(
                f"Resize's method is {self.method!r}; use ResizeMethod.{', '.join(m.name for m in ResizeMethod)}"
            )
        object.__setattr__(self, "method", ResizeMethod(self.method))
        if self.pad_mode not in get_args(PadMode):
            raise UsageError(f"Resize's pad_mode is {self.pad_mode!r}; use {', '.join(get_args(PadMode))}")
        _check_filter(self.filter, "Resize")

    @property
    def spec(self) -> preprocess.Resize | None:
        """The same resize in a bundle's preprocessing; None for the ways to pad that only training knows."""
        if self.method is ResizeMethod.Pad and self.pad_mode != "grey":
            return None
        return preprocess.Resize(method=self.method.value, size=cast("Size", self.size), filter=self.filter)

    def plan(self, rng: np.random.Generator, *, training: bool) -> Plan:  # noqa: ARG002  # nothing is random
        spec = self.spec
        if spec is not None:
            return Plan(lambda image: _resize(image, spec), _enough_for(spec), fixed=True)
        grey = preprocess.Resize(method="pad", size=cast("Size", self.size), filter=self.filter)
        return Plan(self._pad, _enough_for(grey), fixed=True)

    def _pad(self, image: Image.Image) -> Image.Image:
        height, width = cast("Size", self.size)
        scale = min(width / image.width, height / image.height)
        fitted = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        pixels_HWK: NDArray[np.uint8] = np.asarray(image.resize(fitted, preprocess.FILTERS[self.filter]))
        left, top = (width - fitted[0]) // 2, (height - fitted[1]) // 2
        around = [(top, height - fitted[1] - top), (left, width - fitted[0] - left)]
        padded = np.pad(pixels_HWK, [*around, (0, 0)][: pixels_HWK.ndim], mode=NUMPY_PADS[self.pad_mode])
        return Image.fromarray(padded)


@dataclass(frozen=True)
class RandomResizedCrop(ItemTransform):
    """Takes a random box of the picture in training, the largest centred one in validation, and brings it to ``size``.

    The box has a share of the picture's area drawn from ``min_scale`` to 1, and a shape drawn (evenly in the
    logarithm) from ``ratio``, width to height, as a multiple of the target's own. Shapes that do not fit are not drawn,
    rather than drawn again: a picture too long for any of them gives its full short side. A picture smaller than ``size``
    is enlarged.

    >>> rng = np.random.default_rng(1)
    >>> RandomResizedCrop(128, min_scale=0.3)(Image.new("RGB", (640, 480)), rng).size
    (128, 128)

    Raises:
        UsageError: size, min_scale, ratio or filter is none.
    """

    size: int | Size
    min_scale: float = 0.35
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    filter: Filter = "bilinear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", checked_size(self.size, "RandomResizedCrop"))
        if not (isinstance(self.min_scale, int | float) and 0 < self.min_scale <= 1):
            raise UsageError(
                f"RandomResizedCrop's min_scale is {self.min_scale!r}; give a share of the area, in (0, 1]"
            )
        if not (isinstance(self.ratio, tuple) and len(self.ratio) == 2 and 0 < self.ratio[0] <= self.ratio[1]):
            raise UsageError(f"RandomResizedCrop's ratio is {self.ratio!r}; give (lowest, highest), e.g. (3/4, 4/3)")
        _check_filter(self.filter, "RandomResizedCrop")

    @property
    def spec(self) -> preprocess.Resize:
        """The resize of validation, and of a bundle in production."""
        return preprocess.Resize(method="crop", size=cast("Size", self.size), filter=self.filter)

    def plan(self, rng: np.random.Generator, *, training: bool) -> Plan:
        if not training:
            spec = self.spec
            return Plan(lambda image: _resize(image, spec), _enough_for(spec), fixed=True)
        height, width = cast("Size", self.size)
        area, shape, x, y = rng.random(4).tolist()

        def decode_size(stored_w: int, stored_h: int) -> tuple[int, int] | None:
            # EXIF may turn the image after it is decoded: whichever way up, the box must be twice the target.
            boxes = [self._box(stored_w, stored_h, area, shape, x, y), self._box(stored_h, stored_w, area, shape, x, y)]
            least = min(min(right - left, bottom - top) for left, top, right, bottom in boxes)
            return _at_least(preprocess.REDUCED_DECODE_MARGIN * max(width, height), least, stored_w, stored_h)

        def crop(image: Image.Image) -> Image.Image:
            box = self._box(image.width, image.height, area, shape, x, y)
            return image.resize((width, height), preprocess.FILTERS[self.filter], box=box)

        return Plan(crop, decode_size)

    def _box(self, width: int, height: int, area: float, shape: float, x: float, y: float) -> Box:
        """(left, top, right, bottom) within the image, for four draws in 0–1."""
        target_h, target_w = cast("Size", self.size)
        lowest, highest = (bound * target_w / target_h for bound in self.ratio)
        own = width / height
        # The largest of all boxes with one of these shapes covers this share of the picture.
        most = min(1.0, highest / own, own / lowest)
        share = most if most <= self.min_scale else self.min_scale + area * (most - self.min_scale)
        # A box of this share fits if its shape lies within share … 1/share times the picture's own.
        low, high = max(lowest, own * share), min(highest, own / share)
        ratio = low if low >= high else exp(log(low) + shape * (log(high) - log(low)))
        box_w = min(width, sqrt(share * width * height * ratio))
        box_h = min(height, sqrt(share * width * height / ratio))
        left, top = x * (width - box_w), y * (height - box_h)
        return left, top, min(left + box_w, width), min(top + box_h, height)


def checked_size(size: object, whose: str) -> Size:
    """Return (H, W) for a number, which means a square, or for such a pair.

    >>> checked_size(224, "Resize")
    (224, 224)

    Raises:
        UsageError: it is neither.
    """
    sides = (size, size) if isinstance(size, int | np.integer) else size
    if not (
        isinstance(sides, tuple | list)
        and len(sides) == 2
        and all(isinstance(side, int | np.integer) and not isinstance(side, bool) and side >= 1 for side in sides)
    ):
        raise UsageError(f"{whose}'s size is {describe(size)}; give pixels: a whole number, or (height, width)")
    height, width = (int(side) for side in sides)
    return height, width


def _check_filter(name: str, whose: str) -> None:
    if name not in preprocess.FILTERS:
        raise UsageError(f"{whose}'s filter is {name!r}; use {', '.join(preprocess.FILTERS)}")


def _resize(image: Image.Image, spec: preprocess.Resize) -> Image.Image:
    """Resize as a bundle does; its padding turns grey into RGB, which is turned back without loss."""
    resized = preprocess.resize_image(image, spec)
    return resized if resized.mode == image.mode else resized.convert(image.mode)


def _enough_for(spec: preprocess.Resize) -> DecodeSize:
    """The decode size of a bundle's preprocessing at the least multiple of the target that it allows."""
    floor = preprocess.REDUCED_DECODE_MARGIN * max(spec.size)
    return preprocess.Preprocess(resize=spec, decode_floor=floor).decode_size


def _at_least(pixels: int, side: float, width: int, height: int) -> tuple[int, int] | None:
    """The (W, H) at which a length of ``side`` in a ``width`` × ``height`` image still has ``pixels``; None: full size."""
    scale = pixels / side
    return (ceil(width * scale), ceil(height * scale)) if scale < 1 else None
