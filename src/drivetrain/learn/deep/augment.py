"""Augmentation of a batch: one warp, one change of colour, and the same again for the same seed.

Flip, rotation, zoom, crop and perspective become one 3×3 matrix an image (`homography`), sampled once after an
antialiased shrink; brightness, contrast, saturation and normalisation become one affine map of colours. What an item
gets depends on (seed, epoch, row) alone: not on the batch it is in, the device or the number of threads.
Shapes: N batch, K = 3 channels, H and W pixels; pixel values 0–255 in, normalised out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from ...core.errors import UsageError
from ...data.block.batch import Batch
from ...data.image.preprocess import Preprocess, Resize, resize_image
from .homography import compose, perspective, rotation, scaling, translation, warp

# Input pixels an output pixel, on average, that the warp still samples without a shrink before it: at 1.15 bilinear
# sampling loses no detail that the target size could show, and an image is not blurred twice.
STEP = 1.15

# ITU-R BT.601: what each of R, G, B adds to lightness.
LUMA = (0.299, 0.587, 0.114)

# Aspect ratio of random crops, as in Szegedy et al. 2014 (¾ to 4⁄3).
ASPECT = 4 / 3

DRAWS = 13


@dataclass(frozen=True)
class Augment:
    """The settings of augmentation. All ranges are symmetric; 0 (1 for ``zoom`` and ``crop``) switches one off."""

    flip: bool = True
    """Mirror left and right, half of the time."""
    flip_vertical: bool = False
    """Exchange top and bottom, half of the time."""
    turns: bool = False
    """Use all eight flips and quarter turns: for images without an up, such as microscopy and aerial photos."""
    rotate: float = 10.0
    """The largest rotation in degrees."""
    zoom: float = 1.1
    """Largest magnification."""
    crop: float = 1.0
    """Smallest share of the area that a random crop keeps; below 1 its shape varies between 3:4 and 4:3 too."""
    warp: float = 0.2
    """Perspective: edges grow and shrink by up to this share."""
    lighting: float = 0.2
    """The change of light: contrast is multiplied or divided by down to 1 − this, and brightness changes by up to half of it."""
    saturation: float = 0.0
    """The change of saturation, which is multiplied or divided by down to 1 − this."""
    p_affine: float = 0.75
    """Share of images that are rotated, zoomed and warped (each drawn for itself)."""
    p_lighting: float = 0.75

    def __post_init__(self) -> None:
        within = {
            "rotate": (self.rotate, 0, 180),
            "zoom": (self.zoom, 1, 10),
            "crop": (self.crop, 0.01, 1),
            "warp": (self.warp, 0, 0.9),
            "lighting": (self.lighting, 0, 0.9),
            "saturation": (self.saturation, 0, 0.99),
            "p_affine": (self.p_affine, 0, 1),
            "p_lighting": (self.p_lighting, 0, 1),
        }
        for name, (value, low, high) in within.items():
            if not low <= value <= high:
                raise UsageError(f"{name} is {value}; it must lie within {low} and {high}")

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Vary a training batch of a loader as it is, uint8 in and out: for looking at; see `Learner` for training."""
        if not batch.training:
            return batch
        channels, height, width = batch.x.shape[1:]
        spec = Preprocess(resize=Resize(size=(height, width)), mean=(0, 0, 0), std=(1, 1, 1))
        transform = InputTransform(spec, self, seed=int(rng.integers(2**31)))
        pixels_NKHW = transform.train(batch.x, range(len(batch)), 0)[:, :channels]
        return replace(batch, x=pixels_NKHW.mul(255).round_().clamp_(0, 255).to(torch.uint8).numpy())


NONE = Augment(flip=False, rotate=0, zoom=1, warp=0, lighting=0)


def aug_transforms(
    mult: float = 1.0,
    *,
    flip: bool = True,
    flip_vertical: bool = False,
    turns: bool = False,
    rotate: float = 10.0,
    zoom: float = 1.1,
    crop: float = 1.0,
    warp: float = 0.2,
    lighting: float = 0.2,
    saturation: float = 0.0,
) -> Augment:
    """The usual augmentation, ``mult`` times as strong in rotation, perspective, lighting and saturation.

    >>> aug_transforms(2).rotate
    20.0

    Raises:
        UsageError: a value is out of range.
    """
    return Augment(
        flip=flip,
        flip_vertical=flip_vertical,
        turns=turns,
        rotate=mult * rotate,
        zoom=zoom,
        crop=crop,
        warp=mult * warp,
        lighting=mult * lighting,
        saturation=mult * saturation,
    )


class InputTransform:
    """Turns uint8 batches into the network's input; ``train`` varies the images, ``valid`` does not."""

    def __init__(
        self, preprocess: Preprocess, augment: Augment = NONE, *, seed: int = 0, device: torch.device | str = "cpu"
    ) -> None:
        self.preprocess = preprocess
        self.augment = augment
        self._seed = seed
        self._device = torch.device(device)
        self._mean = torch.tensor(preprocess.mean, dtype=torch.float64)
        self._std = torch.tensor(preprocess.std, dtype=torch.float64)

    def valid(self, pixels_NKHW: NDArray[np.uint8] | Tensor) -> Tensor:
        """The same as `data.image.preprocess.apply`, to the last bits of normalisation: the executor itself does the resizing.

        Raises:
            UsageError: the batch is not one of uint8 images, grey or RGB.
        """
        pixels = self._resized(self._take(pixels_NKHW)).float()
        scale, offset = 1 / (255 * self._std), -self._mean / self._std
        return pixels.mul_(self._channels(scale)).add_(self._channels(offset))

    def train(self, pixels_NKHW: NDArray[np.uint8] | Tensor, rows_N: Sequence[int], epoch: int) -> Tensor:
        """Each image varied in its own way; ``rows`` are the items' positions in the data set.

        Raises:
            UsageError: the batch is not one of uint8 images, grey or RGB.
        """
        pixels = self._take(pixels_NKHW)
        chance_ND = draws(self._seed, epoch, rows_N)
        if self.preprocess.resize.method == "pad":
            pixels = self._resized(pixels)
        before = (pixels.shape[2], pixels.shape[3])
        matrix_N33, step = self._matrix(chance_ND, before), self._usual_step(before)
        if step > STEP:
            after = [max(1, round(side * STEP / step)) for side in before]
            pixels = _shrink(pixels, after)
            smaller_y, smaller_x = (torch.full((1,), b / a) for a, b in zip(before, after, strict=True))
            matrix_N33 = scaling(smaller_x, smaller_y) @ matrix_N33
        size = self.preprocess.resize.size
        return self._colour(warp(pixels.float(), matrix_N33, size), chance_ND)

    def _take(self, pixels_NKHW: NDArray[np.uint8] | Tensor) -> Tensor:
        pixels = torch.as_tensor(pixels_NKHW)
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
            shape = tuple(pixels.shape)
            raise UsageError(f"expected a batch of uint8 images (N, 3, H, W), got {pixels.dtype} {shape}")
        if pixels.shape[1] == 1:  # grey is repeated, as the networks were pretrained on colour
            pixels = pixels.expand(-1, 3, -1, -1)
        return pixels.to(self._device, non_blocking=True)

    def _resized(self, pixels_NKHW: Tensor) -> Tensor:
        """Resize uint8 images one by one, exactly as in production."""
        spec = self.preprocess.resize
        if pixels_NKHW.shape[2:] == spec.size:
            return pixels_NKHW
        images = pixels_NKHW.permute(0, 2, 3, 1).cpu().contiguous().numpy()
        resized = np.stack([np.asarray(resize_image(Image.fromarray(image), spec)) for image in images])
        return torch.from_numpy(resized).to(self._device).permute(0, 3, 1, 2).contiguous()

    def _channels(self, value_K: Tensor) -> Tensor:
        return value_K.to(self._device, torch.float32).reshape(1, -1, 1, 1)

    def _matrix(self, chance_ND: Tensor, given: tuple[int, int]) -> Tensor:
        """Make the matrices that say where each output pixel lies in an image of ``given`` = (H, W)."""
        knobs, size = self.augment, self.preprocess.resize.size
        flip, turn, angle, tilt_x, tilt_y, zoom, area, shape, place_x, place_y = chance_ND[:, :10].T
        # One draw decides both whether and how much an image is varied: the share p_affine is stretched to the whole range.
        angle, tilt_x, tilt_y, zoom = (_within(u, knobs.p_affine) for u in (angle, tilt_x, tilt_y, zoom))
        mirrored = torch.where((flip < 0.5) & torch.tensor(knobs.flip or knobs.turns), -1.0, 1.0)
        # With quarter turns, mirroring alone gives all eight already, and its draw is used for turning.
        upright = torch.where((turn < 0.5) & torch.tensor(knobs.flip_vertical and not knobs.turns), -1.0, 1.0)
        quarter = torch.floor(turn * 4) * 90 * float(knobs.turns)
        magnified = 1 + (knobs.zoom - 1) * torch.where(zoom.isnan(), 0, zoom)
        share, ratio = knobs.crop + (1 - knobs.crop) * area, ASPECT ** (2 * shape - 1)
        if knobs.crop == 1:
            ratio = torch.ones_like(ratio)
        high = (share / ratio).sqrt().clamp(max=1) / magnified
        wide = (share * ratio).sqrt().clamp(max=1) / magnified
        box_h, box_w = source_box(*given, self.preprocess.resize)
        step_y, step_x = high * box_h / size[0], wide * box_w / size[1]
        # The box may be moved within the rest of the image.
        free_y, free_x = given[0] - high * box_h, given[1] - wide * box_w
        square = size[0] / size[1]
        return compose(
            translation((place_x - 0.5) * free_x, (place_y - 0.5) * free_y),
            scaling(step_x, step_y),
            rotation(knobs.rotate * _signed(angle)),
            perspective(knobs.warp * _signed(tilt_x), knobs.warp * _signed(tilt_y), size),
            # A quarter turn swaps the sides, so it is made in a square.
            scaling(torch.ones(1), torch.full((1,), square)),
            rotation(quarter),
            scaling(mirrored, upright / square),
        )

    def _usual_step(self, given: tuple[int, int]) -> float:
        """Input pixels an output pixel for an average draw: not for this batch, whose mean would couple its items."""
        box_h, box_w = source_box(*given, self.preprocess.resize)
        height, width = self.preprocess.resize.size
        kept = math.sqrt((1 + self.augment.crop) / 2)
        magnified = 1 + (self.augment.zoom - 1) * self.augment.p_affine / 2
        return math.sqrt(box_h * box_w / (height * width)) * kept / magnified

    def _colour(self, pixels_NKHW: Tensor, chance_ND: Tensor) -> Tensor:
        """Brightness, contrast, saturation and normalisation in one matrix of colours an image, in place where it can."""
        knobs, device = self.augment, self._device
        low, high = -self._mean / self._std, (1 - self._mean) / self._std
        if not (knobs.lighting or knobs.saturation) or not knobs.p_lighting:
            return pixels_NKHW.mul_(self._channels((high - low) / 255)).add_(self._channels(low))
        light, contrast, saturation = (_signed(_within(u, knobs.p_lighting)) for u in chance_ND[:, 10:].T)
        contrast_N11 = (1 - knobs.lighting) ** contrast[:, None, None]
        saturation_N11 = (1 - knobs.saturation) ** saturation[:, None, None]
        luma_1K = torch.tensor([LUMA], dtype=torch.float64)
        grey_KK = luma_1K.expand(3, 3)
        mixed_NKK = contrast_N11 * (saturation_N11 * torch.eye(3).double() + (1 - saturation_N11) * grey_KK)
        shift_N1 = 0.5 * (1 - contrast_N11[:, 0]) + 0.5 * knobs.lighting * light[:, None]
        scale_NKK = (mixed_NKK / (255 * self._std[:, None])).to(device, torch.float32)
        offset_NK1 = ((shift_N1 - self._mean) / self._std).to(device, torch.float32)[..., None]
        if knobs.saturation:
            flat = torch.baddbmm(offset_NK1, scale_NKK, pixels_NKHW.flatten(2))
            pixels_NKHW = flat.view_as(pixels_NKHW)
        else:  # without saturation the matrix is diagonal
            diagonal_NK11 = scale_NKK.diagonal(dim1=1, dim2=2)[..., None, None]
            pixels_NKHW = pixels_NKHW.mul_(diagonal_NK11).add_(offset_NK1[..., None])
        # Values are clipped to those of black and white.
        return torch.clamp_(pixels_NKHW, self._channels(low), self._channels(high))


def source_box(height: int, width: int, spec: Resize) -> tuple[float, float]:
    """(height, width) in pixels of the box that becomes the target: all of the image, or the largest of its shape."""
    if spec.method == "squish":
        return float(height), float(width)
    scale = min(height / spec.size[0], width / spec.size[1])
    return spec.size[0] * scale, spec.size[1] * scale


def draws(seed: int, epoch: int, rows_N: Sequence[int]) -> Tensor:
    """(N, 13) uniform numbers in 0–1 (float64), a generator for each item, seeded from (seed, epoch, row)."""
    generator = torch.Generator()
    chance_ND = torch.empty(len(rows_N), DRAWS, dtype=torch.float64)
    for place, row in enumerate(rows_N):
        digest = hashlib.blake2b(f"{seed}/{epoch}/{int(row)}".encode(), digest_size=8).digest()
        generator.manual_seed(int.from_bytes(digest, "little", signed=True))
        torch.rand(DRAWS, generator=generator, dtype=torch.float64, out=chance_ND[place])
    return chance_ND


def _within(u_N: Tensor, p: float) -> Tensor:
    """u in 0–1 stretched so that it is uniform in 0–1 with probability ``p``, and NaN (leave it) otherwise."""
    return torch.where(u_N < p, u_N / max(p, math.ulp(0)), math.nan)


def _signed(u_N: Tensor) -> Tensor:
    """0–1 → −1–1; NaN → 0."""
    return torch.where(u_N.isnan(), 0.0, 2 * u_N - 1)


def _shrink(pixels_NKHW: Tensor, size: Sequence[int]) -> Tensor:
    if pixels_NKHW.device.type != "cpu":  # torch resizes uint8 without conversion only on the CPU
        pixels_NKHW = pixels_NKHW.float()
    return interpolate(pixels_NKHW, size=list(size), mode="bilinear", antialias=True)
