"""From a folder in which one class is stored otherwise, to the finding that says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from drivetrain.core.ports import Silent
from drivetrain.core.scratch import Scratch
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.learn.findings import SHORTCUT
from drivetrain.training.gotchas import Gotchas
from drivetrain.training.options import TrainOptions
from drivetrain.workbench.gotchas import gotchas_in
from drivetrain.workbench.survey import survey
from tiny_backbone import TINY

pytestmark = pytest.mark.trains


def looked_at(source: Path) -> Gotchas:
    cache = EmbeddingCache(None)
    try:
        found = gotchas_in(survey(source, TrainOptions(backbone=TINY), cache, Silent(), Scratch()))
    finally:
        cache.close()
    assert isinstance(found, Gotchas)
    return found


def test_a_class_that_is_all_png_is_said_to_be(pictures: Path, tmp_path: Path) -> None:
    for path in sorted(pictures.glob("*/*.jpg")):
        kind = path.parent.name
        place = tmp_path / "set" / kind / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            image.save(place.with_suffix(".png") if kind == "discs" else place)
    found = looked_at(tmp_path / "set")
    assert "file-type" in {one.found.slug for one in found.shortcuts}
    png = next(one for one in found.told if one.found.slug == "file-type")
    assert png.sentence == "Of the images of “discs”, 100.0 % have “PNG”; of the others, 0.0 % have."
    assert all(name.startswith("discs/") for name in png.examples)
    said = [one for one in found.findings() if one.code == SHORTCUT]
    assert len(said) == 1
    assert "file type" in said[0].sentence.lower()
    document = json.loads(json.dumps(found.to_json()))
    assert document["images"] == 60
    assert document["shortcuts"][-1]["trait"] == "all"


def test_the_same_pictures_stored_alike_have_no_such_shortcut(pictures: Path) -> None:
    found = looked_at(pictures)
    assert "file-type" not in {one.found.slug for one in found.told}
    assert found.always == pytest.approx(1 / 3, abs=0.05)
