"""Preprocessing as data, and its one executor.

A `Preprocess` says how an upright RGB image becomes the network's input tensor; `apply` does it the same way
for training, batch prediction and serving. The arithmetic is chosen so that another runtime can repeat it to the bit:
resizing is Pillow's antialiased fixed-point convolution, normalisation a table of 256 float32 values a channel.
Shapes: H, W pixels, K = 3 channels.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from math import ceil
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...core.errors import ImageError, UsageError
from ...core.types import ItemFacts
from ..preparation import Preparation
from .decode import Decoded, decode
from .facts import DETAILS, facts_of
from .phash import STORED_BYTES
from .render import SRGB, Finite, Render

Triple = tuple[Finite, Finite, Finite]
Pixels = Annotated[int, Field(ge=1)]

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}

# JPEGs may be decoded at a reduced DCT scale, but never below this multiple of the size they are resized to.
REDUCED_DECODE_MARGIN = 2


class Resize(BaseModel):
    """The resize of an image of any size to ``size`` = (H, W) pixels.

    crop: the largest centred box of the target's shape, then resize. pad: fit inside, grey around. squish: ignore shape.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["crop", "pad", "squish"] = "squish"
    size: tuple[Pixels, Pixels] = (224, 224)
    filter: Literal["bilinear", "bicubic", "lanczos", "box"] = "bilinear"


class Preprocess(BaseModel):
    """The whole way from an image to a tensor; see `drivetrain.data.preparation`. ``mean`` and ``std`` are for values in 0–1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_type: ClassVar[str] = "image"
    details: ClassVar[Mapping[str, type]] = DETAILS
    fingerprint_bytes: ClassVar[int] = STORED_BYTES
    can_be_varied: ClassVar[bool] = True

    orient: Literal["exif"] = "exif"
    render: Render = SRGB
    mode: Literal["RGB", "L"] = "RGB"
    """The colours the network sees; ``L``: colours are taken out, and it sees the same grey three times."""
    resize: Resize = Resize()
    mean: Triple = (0.5, 0.5, 0.5)
    std: Triple = (0.5, 0.5, 0.5)
    decode_floor: int | None = None
    """Large JPEGs may be decoded at a reduced DCT scale as long as the side that is resized keeps this many pixels
    (the shorter side; the longer for ``pad``). None: always at full size."""

    @model_validator(mode="after")
    def _can_be_divided_by(self) -> Self:
        if not all(value > 0 for value in self.std):
            raise ValueError(f"std is {list(self.std)}; every value must be above 0")
        return self

    @model_validator(mode="after")
    def _floor_leaves_a_margin(self) -> Self:
        least = REDUCED_DECODE_MARGIN * max(self.resize.size)
        if self.decode_floor is not None and self.decode_floor < least:
            raise ValueError(f"decode_floor is {self.decode_floor}; it must be at least twice the input size, {least}")
        return self

    def decode_size(self, width: int, height: int) -> tuple[int, int] | None:
        """Smallest (width, height) a ``width`` × ``height`` image may be decoded at, or None for full size."""
        if self.decode_floor is None:
            return None
        side = max(width, height) if self.resize.method == "pad" else min(width, height)
        scale = self.decode_floor / side
        return (ceil(width * scale), ceil(height * scale)) if scale < 1 else None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one tensor: (3, H, W)."""
        return (3, *self.resize.size)

    @property
    def words(self) -> str:
        """The preprocessing for a person: ``squish to 224×224, bilinear``, and the range of values where one is known."""
        height, width = self.resize.size
        values = f"; values of more than 8 bits: {self.render.known}" if self.render.known else ""
        return f"{self.resize.method} to {width}×{height}, {self.resize.filter}{values}"

    @property
    def reading(self) -> str:
        """The way of reading: the scale at which large JPEGs are decoded, and how values and colours are rendered."""
        return f"{self.decode_floor or 'full'}{'-long' if self.resize.method == 'pad' else ''} {self.render.key}"

    def read(self, data: bytes) -> Decoded:
        """Decode an upright RGB image.

        Raises:
            ImageError: as `decode`.
        """
        return decode(data, self.decode_size, render=self.render)

    def facts(self, sha256: str, content: Decoded) -> ItemFacts:
        """Return the facts of a decoded file, see `facts_of`."""
        return facts_of(sha256, content)

    def altered(self, content: Decoded) -> Decoded:
        """The middle 95 % of the picture, saved once more as a JPEG: what copies on the web have been through."""
        return replace(content, image=_perturbed(content.image))

    def tensor(self, content: Decoded) -> NDArray[np.float32]:
        """Return the network's input, see `apply`.

        Raises:
            ImageError: the image has no pixels.
        """
        if 0 in content.image.size:
            raise ImageError("damaged", f"the image is {content.image.width}×{content.image.height} pixels")
        return apply(content.image, self)


def for_images(preparation: Preparation) -> Preprocess:
    """The preparation of a network that takes images.

    Raises:
        UsageError: it takes something else.
    """
    if isinstance(preparation, Preprocess):
        return preparation
    raise UsageError(f"this is for networks that take images; this one takes the input “{preparation.input_type}”")


def render_of(preparation: Preparation) -> Render:
    """The rule by which a network's inputs are rendered; for inputs that are no images, the usual one."""
    return preparation.render if isinstance(preparation, Preprocess) else SRGB


def _perturbed(image: Image.Image) -> Image.Image:
    width, height = image.size
    margin_x, margin_y = width // 40, height // 40
    cropped = image.crop((margin_x, margin_y, width - margin_x, height - margin_y))
    buffer = io.BytesIO()
    cropped.save(buffer, "JPEG", quality=75)
    return Image.open(buffer, formats=("JPEG",)).convert("RGB")


def resize_image(image: Image.Image, spec: Resize) -> Image.Image:
    """Resize an upright RGB image of any size to ``spec.size``."""
    target_h, target_w = spec.size
    kernel = FILTERS[spec.filter]
    width, height = image.size
    if spec.method == "squish":
        return image.resize((target_w, target_h), kernel)
    if spec.method == "crop":
        scale = min(width / target_w, height / target_h)
        # Rounding must not push the box over the edge, not even by the last bit.
        box_w, box_h = min(target_w * scale, width), min(target_h * scale, height)
        left, top = (width - box_w) / 2, (height - box_h) / 2
        return image.resize(
            (target_w, target_h), kernel, box=(left, top, min(left + box_w, width), min(top + box_h, height))
        )
    scale = min(target_w / width, target_h / height)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = Image.new("RGB", (target_w, target_h), (128, 128, 128))
    canvas.paste(image.resize(fitted, kernel), ((target_w - fitted[0]) // 2, (target_h - fitted[1]) // 2))
    return canvas


@lru_cache(maxsize=16)
def _normalisation_table(mean: Triple, std: Triple) -> NDArray[np.float32]:
    """(3, 256) float32: what each grey level of each channel becomes. Computed in float64, rounded once."""
    levels = np.arange(256, dtype=np.float64) / 255.0
    table = (levels[None, :] - np.asarray(mean)[:, None]) / np.asarray(std)[:, None]
    return np.ascontiguousarray(table, dtype=np.float32)


def to_tensor(image: Image.Image, spec: Preprocess) -> NDArray[np.float32]:
    """Turn an RGB image of the target size into (3, H, W) float32, normalised."""
    if spec.mode == "L":
        image = image.convert("L").convert("RGB")
    pixels_HWK = np.asarray(image)
    table = _normalisation_table(spec.mean, spec.std)
    tensor = np.empty((3, *pixels_HWK.shape[:2]), dtype=np.float32)
    for k in range(3):
        np.take(table[k], pixels_HWK[:, :, k], out=tensor[k], mode="clip")
    return tensor


def apply(image: Image.Image, spec: Preprocess) -> NDArray[np.float32]:
    """Turn an upright RGB image into the network's input, (3, H, W) float32."""
    return to_tensor(resize_image(image, spec.resize), spec)
