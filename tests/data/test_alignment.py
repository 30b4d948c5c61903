"""Crops are known by their fingerprints; pictures that are merely alike are not taken for them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from drivetrain.data.image import phash
from drivetrain.data.image.alignment import crop_likeness
from drivetrain.data.image.decode import decode

COUNT = 24


def scene(seed: int) -> Image.Image:
    """A picture with structure at several scales and no symmetry."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(
        (320, 240), Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, r = (int(value) for value in rng.integers((0, 0, 8), (320, 240, 50)))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(level) for level in rng.integers(0, 256, 3)))
    return image


def cropped(image: Image.Image, seed: int, kept: float = 0.9) -> Image.Image:
    rng = np.random.default_rng(seed)
    width, height = round(image.width * kept), round(image.height * kept)
    x, y = (int(rng.integers(0, most + 1)) for most in (image.width - width, image.height - height))
    buffer = io.BytesIO()
    image.crop((x, y, x + width, y + height)).save(buffer, "JPEG", quality=80)
    return decode(buffer.getvalue()).image


def likeness(first: list[Image.Image], second: list[Image.Image]) -> list[float]:
    frequencies = phash.frequencies([phash.low_frequencies(image) for image in [*first, *second]])
    rows = np.arange(len(first))
    found: list[float] = crop_likeness(frequencies, rows, rows + len(first)).tolist()
    assert found == pytest.approx(crop_likeness(frequencies, rows + len(first), rows).tolist(), abs=1e-3)  # either way
    return found


@pytest.mark.parametrize("kept", [0.95, 0.9, 0.85])
def test_crops_are_found_mirrored_or_not(kept: float) -> None:
    scenes = [scene(seed) for seed in range(COUNT)]
    crops = [cropped(image, seed, kept) for seed, image in enumerate(scenes)]
    assert sum(value > 0 for value in likeness(scenes, crops)) >= 0.95 * COUNT
    assert sum(value > 0 for value in likeness(scenes, [ImageOps.mirror(crop) for crop in crops])) >= 0.95 * COUNT


def test_copies_of_the_whole_are_crops_of_all_of_it() -> None:
    scenes = [scene(seed) for seed in range(COUNT)]
    assert min(likeness(scenes, [image.resize((190, 140)) for image in scenes])) > 0.99


def test_other_pictures_are_none() -> None:
    scenes = [scene(seed) for seed in range(COUNT)]
    assert likeness(scenes, [cropped(scene(seed + 100), seed) for seed in range(COUNT)]) == [0.0] * COUNT


def test_the_same_shape_in_other_greys_is_another_picture() -> None:
    """Two shirts on one carpet agree in their outlines."""

    def shirt(body: str, print_at: int) -> Image.Image:
        image = Image.new("RGB", (240, 320), "white")
        draw = ImageDraw.Draw(image)
        draw.polygon(
            [(40, 60), (200, 60), (230, 120), (190, 130), (190, 290), (50, 290), (50, 130), (10, 120)], fill=body
        )
        draw.rectangle((80, print_at, 160, print_at + 50), fill="silver")
        return image

    assert likeness([shirt("navy", 120)], [shirt("firebrick", 180)]) == [0.0]


def test_an_edited_crop_must_agree_all_the_better() -> None:
    scenes = [scene(seed) for seed in range(COUNT)]
    darker = [ImageEnhance.Brightness(image).enhance(0.8) for image in scenes]
    assert min(likeness(scenes, darker)) > 0.993


def test_blank_pictures_and_none_at_all() -> None:
    assert likeness([Image.new("RGB", (64, 64), "black")], [scene(0)]) == [0.0]
    nothing = np.empty(0, np.intp)
    assert crop_likeness(phash.frequencies([]), nothing, nothing).shape == (0,)
