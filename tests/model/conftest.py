"""Bundles to load and to damage: a tiny one that is kept for good, and one trained here once."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import drivetrain as dt
from drivetrain.core import child
from tiny_backbone import TINY

KEPT = Path(__file__).parent.parent / "bundles" / "v1"


@pytest.fixture
def tried_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a bundle is first tried with is done in this process: the same work, without half a second for another process.

    That another process does it, and passes on what it finds, is checked in ``test_hostile_bundles.py``.
    """

    def run(module: str, request: Mapping[str, Any], files: Mapping[str, bytes], _limits: child.Limits) -> None:
        import_module(module)._prepare()(request, files)

    monkeypatch.setattr(child, "run", run)


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
    dt.train(pictures, folder / "pictures.bundle", backbone=TINY, cache=folder / "cache")
    return folder / "pictures.bundle"


@pytest.fixture(scope="session")
def predictor(trained: Path) -> dt.Predictor:
    """The trained bundle, loaded."""
    return dt.load(trained)
