"""Bundles to load and to damage: a tiny one that is kept for good, and one trained here once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import drivetrain as dt

KEPT = Path(__file__).parent.parent / "bundles" / "v1"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the tiny bundle, to do with as one likes."""
    return Path(shutil.copytree(KEPT, tmp_path / "colours.bundle"))


@pytest.fixture
def kept() -> Path:
    """The tiny bundle itself; read only."""
    return KEPT


@pytest.fixture(scope="session")
def trained(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of three classes, trained on drawn pictures; read only."""
    folder = tmp_path_factory.mktemp("trained")
    dt.train(pictures, folder / "pictures.bundle", backbone="efficientnet-lite0", cache=folder / "cache")
    return folder / "pictures.bundle"


@pytest.fixture(scope="session")
def predictor(trained: Path) -> dt.Predictor:
    """The trained bundle, loaded."""
    return dt.load(trained)
