"""The cleaner by a learner, by loaders without one, and by a bundle."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

import drivetrain as dt
from drivetrain.core.errors import DataError, UsageError
from tiny_backbone import TINY

pytest.importorskip("torch", reason="torch is not installed; make install")
pytest.importorskip("ipywidgets", reason="ipywidgets is not installed; make install")

from drivetrain import vision
from drivetrain.notebook.cleaner import ALL
from drivetrain.notebook.doubted import LEFT_OUT, TRAIN, VALID
from drivetrain.notebook.marks import DELETE, KEEP
from drivetrain.vision import ImageClassifierCleaner

pytestmark = pytest.mark.deep

BUNDLES = Path(__file__).parents[1] / "bundles"
WRONG = "discs/99.jpg"


@pytest.fixture
def path(pictures: Path, tmp_path: Path) -> Path:
    """Twelve pictures of each class, and stripes among the discs."""
    for folder in ("discs", "squares", "stripes"):
        (tmp_path / "shapes" / folder).mkdir(parents=True)
        for file in sorted((pictures / folder).iterdir())[:12]:
            shutil.copy(file, tmp_path / "shapes" / folder)
    shutil.copy(pictures / "stripes" / "19.jpg", tmp_path / "shapes" / WRONG)
    return tmp_path / "shapes"


def block_with(valid: tuple[str, ...] = (), **changes: Any) -> vision.DataBlock:
    """A block of which the files of these numbers validate."""

    def splitter(items: Any) -> tuple[list[int], list[int]]:
        held = [row for row, item in enumerate(items) if Path(item).stem in valid]
        return [row for row in range(len(items)) if row not in held], held

    made = vision.DataBlock(
        get_items=vision.get_image_files,
        get_y=vision.parent_label,
        splitter=splitter,
        item_tfms=vision.Resize(64),
    )
    return made.new(**changes)


def listed(cleaner: ImageClassifierCleaner, label: str, side: str) -> list[str]:
    """All items of a class and side in the order of the cleaner."""
    cleaner.side_menu.value = side
    cleaner.class_menu.value = label
    rows, _ = cleaner._listed()
    return [cleaner._doubts.items[row].item.name for row in rows]


def losses(cleaner: ImageClassifierCleaner) -> dict[str, float | None]:
    return {one.item.name: one.loss for one in cleaner._doubts.items}


@pytest.mark.trains
def test_a_learner_orders_both_sides_and_says_by_what(path: Path) -> None:
    dls = block_with(valid=("10", "11")).dataloaders(path, bs=8)
    learn = vision.vision_learner(dls)
    cleaner = ImageClassifierCleaner(learn, by="Ada")
    assert listed(cleaner, "discs", TRAIN)[0] == WRONG
    assert "has not seen it" in cleaner.how.value
    answer = learn.judged()
    for item, loss in zip(answer[1], answer[0].losses_J, strict=True):
        assert losses(cleaner)[item.name] == pytest.approx(loss)
    shown = listed(cleaner, ALL, VALID)
    assert shown == sorted(shown, key=lambda name: -(losses(cleaner)[name] or 0))
    assert len(shown) == 6
    assert "it has not trained on these" in cleaner.how.value

    # After a mark and new loaders: what is marked stands aside, with its mark.
    cleaner.side_menu.value, cleaner.class_menu.value = TRAIN, "discs"
    cleaner._cards[0].menu.value = DELETE
    again = vision.vision_learner(block_with(valid=("10", "11")).dataloaders(path, bs=8))
    assert len(again.dls.datasets.train) == len(dls.datasets.train) - 1
    second = ImageClassifierCleaner(again, by="Ada")
    assert [second.fns[idx] for idx in second.delete()] == [path / WRONG]
    assert listed(second, "discs", LEFT_OUT) == [WRONG]
    assert second._cards[0].menu.value == DELETE
    second._cards[0].menu.value = KEEP
    assert len(block_with().dataloaders(path).datasets.lying) == len(block_with().dataloaders(path).datasets.train)


@pytest.mark.trains
def test_training_items_are_answered_by_the_learner_where_no_others_can_be_had(tmp_path: Path) -> None:
    for name, colour in (("blue", (0, 0, 200)), ("red", (200, 0, 0))):
        (tmp_path / name).mkdir()
        for n in range(3):
            Image.new("RGB", (40, 40), tuple(np.add(colour, 9 * n))).save(tmp_path / name / f"{n}.png")

    def splitter(items: Any) -> tuple[list[int], list[int]]:
        held = [row for row, item in enumerate(items) if Path(item).stem != "0"]
        return [row for row in range(len(items)) if row not in held], held

    dls = block_with(splitter=splitter, item_tfms=vision.Resize(32)).dataloaders(tmp_path, bs=2)
    learn = vision.vision_learner(dls, head="fresh")
    cleaner = ImageClassifierCleaner(learn)
    assert sorted(listed(cleaner, ALL, TRAIN)) == ["blue/0.png", "red/0.png"]
    assert "what it was fitted to" in cleaner.how.value
    assert losses(cleaner)["red/0.png"] == pytest.approx(
        -math.log(learn.predict(tmp_path / "red/0.png").probs["red"]), abs=1e-3
    )


def test_loaders_without_a_learner_are_judged_out_of_fold(path: Path, tmp_path: Path) -> None:
    (path / "squares" / "cut.jpg").write_bytes((path / "squares" / "00.jpg").read_bytes()[:300])
    dls = block_with(valid=("10", "11")).dataloaders(path)
    cleaner = ImageClassifierCleaner(dls, backbone=TINY, cache=tmp_path / "cache")
    assert listed(cleaner, "discs", TRAIN)[0] == WRONG
    assert "out of" not in cleaner.how.value
    assert "has not seen it" in cleaner.how.value
    assert listed(cleaner, ALL, VALID)
    assert listed(cleaner, "squares", TRAIN)[-1] == "squares/cut.jpg"
    assert losses(cleaner)["squares/cut.jpg"] is None


def bright_and_dark(folder: Path) -> Path:
    """A picture that the bundle has learned from, under its label, and one that it has not, under a wrong one."""
    for label in ("bright", "dark"):
        (folder / label).mkdir(parents=True)
    golden = BUNDLES / "v4-classes" / "golden"
    shutil.copy(golden / "0.png", folder / "bright" / "known.png")
    shutil.copy(golden / "3.jpg", folder / "dark" / "new.jpg")
    (folder / "dark" / "cut.jpg").write_bytes((golden / "3.jpg").read_bytes()[:200])
    return folder


def test_a_bundle_answers_out_of_fold_where_it_has_learned(tmp_path: Path) -> None:
    folder, bundle = bright_and_dark(tmp_path / "light"), dt.load(BUNDLES / "v4-classes")
    cleaner = ImageClassifierCleaner(bundle, folder, cache=tmp_path / "cache")
    assert listed(cleaner, ALL, TRAIN) == ["bright/known.png"]
    assert listed(cleaner, ALL, VALID) == ["dark/new.jpg"]
    assert listed(cleaner, ALL, LEFT_OUT) == ["dark/cut.jpg"]
    assert losses(cleaner)["dark/new.jpg"] == pytest.approx(
        -math.log(bundle.predict(folder / "dark/new.jpg").probs["dark"]), rel=1e-4
    )
    fitted = -math.log(bundle.predict(folder / "bright/known.png").probs["bright"])
    unseen = losses(cleaner)["bright/known.png"]
    assert unseen is not None
    assert unseen != pytest.approx(fitted, rel=1e-6)
    cleaner.side_menu.value = VALID
    cleaner._cards[0].menu.value = "dim"
    assert [(cleaner.fns[idx], cat) for idx, cat in cleaner.change()] == [(folder / "dark/new.jpg", "dim")]
    assert ImageClassifierCleaner(str(BUNDLES / "v4-classes"), folder, cache=tmp_path / "cache").change() == [
        (idx, "dim") for idx, _ in cleaner.change()
    ]


def test_inside_an_archive_marks_stand_and_files_stay(tmp_path: Path) -> None:
    folder = bright_and_dark(tmp_path / "light")
    with ZipFile(tmp_path / "light.zip", "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))
    cleaner = ImageClassifierCleaner(BUNDLES / "v4-classes", tmp_path / "light.zip", cache=tmp_path / "cache")
    cleaner.side_menu.value = VALID
    cleaner.class_menu.value = "dark"
    cleaner._cards[0].menu.value = DELETE
    assert len(cleaner.delete()) == 1
    assert (tmp_path / "light.zip.edits.jsonl").exists()
    with pytest.raises(UsageError, match=r"no files of their own.*light\.zip\.edits\.jsonl"):
        _ = cleaner.fns


def test_a_table_has_its_log_beside_it(tmp_path: Path) -> None:
    folder = bright_and_dark(tmp_path / "light")
    (tmp_path / "light.csv").write_text("path,label\nlight/bright/known.png,bright\nlight/dark/new.jpg,dark\n")
    cleaner = ImageClassifierCleaner(BUNDLES / "v4-classes", tmp_path / "light.csv", cache=tmp_path / "cache")
    cleaner.side_menu.value = VALID
    cleaner.class_menu.value = "dark"
    cleaner._cards[0].menu.value = "bright"
    assert [(cleaner.fns[idx], cat) for idx, cat in cleaner.change()] == [(folder / "dark/new.jpg", "bright")]
    assert (tmp_path / "light.csv.edits.jsonl").exists()


@pytest.mark.parametrize("name", ["v4-labels", "v4-numbers"])
def test_what_gives_no_single_class_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"one class a picture.*drivetrain clean") as caught:
        ImageClassifierCleaner(BUNDLES / name, bright_and_dark(tmp_path / "light"))
    assert "\n" not in str(caught.value)


def test_what_cannot_be_cleaned_is_said(path: Path, tmp_path: Path) -> None:
    bundle = BUNDLES / "v4-classes"
    with pytest.raises(UsageError, match="give data= their folder"):
        ImageClassifierCleaner(bundle)
    with pytest.raises(DataError, match="'discs', is one of the bundle's classes: bright, dark, dim"):
        ImageClassifierCleaner(bundle, path, cache=tmp_path / "cache")
    with pytest.raises(UsageError, match="received int; give a learner"):
        ImageClassifierCleaner(3)
    files = vision.get_image_files(path)
    dls = block_with(get_items=lambda given: given).dataloaders(files)
    with pytest.raises(UsageError, match="were made of no folder"):
        ImageClassifierCleaner(dls, backbone=TINY, cache=tmp_path / "cache")
    dls = block_with().dataloaders(path)
    assert ImageClassifierCleaner(dls, str(path), backbone=TINY, cache=tmp_path / "cache").delete() == []
    with pytest.raises(UsageError, match="leave data out"):
        ImageClassifierCleaner(dls, tmp_path, backbone=TINY, cache=tmp_path / "cache")
    dls = block_with(blocks=(vision.ImageBlock,), get_y=None).dataloaders(path)
    with pytest.raises(UsageError, match="no target"):
        ImageClassifierCleaner(dls)


def test_the_guide_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = Path(__file__).parents[2] / "docs" / "notebook-cleaner.md"
    show, loops = re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), flags=re.DOTALL)
    folder = bright_and_dark(tmp_path / "bears")
    shutil.copytree(BUNDLES / "v4-classes", tmp_path / "bears.bundle")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIVETRAIN_CACHE", str(tmp_path / "cache"))
    names: dict[str, Any] = {}
    exec(show, names)
    cleaner = names["cleaner"]
    cleaner.side_menu.value = VALID
    cleaner.class_menu.value = "dark"
    cleaner._cards[0].menu.value = "bright"
    cleaner.side_menu.value = LEFT_OUT
    cleaner._cards[0].menu.value = DELETE
    exec(loops, names)
    assert sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.*g")) == [
        "bright/known.png",
        "bright/new.jpg",
    ]
