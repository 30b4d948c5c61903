"""Pictures as people have them, which went wrong in the field: each gives what it must."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drivetrain.data.image.decode import Decoded, decode


@pytest.fixture
def field(data_root: Path) -> Path:
    """The folder of such files, beside the real data."""
    folder = data_root.parent / "field"
    if not folder.is_dir():
        pytest.skip(f"no field files at {folder}")
    return folder


def read(path: Path) -> Decoded:
    return decode(path.read_bytes())


def pixels(path: Path) -> NDArray[np.int64]:
    return np.asarray(read(path).image).astype(np.int64)


def test_a_png_with_a_long_text_is_the_picture(field: Path) -> None:
    assert np.array_equal(pixels(field / "png/text-chunk-1.8MB.png"), pixels(field / "png/the-same-picture.png"))


def test_a_tiff_of_planes_is_the_picture(field: Path) -> None:
    planes, plain = field / "tiff/rgb16-planar-uncompressed.tif", field / "tiff/rgb16-contiguous-the-same-picture.tif"
    assert np.abs(pixels(planes) - pixels(plain)).max() <= 1
    assert read(planes).mode == read(plain).mode == "RGB;uint16"


def test_of_four_bands_three_are_the_picture(field: Path) -> None:
    bands = read(field / "tiff/4band-8bit-minisblack.tif")
    assert bands.mode == "4 bands"
    assert np.array_equal(np.asarray(bands.image), pixels(field / "png/the-same-picture.png"))


def test_colour_as_floating_point_is_a_picture(field: Path) -> None:
    assert read(field / "tiff/rgb-float32.tif").mode == "RGB;float32"
    assert np.abs(pixels(field / "tiff/rgb-float32.tif") - pixels(field / "png/the-same-picture.png")).max() <= 1


def test_one_pixel_above_1_changes_one_pixel(field: Path) -> None:
    path = field / "tiff/float-0-to-1-one-pixel-1.001.tif"
    with Image.open(path) as image:
        values = np.asarray(image)
    assert (values > 1).sum() == 1
    expected = np.rint(np.clip(values, 0, 1) * 255)
    assert np.array_equal(pixels(path)[:, :, 0], expected)
    assert expected.std() > 30


def test_no_data_is_dark_and_the_picture_has_its_own_contrast(field: Path) -> None:
    path = field / "tiff/float-minus9999-nodata.tif"
    with Image.open(path) as image:
        values = np.asarray(image)
    missing, found = values == -9999, pixels(path)[:, :, 0]
    assert missing.any()
    assert (found[missing] == 0).all()
    assert np.array_equal(found[~missing], np.rint(values[~missing] * 255))
    assert len(np.unique(found)) > 100
