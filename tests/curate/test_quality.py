"""Faults of pictures: found in blurred, dark and tiny ones, relative to the set they stand in, and not in others."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from drivetrain.curate.quality import faults
from drivetrain.curate.suspect import BLURRED, NEAR_BLACK, TINY
from drivetrain.data.image.measured_traits import traits_of_bytes
from drivetrain.data.image.traits import Traits


def scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(60, 255, (6, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = (int(value) for value in rng.integers(0, size))
        draw.rectangle((x, y, x + 9, y + 9), fill=tuple(int(level) for level in rng.integers(0, 256, 3)))
    return image


def traits(image: Image.Image) -> Traits:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return traits_of_bytes(buffer.getvalue())


def codes(known: list[Traits | None]) -> list[tuple[str, ...]]:
    return [tuple(ground.code for ground in found) for found in faults(known)]


ORDINARY = [traits(scene(seed)) for seed in range(24)]


def test_ordinary_pictures_have_none() -> None:
    assert codes([*ORDINARY, None]) == [()] * 25
    assert codes([*ORDINARY[:2]]) == [(), ()]
    assert codes([]) == []


@pytest.mark.parametrize("among", [0, 24])
def test_blurred_and_dark_ones_are_named(among: int) -> None:
    blurred = traits(scene(1).filter(ImageFilter.GaussianBlur(3.2)))
    dark = traits(scene(2).point(lambda level: level * 0.05))
    black = traits(Image.new("RGB", (320, 240)))
    assert codes([*ORDINARY[:among], blurred, dark, black])[among:] == [(BLURRED,), (NEAR_BLACK,), (NEAR_BLACK,)]


def test_a_soft_set_is_not_blurred_but_what_is_softer_is() -> None:
    """Faces cut from larger photos have about 0.4, where others have 0.7."""
    levels = np.linspace(0.3, 0.5, 24)
    soft = [replace(one, sharpness=float(level)) for one, level in zip(ORDINARY, levels, strict=True)]
    found = codes([*soft, replace(ORDINARY[0], sharpness=0.22)])
    assert found == [*[()] * 24, (BLURRED,)]
    assert codes(soft[:3]) == [(BLURRED,)] * 3  # too few to say that the set is soft


def test_tiny_is_what_is_far_smaller_than_the_others() -> None:
    small = traits(scene(3, (60, 44)))
    assert codes([*ORDINARY, small])[-1] == (TINY,)
    assert codes([small] * 24) == [()] * 24  # that is what the set is
    assert codes([traits(scene(4, (12, 12)))]) == [(TINY,)]


def test_sentences_state_the_number_and_the_limit() -> None:
    dark, small, soft = (
        faults([*ORDINARY, traits(image)])[-1][0].words
        for image in (Image.new("RGB", (90, 90)), scene(3, (60, 44)), scene(1).filter(ImageFilter.GaussianBlur(6)))
    )
    assert dark == "nearly black: 95 of 100 pixels are no lighter than 0.0 % of white; 10 % is the least"
    assert small == "tiny: 60×44 pixels; 64 on the shorter side is the least"
    assert re.fullmatch(r"blurred: its sharpness is 0\.\d\d of 1; 0\.\d\d is the least here", soft)
