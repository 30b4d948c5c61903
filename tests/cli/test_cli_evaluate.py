"""``drivetrain evaluate``: figures on images the bundle has not seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import CommandLine, TrainedByCommand
from PIL import Image

from tiny_backbone import TINY

COLOURS = {"blau": (30, 40, 210), "grün": (20, 190, 60), "rot": (220, 30, 20)}


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """``<colour>/<n>.png``, three shades of each, the last in the folder of another colour."""
    root = tmp_path / "colours"
    for name, colour in COLOURS.items():
        (root / name).mkdir(parents=True)
        for shade in range(3):
            image = Image.effect_noise((40 + shade, 30), 8).convert("RGB")
            tint = Image.new("RGB", image.size, tuple(min(255, level + 9 * shade) for level in colour))
            Image.blend(image, tint, 0.8).save(root / name / f"{shade}.png")
    (root / "rot" / "2.png").rename(root / "blau" / "really red.png")
    return root


def test_json_is_as_documented(drivetrain: CommandLine, kept: Path, labelled: Path) -> None:
    done = drivetrain("evaluate", kept, labelled, "--json")
    assert done.code == 0, done.err
    document = done.document
    assert document["n"] == 9
    assert document["skipped"] == 0
    assert document["skipped_files"] == []
    assert document["near_duplicates_of_training"] == 0
    assert set(document["accuracy"]) == {"value", "low", "high", "method"}
    assert document["accuracy"]["value"] == pytest.approx(8 / 9)
    assert 0 < document["accuracy"]["low"] < document["accuracy"]["value"] < document["accuracy"]["high"] < 1
    assert document["confusion"] == {"labels": ["blau", "grün", "rot"], "counts": [[3, 0, 1], [0, 3, 0], [0, 0, 2]]}
    assert isinstance(document["log_loss"], float)
    assert isinstance(document["ece"], float)
    assert "auc" not in document
    assert document["seconds"] >= 0
    assert document["warnings"] == []
    assert "evaluate: 9 images in " in done.err


def test_text_shows_the_same_figures(drivetrain: CommandLine, kept: Path, labelled: Path) -> None:
    done = drivetrain("evaluate", kept, labelled)
    assert "9 judged, 0 skipped" in done.out
    assert "88.9 %" in done.out
    rows = [line.split() for line in done.out.splitlines()]
    assert ["blau", "3", "0", "1"] in rows
    assert ["grün", "0", "3", "0"] in rows


def test_what_does_not_count_is_named(drivetrain: CommandLine, kept: Path, labelled: Path) -> None:
    (labelled / "rot" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    (labelled / "gelb").mkdir()
    shutil.copy(labelled / "rot" / "0.png", labelled / "gelb" / "0.png")
    document = drivetrain("evaluate", kept, labelled, "--json").document
    assert document["n"] == 9
    assert document["skipped"] == 2
    by_name = {entry["name"]: entry for entry in document["skipped_files"]}
    assert by_name["gelb/0.png"]["reason"] == "unknown class"
    assert by_name["rot/broken.png"]["detail"]
    assert any(warning.startswith("1 file does not count: 1 ") for warning in document["warnings"])
    unknown = "1 image of a class the bundle does not know (gelb) was not judged; predict shows what it calls it."
    assert unknown in document["warnings"]
    found = {one["code"]: one for one in document["findings"]}
    assert [one["sentence"] for one in document["findings"]] == document["warnings"]
    assert found["unknown-labels"]["sentence"] == unknown
    assert found["files-not-judged"]["where"] == "Files left out"
    assert document["ignored"] == []


def test_findings_that_are_ignored_are_left_out_everywhere(
    drivetrain: CommandLine, kept: Path, labelled: Path, tmp_path: Path
) -> None:
    (labelled / "rot" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    (labelled / "gelb").mkdir()
    shutil.copy(labelled / "rot" / "0.png", labelled / "gelb" / "0.png")
    page = tmp_path / "page.html"
    ignored = ("--ignore", "files-not-judged", "--ignore", "few-folds")
    done = drivetrain("evaluate", kept, labelled, *ignored, "--report", page)
    assert "file does not count" not in done.out
    assert "(gelb) was not judged" in done.out
    assert "file does not count" not in page.read_text(encoding="utf-8")
    document = drivetrain("evaluate", kept, labelled, *ignored, "--json").document
    assert [one["code"] for one in document["findings"]] == ["unknown-labels"]
    assert document["ignored"] == ["files-not-judged"]
    wrong = drivetrain("evaluate", kept, labelled, "--ignore", "files")
    assert wrong.code == 2
    assert "there is no finding 'files'; the codes are split-leaks, " in wrong.err


def test_copies_of_training_images_are_left_out(
    drivetrain: CommandLine, trained: TrainedByCommand, tmp_path: Path
) -> None:
    fresh = tmp_path / "fresh"
    for kind in ("discs", "stripes"):
        (fresh / kind).mkdir(parents=True)
        with Image.open(trained.source / kind / "00.jpg") as image:
            image.save(fresh / kind / "copy.jpg", quality=70)
            Image.effect_noise((90, 90), 60).convert("RGB").save(fresh / kind / "new.png")
    document = drivetrain("evaluate", trained.bundle, fresh, "--json").document
    assert document["near_duplicates_of_training"] == 2
    assert document["n"] == 2
    assert "2 of 4 images are copies of training images (first: discs/copy.jpg" in " ".join(document["warnings"])
    kept = drivetrain("evaluate", trained.bundle, fresh, "--json", "--keep-leaks").document
    assert kept["n"] == 4
    assert "count in the figures" in " ".join(kept["warnings"])


@pytest.mark.trains
def test_two_classes_have_an_auc_where_both_occur(drivetrain: CommandLine, pictures: Path, tmp_path: Path) -> None:
    for kind in ("discs", "stripes"):
        shutil.copytree(pictures / kind, tmp_path / "two" / kind)
    arguments = ("--out", tmp_path / "b", "--backbone", TINY)
    assert drivetrain("train", tmp_path / "two", *arguments).code == 0
    both = drivetrain("evaluate", tmp_path / "b", tmp_path / "two", "--keep-leaks", "--json").document
    assert 0.9 < both["auc"] <= 1
    shutil.rmtree(tmp_path / "two" / "discs")
    done = drivetrain("evaluate", tmp_path / "b", tmp_path / "two", "--keep-leaks", "--json")
    assert done.document["auc"] is None
    assert "AUC" not in drivetrain("evaluate", tmp_path / "b", tmp_path / "two", "--keep-leaks").out


def test_the_training_folder_itself_is_refused(drivetrain: CommandLine, trained: TrainedByCommand) -> None:
    done = drivetrain("evaluate", trained.bundle, trained.source)
    assert done.code == 2
    assert done.out == ""
    assert "all 60 readable images of" in done.err.splitlines()[-1]
    assert done.err.splitlines()[-1].endswith("count them all the same with --keep-leaks")


def test_one_split_of_a_source(drivetrain: CommandLine, kept: Path, labelled: Path, tmp_path: Path) -> None:
    for split, names in (("train", ["blau", "grün"]), ("validation", ["rot"])):
        for name in names:
            shutil.copytree(labelled / name, tmp_path / "split" / split / name)
    for word in ("valid", "validation"):
        assert drivetrain("evaluate", kept, tmp_path / "split", "--split", word, "--json").document["n"] == 2
    done = drivetrain("evaluate", kept, tmp_path / "split", "--split", "test")
    assert done.code == 2
    assert "has no split “test”; its splits are train, valid" in done.error


def test_an_html_report_is_written_where_asked(
    drivetrain: CommandLine, kept: Path, labelled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new folder" / "page.html"
    done = drivetrain("evaluate", kept, labelled, "--report", out)
    assert done.code == 0, done.err
    assert str(out) in done.out
    page = out.read_text(encoding="utf-8")
    assert "Farben on colours" in page
    assert "really red.png" in page


def test_classes_the_bundle_does_not_know_are_a_slip(drivetrain: CommandLine, kept: Path, pictures: Path) -> None:
    done = drivetrain("evaluate", kept, pictures)
    assert done.code == 2
    assert "has a class of the bundle (blau, grün, rot); found discs, squares, stripes" in done.error


def test_when_no_image_can_be_read_the_first_reason_is_given(
    drivetrain: CommandLine, kept: Path, labelled: Path
) -> None:
    for file in labelled.rglob("*.png"):
        file.write_bytes(b"\x89PNG\r\n\x1a\n cut")
    done = drivetrain("evaluate", kept, labelled)
    assert done.code == 2
    assert "none of the 9 files of" in done.err.splitlines()[-1]
    assert "first blau/0.png: " in done.err.splitlines()[-1]


def test_what_would_pass_without_a_person_is_counted(drivetrain: CommandLine, kept: Path, labelled: Path) -> None:

    document = drivetrain("evaluate", kept, labelled, "--json").document
    accepted = document["accepted"]
    assert set(accepted) == {"share", "n", "wrong", "error", "out_of_domain"}
    assert (accepted["n"], accepted["wrong"]) == (9, 1)
    assert accepted["share"] == 1
    assert accepted["error"]["value"] == pytest.approx(1 / 9)
    assert 0 < accepted["error"]["low"] < 1 / 9 < accepted["error"]["high"] < 0.6
    shown = drivetrain("evaluate", kept, labelled).out
    assert "9 answers of confidence 0.9 and more, 1 of them wrong" in shown
    assert "11.1 % of these are wrong" in shown


def test_nothing_accepted_has_no_error(drivetrain: CommandLine, kept: Path, tmp_path: Path) -> None:
    for name in ("blau", "rot"):
        (tmp_path / "grey" / name).mkdir(parents=True)
        Image.effect_noise((40, 30), 8).convert("RGB").save(tmp_path / "grey" / name / "0.png")
    document = drivetrain("evaluate", kept, tmp_path / "grey", "--json").document
    assert document["accepted"] == {
        "share": 0,
        "n": 0,
        "wrong": 0,
        "error": {"value": None, "low": 0, "high": 1},
        "out_of_domain": 0,
    }
    assert "no answer reaches confidence 0.9" in drivetrain("evaluate", kept, tmp_path / "grey").out


def test_copies_among_the_images_count_as_one(drivetrain: CommandLine, kept: Path, labelled: Path) -> None:
    once = drivetrain("evaluate", kept, labelled, "--json").document
    for file in sorted(labelled.rglob("*.png")):
        for copy in range(4):
            shutil.copy(file, file.with_name(f"{file.stem} copy {copy}.png"))
    document = drivetrain("evaluate", kept, labelled, "--json").document
    assert document["n"] == 45
    for figure in ("accuracy", "accepted"):
        several, one = (found[figure]["error"] if figure == "accepted" else found[figure] for found in (document, once))
        assert several["value"] == pytest.approx(one["value"])
        # Five copies of each are no more evidence than one.
        assert several["high"] - several["low"] >= one["high"] - one["low"]


def test_what_the_gate_turns_away_is_counted(
    drivetrain: CommandLine, trained: TrainedByCommand, tmp_path: Path
) -> None:
    for name in ("discs", "squares"):
        (tmp_path / "noise" / name).mkdir(parents=True)
        for sigma in (60, 90, 120):
            Image.effect_noise((96, 80), sigma).convert("RGB").save(tmp_path / "noise" / name / f"{sigma}.png")
    document = drivetrain("evaluate", trained.bundle, tmp_path / "noise", "--json").document
    assert document["accepted"]["out_of_domain"] == 1
    shown = drivetrain("evaluate", trained.bundle, tmp_path / "noise").out
    assert "Turned away" in shown
    assert "100.0 %: unlike those trained on (out of domain)" in shown
