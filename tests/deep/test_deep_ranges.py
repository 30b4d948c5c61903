"""Pictures of more than 8 bits where the network itself is trained: the same range as in the bundle that comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import drivetrain as dt
from drivetrain import vision
from drivetrain.data.block.loader import DataLoaders
from drivetrain.data.image.decode import decode
from drivetrain.data.image.preprocess import for_images, resize_image
from drivetrain.data.image.render import Ranges
from drivetrain.training import tuning
from drivetrain.training.tuning import loaders_of

FITTED = Ranges(integers=(0, 1023))


@pytest.fixture(scope="module")
def deep_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright and dark pictures of 10 bits, in files of 16."""
    folder, rng = tmp_path_factory.mktemp("ten-bits"), np.random.default_rng(0)
    for name, light in (("bright", 700), ("dark", 200)):
        (folder / name).mkdir()
        for n in range(12):
            coarse = rng.integers(light - 150, light + 300, (6, 6)).astype(np.int32)
            values = np.asarray(Image.fromarray(coarse).resize((48, 40), Image.Resampling.BICUBIC))
            Image.fromarray(np.clip(values, 0, 1023).astype(np.uint16)).save(folder / name / f"{n:02}.png")
    return folder


def ranges_of(bundle: Path) -> Ranges | str:
    return for_images(dt.load(bundle).manifest.input.preprocess).render.ranges


def test_a_learner_answers_by_the_range_of_its_loaders_and_exports_it(deep_folder: Path, tmp_path: Path) -> None:
    block = vision.DataBlock(
        blocks=(vision.ImageBlock, vision.CategoryBlock),
        get_items=vision.get_image_files,
        splitter=vision.RandomSplitter(valid_pct=0.3, seed=1),
        get_y=vision.parent_label,
        item_tfms=vision.Resize(32),
    )
    dls = block.dataloaders(deep_folder, bs=4)
    assert dls.datasets.train.image_block.render.ranges == FITTED
    learn = vision.vision_learner(dls)
    assert learn.network.about.preprocess.render.ranges == FITTED
    answer = learn.predict(deep_folder / "bright" / "00.png")
    for shown in (vision.ClassificationInterpretation.from_learner(learn), learn.interpretation()):
        assert shown.preparation == learn.network.about.preprocess
    learn.export(tmp_path / "learned", cache=tmp_path / "cache", gallery=0)
    assert ranges_of(tmp_path / "learned") == FITTED
    exported = dt.load(tmp_path / "learned").predict(deep_folder / "bright" / "00.png")
    assert exported.label == answer.label == "bright"
    assert exported.facts["range"] == "known"


def test_fine_tuning_sees_the_pixels_that_are_answered_for(
    deep_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[DataLoaders] = []

    def noted(*arguments: Any) -> DataLoaders:
        seen.append(loaders_of(*arguments))
        return seen[-1]

    monkeypatch.setattr(tuning, "loaders_of", noted)
    result = dt.train(
        deep_folder,
        tmp_path / "tuned",
        backbone="efficientnet-lite0",
        use_cache=False,
        deep=True,
        epochs=1,
        stages=1,
        size=32,
    )
    assert ranges_of(result.bundle) == FITTED
    spec = for_images(dt.load(result.bundle).manifest.input.preprocess)
    (loaders,) = seen
    batch = next(iter(loaders.valid.batches(0)))
    for pixels_KHW, row in zip(batch.x, batch.rows, strict=True):
        path = loaders.datasets.valid.samples[[one.row for one in loaders.datasets.valid.samples].index(row)].path
        assert path is not None
        answered_for = resize_image(decode(path.read_bytes(), render=spec.render).image, spec.resize)
        assert np.array_equal(np.asarray(pixels_KHW).transpose(1, 2, 0), np.asarray(answered_for))
