"""A small real data set (scikit-learn's handwritten digits as PNG files) and its embeddings, made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

IMAGES_PER_CLASS = 40
DIGITS = (0, 1, 3, 8)


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``<digit>/<number>.png``, 64×64 pixels, 40 of each of four digits."""
    folder = tmp_path_factory.mktemp("data") / "digits"
    digits = load_digits()
    for digit in DIGITS:
        (folder / str(digit)).mkdir(parents=True)
        for row in np.flatnonzero(digits.target == digit)[:IMAGES_PER_CLASS]:
            image = Image.fromarray((255 - digits.images[row] * 15.9).astype(np.uint8))
            image.resize((64, 64), Image.Resampling.BICUBIC).save(folder / str(digit) / f"{row:04}.png")
    return folder


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests here: the same images are embedded once."""
    return tmp_path_factory.mktemp("cache")
