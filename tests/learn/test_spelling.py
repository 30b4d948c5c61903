"""Labels in several spellings: which are one, how they are pointed out, and how they are merged."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import drivetrain as dt
from drivetrain.core.errors import DataError, UsageError
from drivetrain.data.block.blocks import CategoryBlock, ImageBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.data.block.labellers import ColReader
from drivetrain.data.sources.opening import open_source
from drivetrain.learn.reading import Read, read
from drivetrain.learn.spelling import alike, key, spelled
from drivetrain.learn.target_options import TargetOptions
from drivetrain.model.kinds.tasks import TaskName
from drivetrain.training.choices import options_of

BUNDLES = Path(__file__).parent.parent / "bundles"


@pytest.mark.parametrize(
    "spellings",
    [
        ("black", "Black", "BLACK", " black ", "bl\u200back", "ｂｌａｃｋ", "black\u00a0"),
        ("black bear", "black_bear", "Black  Bear", "blackbear", "black\tbear"),
        ("Größe", "Gro\u0308ße", "GRÖSSE", "grösse"),
        ("0", "0.0", "00", "-0", "0,0", "0e0", ".0", "+0"),
        ("1.5", "1,5", "01.50", "15e-1", "1.500"),
        ("-2", "-2.0", "\u22122"),
        ("1000", "1e3", "1000.0"),
        ("class 1", "Class1", "CLASS_1"),
        ("true", "True", "TRUE"),
    ],
)
def test_spellings_of_one_label(spellings: tuple[str, ...]) -> None:
    assert {key(one) for one in spellings} == {key(spellings[0])}
    assert len(alike(dict.fromkeys(spellings, 1))) == 1


@pytest.mark.parametrize(
    "labels",
    [
        ("black", "blacks", "back"),
        ("1", "-1", "10", "1.01", "1,000", "1000", "1 000"),
        ("a-b", "ab", "a/b", "a+b"),
        ("1 2", "12", "1-2"),
        ("C", "C++", "C#"),
        ("1e3a", "1000a"),
        ("_", "-", "?"),
        ("12345678901234567890123456789012345678901", "12345678901234567890123456789012345678902"),
        ("é", "e"),
    ],
)
def test_labels_that_are_not_one(labels: tuple[str, ...]) -> None:
    assert alike(dict.fromkeys(labels, 1)) == []


def test_the_commonest_spelling_or_the_vocabularys() -> None:
    counts = {"Black": 3, "black": 3, "BLACK": 1, "teddy": 2}
    assert spelled(counts) == {"black": "Black", "BLACK": "Black"}, "of equally common ones the first by code point"
    assert spelled(counts, ("black", "Teddy")) == {"Black": "black", "BLACK": "black", "teddy": "Teddy"}
    assert spelled({"BLACK": 1}, ("Black", "black")) == {}, "which of the two is meant, nobody knows"
    assert spelled({"Black": 1, "black": 5}, ("Black", "black")) == {}, "the vocabulary tells them apart"


def listed(folder: Path, *rows: str, header: str = "path,label") -> Path:
    for number, _ in enumerate(rows):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
    text = "".join(f"{number}.png,{row}\n" for number, row in enumerate(rows))
    (folder / "labels.csv").write_text(f"{header}\n{text}", encoding="utf-8")
    return folder / "labels.csv"


def reading(source: Path, task: TaskName, block: DataBlock | None = None, **choices: object) -> Read:
    options = options_of({"task": task, **choices}, block)
    return read(source, options.targets, block, source.parent / "unpacked")


def test_pointed_out_and_merged(tmp_path: Path) -> None:
    table = listed(tmp_path, "Black", "black", "black", "teddy")
    plain = reading(table, "classification")
    assert plain.targets.names == ("Black", "black", "teddy")
    (doubt,) = plain.dataset.doubts
    assert doubt.code == "labels-alike"
    assert "“black” (2) and “Black” (1)" in doubt.sentence
    assert "--normalise-labels" in doubt.sentence
    merged = reading(table, "classification", normalise_labels=True)
    assert merged.targets.counts() == {"black": 3, "teddy": 1}
    assert [item.label for item in merged.dataset.items] == ["black", "black", "black", "teddy"]
    assert merged.dataset.doubts == ()
    assert merged.dataset.notes == ("merged labels that differ only in how they are written: “Black” (1) into “black”",)


def test_several_labels_in_a_cell(tmp_path: Path) -> None:
    table = listed(tmp_path, "Sea;Sky", "sea", "sea;SEA", "sky")
    assert len(reading(table, "multi-label").dataset.doubts) == 1
    merged = reading(table, "multi-label", normalise_labels=True)
    assert merged.targets.counts() == {"Sky": 2, "sea": 3}


def test_grades(tmp_path: Path) -> None:
    table = listed(tmp_path, "0", "0.0", "1", "1", "2.0")
    with pytest.raises(DataError, match="the same number"):
        reading(table, "ordinal")
    assert reading(table, "ordinal", normalise_labels=True).targets.counts() == {"0": 2, "1": 2, "2.0": 1}
    words = listed(tmp_path, "Low", "low", "HIGH")
    merged = reading(words, "ordinal", normalise_labels=True, order=("low", "high"))
    assert merged.targets.counts() == {"low": 2, "high": 1}


def test_class_folders(tmp_path: Path) -> None:
    for folder in ("Polar Bear", "polar_bear", "teddy"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / folder / "1.png")
    assert reading(tmp_path, "classification", normalise_labels=True).targets.names == ("Polar Bear", "teddy")


def test_a_blocks_vocabulary_goes_first(tmp_path: Path) -> None:
    table = listed(tmp_path, "Black", "black", "TEDDY")
    block = DataBlock((ImageBlock, CategoryBlock(("BLACK", "teddy"))), open_source, get_y=ColReader("label"))
    assert reading(table, "classification", block, normalise_labels=True).targets.counts() == {"BLACK": 2, "teddy": 1}


def test_numbers_have_no_spelling(tmp_path: Path) -> None:
    table = listed(tmp_path, "0", "0.0", "1")
    assert reading(table, "regression").dataset.doubts == ()
    with pytest.raises(UsageError, match="normalise_labels is for the task classification or multi-label or ordinal"):
        options_of({"task": "regression", "normalise_labels": True})


# Against a bundle: its own spelling counts.


def fresh(folder: Path, labels: tuple[str, ...]) -> Path:
    for number, label in enumerate(labels):
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (20 * number, 90, 40)).save(folder / label / f"{number}.png")
    return folder


def test_an_evaluation_takes_the_bundles_spelling(tmp_path: Path) -> None:
    source = fresh(tmp_path / "fresh", ("Bright", "bright", "DARK", "other"))
    plain = dt.evaluate(BUNDLES / "v2-classes", source, use_cache=False, golden=False)
    assert len(plain.items) == 1
    (unknown,) = [one for one in plain.findings if one.code == "unknown-labels"]
    assert "The bundle knows “Bright” as “bright”, “DARK” as “dark”: --normalise-labels takes" in unknown.sentence
    result = dt.evaluate(BUNDLES / "v2-classes", source, use_cache=False, golden=False, normalise_labels=True)
    assert sorted(item.label or "" for item in result.items) == ["bright", "bright", "dark"]
    assert any("“Bright” (1) into “bright”" in note for note in result.notes)
    assert result.to_json()["notes"] == list(result.notes)


def test_an_evaluation_without_any_known_label_says_how(tmp_path: Path) -> None:
    source = fresh(tmp_path / "fresh", ("Bright", "Dark"))
    with pytest.raises(DataError, match=r"The bundle knows “Bright” as “bright”.*--normalise-labels") as error:
        dt.evaluate(BUNDLES / "v2-classes", source, use_cache=False, golden=False)
    assert "\n" not in str(error.value)


def test_an_evaluation_of_numbers_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this bundle is for regression"):
        dt.evaluate(BUNDLES / "v2-numbers", tmp_path, golden=False, normalise_labels=True)


def test_an_evaluation_with_splits_by_name(tmp_path: Path) -> None:
    fresh(tmp_path / "here", ("bright", "dark"))
    fresh(tmp_path / "there", ("bright", "dark"))
    result = dt.evaluate(
        BUNDLES / "v2-classes", tmp_path, split="test", use_cache=False, golden=False, splits="here=test,there=train"
    )
    assert {item.name.partition("/")[0] for item in result.items} == {"here"}


def test_options_default_to_nothing() -> None:
    assert TargetOptions().normalise_labels is False
    assert TargetOptions().splits is None
