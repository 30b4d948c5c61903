"""Files that a gate is tried on: each shows what was done to it, is readable, and is the same every time."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drivetrain.embed.registry import resolve
from drivetrain.model.inputs.image import ImageInput
from drivetrain.model.inputs.packaged_photos import packaged_photos
from drivetrain.model.inputs.spoiled_pictures import spoiled_pictures

SIDE = 96


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"), np.float64)


def roughness(pixels_HWK: np.ndarray) -> float:
    """Mean difference between neighbours."""
    return float(np.abs(np.diff(pixels_HWK, axis=1)).mean())


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    return coarse.resize((320, 240), Image.Resampling.BICUBIC)


def test_each_copy_shows_what_was_done_to_it(photo: Image.Image) -> None:
    made = {how: pixels(data) for how, data in spoiled_pictures(photo, SIDE).items()}
    plain = np.asarray(photo.resize((128, SIDE), Image.Resampling.BICUBIC), np.float64)
    assert list(made) == ["blurred", "with noise", "nearly dark", "as poor JPEG"]
    assert {copy.shape for copy in made.values()} == {plain.shape}
    assert roughness(made["blurred"]) < 0.7 * roughness(plain)
    assert roughness(made["with noise"]) > 2 * roughness(plain)
    np.testing.assert_allclose(made["nearly dark"], plain / 10, atol=0.51)
    off = np.abs(made["as poor JPEG"] - plain).mean()
    assert 5 < off < 60, "the picture is there still, and badly compressed"


def test_the_same_picture_gives_the_same_files_and_is_left_as_it_was(photo: Image.Image) -> None:
    before = photo.tobytes()
    assert spoiled_pictures(photo, SIDE) == spoiled_pictures(photo, SIDE)
    assert photo.tobytes() == before


def test_a_small_picture_is_not_enlarged(photo: Image.Image) -> None:
    small = photo.resize((40, 30))
    assert {pixels(data).shape for data in spoiled_pictures(small, SIDE).values()} == {(30, 40, 3)}


def test_an_images_input_makes_files_that_it_can_read() -> None:
    form = ImageInput.of(resolve("efficientnet-lite0").preprocess)
    picture = Image.fromarray(np.full((300, 400, 3), 90, np.uint8))
    files = [*form.spoiled(form.read(picture)).values()]
    files += [view for things in form.other_things().values() for views in things for view in views]
    assert len(files) > 8
    for data in files:
        assert form.tensor(form.read(data)).shape == form.shape


def test_packaged_photos_are_two_as_a_whole_and_in_halves() -> None:
    sklearn = pytest.importorskip("sklearn")
    licence = (Path(sklearn.__file__).parent / "datasets" / "images" / "README.txt").read_text("utf-8")
    assert licence.count("Released under a creative commons license") == 2
    assert "creativecommons.org/licenses/by/2.0" in licence
    temple, flower = ([pixels(view).shape for view in views] for views in packaged_photos())
    assert temple == flower == [(427, 640, 3), (427, 320, 3), (427, 320, 3)]


@pytest.mark.processes
def test_looking_for_the_photos_does_not_import_scikit_learn() -> None:
    code = (
        "import sys; from drivetrain.model.inputs.packaged_photos import packaged_photos; packaged_photos(); "
        "print('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
