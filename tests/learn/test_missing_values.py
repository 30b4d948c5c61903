"""Labels that look like missing values: pointed out, and kept as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from drivetrain.core.types import Doubt
from drivetrain.data.block.blocks import CategoryBlock, ImageBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.data.block.labellers import ColReader
from drivetrain.data.sources.opening import open_source
from drivetrain.learn.missing_values import about_missing, like_missing
from drivetrain.learn.reading import Read, read
from drivetrain.model.kinds.tasks import TaskName
from drivetrain.training.choices import options_of


def listed(folder: Path, *labels: str) -> Path:
    for number, _ in enumerate(labels):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
    rows = "".join(f"{number}.png,{label}\n" for number, label in enumerate(labels))
    (folder / "labels.csv").write_text(f"path,label\n{rows}", encoding="utf-8")
    return folder / "labels.csv"


def reading(source: Path, task: TaskName, block: DataBlock | None = None, **choices: object) -> Read:
    return read(source, options_of({"task": task, **choices}, block).targets, block, source.parent / "unpacked")


def codes(doubts: tuple[Doubt, ...]) -> list[str]:
    return [doubt.code for doubt in doubts]


@pytest.mark.parametrize("label", ["NA", "na", "N/A", "n/a", "nan", "NaN", "None", "null", "NULL", "?", "<NA>", "#N/A"])
def test_what_programs_write_for_nothing(label: str) -> None:
    for others in (("cat", "dog"), ("cat", "Dog"), ("0", "1"), ("A", "B")):
        assert like_missing([*others, label]) == [label]


@pytest.mark.parametrize(
    "labels",
    [
        ("none", "mild", "severe"),
        ("None", "Mild", "Very severe"),
        ("AF", "EU", "NA"),
        ("nana", "nano", "nullifier", "unknown", "nothing", "-"),
        ("cat", "dog"),
    ],
)
def test_what_has_a_meaning_among_its_like(labels: tuple[str, ...]) -> None:
    assert like_missing(labels) == []


def test_pointed_out_and_kept(tmp_path: Path) -> None:
    found = reading(listed(tmp_path, "cat", "nan", "nan", "dog", ""), "classification")
    assert found.targets.counts() == {"cat": 1, "dog": 1, "nan": 2}
    (doubt,) = found.dataset.doubts
    assert doubt.code == "labels-like-missing"
    assert doubt.sentence.startswith(
        "A label looks like a missing value and counts as a label like any other: “nan” (2) (with its number of images)."
    )


def test_class_folders_of_a_script_and_several_labels_in_a_cell(tmp_path: Path) -> None:
    for folder in ("cat", "dog", "None"):
        (tmp_path / "folders" / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "folders" / folder / "1.png")
    assert codes(reading(tmp_path / "folders", "classification").dataset.doubts) == ["labels-like-missing"]
    found = reading(listed(tmp_path, "sea;sky", "sea", "NA", "?"), "multi-label")
    assert "“NA” (1), “?” (1) (with their numbers of images)" in found.dataset.doubts[0].sentence


def test_once_labels_are_merged(tmp_path: Path) -> None:
    table = listed(tmp_path, "cat", "NaN", "nan", "nan", "dog")
    assert codes(reading(table, "classification").dataset.doubts) == ["labels-alike", "labels-like-missing"]
    (doubt,) = reading(table, "classification", normalise_labels=True).dataset.doubts
    assert "“nan” (3)" in doubt.sentence


def test_what_a_person_names_is_meant(tmp_path: Path) -> None:
    table = listed(tmp_path, "None", "low", "high")
    assert codes(reading(table, "classification").dataset.doubts) == ["labels-like-missing"]
    assert reading(table, "ordinal", order=("None", "low", "high")).dataset.doubts == ()
    block = DataBlock((ImageBlock, CategoryBlock(("None", "low", "high"))), open_source, get_y=ColReader("label"))
    assert reading(table, "classification", block).dataset.doubts == ()


def test_many_are_counted() -> None:
    (doubt,) = about_missing(dict.fromkeys(("cat", "NA", "nan", "NaN", "null", "NULL", "?", "N/A"), 1))
    assert "“NULL” (1) and 2 more (" in doubt.sentence
