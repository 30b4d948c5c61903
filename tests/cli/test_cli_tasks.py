"""Several labels and numbers from the command line: what is printed, and what is refused in which words."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine, Done

from drawn import SHAPES, Drawing, draw_several, write_table

pytestmark = pytest.mark.trains

LITE0 = ("--backbone", "efficientnet-lite0")
LABELS = ("--task", "multi-label", *LITE0)
NUMBERS = ("--task", "regression", *LITE0)


@dataclass(frozen=True)
class Place:
    """Drawn pictures with tables of their labels and sizes, for training and fresh; read only."""

    drawings: tuple[Drawing, ...]
    fresh: tuple[Drawing, ...]
    folder: Path

    def table(self, name: str) -> Path:
        """``labels``, ``sizes``, ``fresh-labels`` or ``fresh-sizes``."""
        return self.folder / f"{name}.csv"


@dataclass(frozen=True)
class Made:
    """A bundle and what the command that made it printed with ``--json``."""

    bundle: Path
    done: Done


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("tasks")
    place = Place(draw_several(folder / "train", 48), draw_several(folder / "fresh", 16, seed=1), folder)
    for prefix, drawings in (("", place.drawings), ("fresh-", place.fresh)):
        write_table(folder / f"{prefix}labels.csv", [(d.path, ";".join(d.labels) or ";") for d in drawings])
        write_table(folder / f"{prefix}sizes.csv", [(d.path, d.size) for d in drawings])
    return place


@pytest.fixture(scope="session")
def labels(place: Place, drivetrain: CommandLine) -> Made:
    out = place.folder / "labels.bundle"
    return Made(out, drivetrain("train", place.table("labels"), "--out", out, *LABELS, "--json"))


@pytest.fixture(scope="session")
def sizes(place: Place, drivetrain: CommandLine) -> Made:
    out = place.folder / "sizes.bundle"
    return Made(out, drivetrain("train", place.table("sizes"), "-o", out, *NUMBERS, "--target", "size", "--json"))


@pytest.fixture
def changed(place: Place, tmp_path: Path) -> Callable[..., Path]:
    """A table with some of its cells changed: ``changed("sizes", {3: "nan"})``; or all of them, by a function."""

    def change(name: str, cells: dict[int, str] | Callable[[str], str]) -> Path:
        with place.table(name).open(encoding="utf-8") as file:
            rows = [(row["path"], row["label"]) for row in csv.DictReader(file)]
        for n, (path, label) in enumerate(rows):
            rows[n] = (path, cells(label) if callable(cells) else cells.get(n, label))
        return write_table(tmp_path / "changed.csv", rows)

    return change


def strict(text: str) -> Any:
    """JSON as the standard has it, which knows no NaN."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


# Train


def test_training_on_labels_prints_one_json_document(labels: Made, place: Place) -> None:
    assert labels.done.code == 0, labels.done.err
    document = strict(labels.done.out)
    assert document["task"] == "multi-label"
    assert document["images"] == {"used": 48, "skipped": 0}
    assert document["classes"] == {s: sum(s in d.labels for d in place.drawings) for s in SHAPES}
    mean = document["mean_average_precision"]
    assert set(mean) == {"value", "low", "high", "method"}
    assert 0.8 < mean["value"] <= 1
    assert mean["low"] <= mean["value"] <= mean["high"]
    assert mean["method"] == "out of fold, 5 folds that keep groups together; reflected bootstrap 95 % over groups"
    assert 0 <= document["all_labels_right"]["value"] <= 1
    assert [row["label"] for row in document["labels"]] == list(SHAPES)
    for row in document["labels"]:
        assert set(row) == {"label", "count", "threshold", "precision", "recall", "average_precision"}
        assert row["count"] == document["classes"][row["label"]]
        assert 0 <= row["threshold"] <= 1
    assert "accuracy" not in document
    assert document["fine_tuning"] is None
    assert document["leak"] is None


def test_training_on_numbers_prints_one_json_document(sizes: Made) -> None:
    assert sizes.done.code == 0, sizes.done.err
    document = strict(sizes.done.out)
    assert document["task"] == "regression"
    assert document["classes"] == {"size": 48}
    (target,) = document["targets"]
    assert target["name"] == "size"
    error = target["mean_absolute_error"]
    assert error["low"] <= error["value"] <= error["high"] < target["baseline"]
    assert target["root_mean_squared_error"] >= error["value"]
    assert 0 < target["r_squared"] < 1
    assert target["half_width"] > error["value"]
    assert 0.9 <= target["covered"]["value"] < 0.95
    assert "accuracy" not in document
    assert "log_loss" not in document


def test_text_shows_each_tasks_figures(drivetrain: CommandLine, place: Place, tmp_path: Path) -> None:
    done = drivetrain("train", place.table("labels"), "--out", tmp_path / "l", *LABELS)
    rows = {line.split("  ")[0]: line for line in done.out.splitlines()}
    assert rows["Labels"].split()[1:3] == ["3:", "disc"]
    assert "Mean average precision" in rows
    assert "All labels right" in rows
    for shape in SHAPES:
        assert " %, recall " in rows[shape]
    assert "Accuracy" not in done.out
    assert "Warning" not in done.err
    done = drivetrain("train", place.table("sizes"), "--out", tmp_path / "n", *NUMBERS)
    assert "always answering the median: " in done.out
    assert "Within the interval  " in done.out
    assert "93.8 %  (" in done.out
    assert "Classes" not in done.out
    assert "Accuracy" not in done.out


def test_help_names_the_tasks(drivetrain: CommandLine) -> None:
    out = drivetrain("train", "--help").out
    for words in ("classification", "multi-label", "regression", "--delimiter", "--target"):
        assert words in out


# Predict, trace, inspect, report


def test_predicted_labels_and_numbers_as_json(drivetrain: CommandLine, labels: Made, sizes: Made, place: Place) -> None:
    files = [place.fresh[0].path, place.folder / "missing.png"]
    first, second = strict(drivetrain("predict", labels.bundle, *files, "--json").out)
    assert list(first["probs"]) == list(SHAPES)
    assert first["label"] is None
    assert first["values"] == {}
    assert set(first["labels"]) <= set(SHAPES)
    assert first["verdict"] in ("accept", "review", "out_of_domain")
    assert (second["verdict"], second["labels"], second["error"]) == ("unreadable", [], "missing: no such file")
    first, second = strict(drivetrain("predict", sizes.bundle, *files, "--json").out)
    value = first["values"]["size"]
    assert value["low"] < value["value"] < value["high"]
    assert (first["label"], first["labels"], first["probs"], first["confidence"]) == (None, [], {}, 0.0)
    assert first["verdict"] in ("review", "out_of_domain")
    assert (second["verdict"], second["values"]) == ("unreadable", {})


def test_predicted_labels_and_numbers_as_lines(
    drivetrain: CommandLine, labels: Made, sizes: Made, place: Place
) -> None:
    paths = [drawing.path for drawing in place.fresh]
    done = drivetrain("predict", labels.bundle, *paths)
    cells = [line.split("\t") for line in done.out.splitlines()]
    assert [row[0] for row in cells] == [str(path) for path in paths]
    right = [row[1] == (", ".join(d.labels) or "-") for row, d in zip(cells, place.fresh, strict=True)]
    assert sum(right) >= 12
    assert {tuple(row[3:]) for row in cells} <= {
        ("accept",),
        ("review", "low-confidence"),
        ("out_of_domain", "out-of-domain"),
        ("out_of_domain", "out-of-domain, low-confidence"),
    }
    done = drivetrain("predict", sizes.bundle, paths[0], place.folder / "missing.png")
    one, other = (line.split("\t") for line in done.out.splitlines())
    assert one[1].startswith("size ")
    assert " to " in one[1]
    assert one[2:] in (
        ["-", "review", "no-accept-rule"],
        ["-", "out_of_domain", "out-of-domain, no-accept-rule"],
    )
    assert other[1:] == ["-", "-", "unreadable", "missing: no such file"]


def test_a_label_with_a_tab_adds_no_column(drivetrain: CommandLine, place: Place, tmp_path: Path) -> None:
    done = drivetrain("train", place.table("sizes"), "-o", tmp_path / "b", *NUMBERS, "--target", "a\tb\nc")
    assert done.code == 0, done.err
    (line,) = drivetrain("predict", tmp_path / "b", place.fresh[0].path).out.splitlines()
    assert len(line.split("\t")) == 5


def test_tracing_shows_how_an_answer_comes_about(
    drivetrain: CommandLine, labels: Made, sizes: Made, place: Place
) -> None:
    image = place.fresh[0].path
    steps = {step["name"]: step for step in strict(drivetrain("trace", image, "-b", labels.bundle, "--json").out)}
    assert steps["head"]["shape"] == "3"
    assert steps["calibrate"]["note"].startswith("β = ")
    steps = {step["name"]: step for step in strict(drivetrain("trace", image, "-b", sizes.bundle, "--json").out)}
    assert steps["head"]["shape"] == "1"
    assert steps["calibrate"]["note"] == "numbers as they are"
    assert steps["judge"]["note"].startswith("review: size ")


def test_inspecting_shows_what_is_answered(drivetrain: CommandLine, labels: Made, sizes: Made) -> None:
    out = drivetrain("inspect", labels.bundle).out
    for words in (
        "Labels  ",
        "3: disc (",
        "Mean average precision",
        "All labels right",
        "Accepts  ",
        "5 golden images",
    ):
        assert words in out
    document = strict(drivetrain("inspect", labels.bundle, "--json").out)
    assert (document["task"], document["labels"]) == ("multi-label", list(SHAPES))
    out = drivetrain("inspect", sizes.bundle, "--no-golden").out
    for words in ("size ± ", "(holds about 90 %)", "Mean absolute error of size", "not checked"):
        assert words in out
    document = strict(drivetrain("inspect", sizes.bundle, "--json").out)
    assert (document["task"], document["targets"], document["coverage"]) == ("regression", ["size"], 0.9)
    assert document["parity"]["images"] == 5


def test_reports_are_found(drivetrain: CommandLine, labels: Made, tmp_path: Path) -> None:
    assert drivetrain("report", labels.bundle).out.strip() == str(labels.bundle / "report.html")
    drivetrain("report", labels.bundle, "--out", tmp_path / "r.html")
    assert "Precision and recall of each label" in (tmp_path / "r.html").read_text(encoding="utf-8")


# Evaluate


def test_evaluating_labels(drivetrain: CommandLine, labels: Made, place: Place, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    arguments = ("evaluate", labels.bundle, place.table("fresh-labels"), "--keep-leaks")
    document = strict(drivetrain(*arguments, "--report", page, "--json").out)
    assert (document["task"], document["n"], document["skipped"]) == ("multi-label", 16, 0)
    assert document["mean_average_precision"]["value"] > 0.8
    assert sum(row["count"] for row in document["labels"]) == sum(len(d.labels) for d in place.fresh)
    assert "confusion" not in document
    out = drivetrain(*arguments).out
    assert "16 judged, 0 skipped" in out
    assert "stripes" in out
    assert "label ↓ predicted →" not in out
    assert "Mean average precision" in page.read_text(encoding="utf-8")


def test_evaluating_numbers(drivetrain: CommandLine, sizes: Made, place: Place) -> None:
    arguments = ("evaluate", sizes.bundle, place.table("fresh-sizes"), "--keep-leaks")
    document = strict(drivetrain(*arguments, "--json").out)
    assert (document["task"], document["n"]) == ("regression", 16)
    (target,) = document["targets"]
    trained = strict(sizes.done.out)["targets"][0]
    assert target["half_width"] == pytest.approx(trained["half_width"])
    assert target["mean_absolute_error"]["value"] < target["baseline"]
    assert "Mean absolute error" in drivetrain(*arguments).out


def test_figures_that_cannot_be_reckoned_are_null(
    drivetrain: CommandLine, labels: Made, sizes: Made, changed: Callable[..., Path]
) -> None:
    table = changed("fresh-labels", lambda _: ";")
    document = strict(drivetrain("evaluate", labels.bundle, table, "--keep-leaks", "--json").out)
    assert document["mean_average_precision"]["value"] is None
    assert all(row["average_precision"] is None and row["recall"] is None for row in document["labels"])
    assert "– (none of the labels occurs)" in drivetrain("evaluate", labels.bundle, table, "--keep-leaks").out
    table = changed("fresh-sizes", lambda _: "7")
    document = strict(drivetrain("evaluate", sizes.bundle, table, "--keep-leaks", "--json").out)
    assert document["targets"][0]["r_squared"] is None
    done = drivetrain("evaluate", sizes.bundle, table, "--keep-leaks")
    assert "nan" not in done.out
    assert re.search(r"R² +–", done.out)


def test_labels_that_the_bundle_does_not_know(
    drivetrain: CommandLine, labels: Made, changed: Callable[..., Path]
) -> None:
    done = drivetrain("evaluate", labels.bundle, changed("fresh-labels", {2: "disc;round"}), "--keep-leaks", "--json")
    assert (done.document["n"], done.document["skipped"]) == (15, 1)
    assert done.document["skipped_files"][0]["reason"] == "unknown label"
    assert any("labels the bundle does not know (round) was not judged" in line for line in done.document["warnings"])
    done = drivetrain("evaluate", labels.bundle, changed("fresh-labels", lambda cell: f"{cell}|x"))
    assert done.code == 2
    assert "every image of " in done.error
    assert "does not know" in done.error
    assert "--delimiter" in done.error


# Delimiters and labels of all sorts


def test_unicode_labels_and_a_delimiter_with_spaces(
    drivetrain: CommandLine, place: Place, tmp_path: Path, changed: Callable[..., Path]
) -> None:
    names = {"disc": "größte Schüssel", "square": "正方形, rot", "stripes": "a;b"}

    def cell(text: str) -> str:
        return " | ".join(names[one] for one in text.split(";") if one) or "|"

    table, out = changed("labels", cell), tmp_path / "b"
    done = drivetrain("train", table, "-o", out, *LABELS, "--delimiter", " | ", "--json")
    assert done.code == 0, done.err
    wanted = sorted(names.values())
    assert list(done.document["classes"]) == wanted
    answer = drivetrain("predict", out, place.drawings[0].path, "--json").document[0]
    assert list(answer["probs"]) == wanted
    assert answer["labels"] == sorted(names[one] for one in place.drawings[0].labels)
    found = drivetrain("evaluate", out, table, "--delimiter", " | ", "--keep-leaks", "--json").document
    assert (found["n"], found["skipped"]) == (48, 0)
    out_text = drivetrain("inspect", out).out
    assert "größte Schüssel (" in out_text
    assert "正方形, rot (" in out_text


def test_a_cell_with_the_delimiter_alone_has_no_label_and_an_empty_one_is_skipped(
    drivetrain: CommandLine, tmp_path: Path, place: Place, changed: Callable[..., Path]
) -> None:
    none = [n for n, drawing in enumerate(place.drawings) if not drawing.labels]
    assert none
    table = changed("labels", {0: "", none[0]: " ; "})
    document = drivetrain("train", table, "-o", tmp_path / "b", *LABELS, "--json").document
    assert document["images"] == {"used": 47, "skipped": 1}
    assert document["skipped_files"][0]["reason"] == "no label"
    assert list(document["classes"]) == list(SHAPES)


def test_class_folders_are_labels_too(drivetrain: CommandLine, place: Place, tmp_path: Path) -> None:
    for shape in ("disc", "stripes"):
        (tmp_path / "folders" / shape).mkdir(parents=True)
        for drawing in place.drawings:
            if drawing.labels == (shape,):
                shutil.copy(drawing.path, tmp_path / "folders" / shape)
    document = drivetrain("train", tmp_path / "folders", "-o", tmp_path / "b", *LABELS, "--json").document
    assert list(document["classes"]) == ["disc", "stripes"]
    done = drivetrain("train", tmp_path / "folders", "-o", tmp_path / "c", *NUMBERS)
    assert done.code == 2
    assert "is labelled 'disc', which is no finite number; regression needs a plain number" in done.error


# Refusals, each in one line


def refusals() -> dict[str, tuple[str, Any, Sequence[str], str]]:
    """Table, what becomes of its cells, options, and what the error says."""
    return {
        "text for a number": ("sizes", {4: "large"}, NUMBERS, "004.png is labelled 'large', which is no finite number"),
        "labels for numbers": ("labels", {}, NUMBERS, "which is no finite number"),
        "NaN": ("sizes", {4: "nan"}, NUMBERS, "is labelled 'nan', which is no finite number"),
        "infinity": ("sizes", {4: "-inf"}, NUMBERS, "is labelled '-inf', which is no finite number"),
        "decimal comma": ("sizes", {4: "3,5"}, NUMBERS, "write a decimal point, not a comma"),
        "beyond bounds": ("sizes", {4: "1e39"}, NUMBERS, "has the number 1e+39; numbers may reach 1e+30"),
        "one constant number": ("sizes", lambda _: "7", NUMBERS, "“number” is 7 for all 48 usable images"),
        "a rare label": ("labels", {4: "disc;rare"}, LABELS, "at least two usable images: “rare” has 1; add images"),
        "a label of all": ("labels", lambda cell: f"{cell};all", LABELS, "usable images have the label “all”"),
        "no label at all": ("labels", lambda _: ";", LABELS, "none of the 48 images of "),
        "numbers as labels": ("sizes", {}, LABELS, "to predict a number, give --task regression"),
        "numbers as classes": ("sizes", {}, LITE0, "to predict a number, give --task regression"),
        "empty delimiter": ("labels", {}, (*LABELS, "--delimiter", ""), "the delimiter is empty; give the text"),
        "unknown task": ("labels", {}, ("--task", "multilabel"), "'multilabel' is not one of 'classification'"),
    }


@pytest.mark.parametrize(("name", "cells", "options", "message"), refusals().values(), ids=refusals().keys())
def test_what_cannot_be_learned_is_refused_in_one_line(
    drivetrain: CommandLine,
    tmp_path: Path,
    changed: Callable[..., Path],
    name: str,
    cells: Any,
    options: Sequence[str],
    message: str,
) -> None:
    done = drivetrain("train", changed(name, cells), "--out", tmp_path / "b", *options)
    assert done.code == 2
    assert message in done.error
    assert "Block" not in done.error
    assert not (tmp_path / "b").exists()


def test_what_cannot_be_evaluated_is_refused_in_one_line(
    drivetrain: CommandLine, labels: Made, sizes: Made, place: Place, changed: Callable[..., Path]
) -> None:
    for bundle, table, options, message in (
        (sizes.bundle, place.table("fresh-labels"), (), "which is no finite number"),
        (sizes.bundle, changed("fresh-sizes", {1: "nan"}), (), "001.png is labelled 'nan'"),
        (labels.bundle, place.table("fresh-labels"), ("--delimiter", ""), "the delimiter is empty"),
        (
            labels.bundle,
            place.table("fresh-sizes"),
            (),
            "has labels that the bundle (disc, square, stripes) does not know",
        ),
        (sizes.bundle, place.table("fresh-sizes"), ("--split", "test"), "has no split “test”; it has no splits"),
    ):
        done = drivetrain("evaluate", bundle, table, *options)
        assert done.code == 2
        assert message in done.error


def test_the_training_images_themselves_are_refused(drivetrain: CommandLine, sizes: Made, place: Place) -> None:
    done = drivetrain("evaluate", sizes.bundle, place.table("sizes"))
    assert done.code == 2
    assert "all 48 readable images of " in done.err.splitlines()[-1]


def test_when_no_file_can_be_read_the_exit_code_says_so(drivetrain: CommandLine, labels: Made, place: Place) -> None:
    done = drivetrain("predict", labels.bundle, place.folder / "missing.png")
    assert done.code == 1
    assert done.out.split("\t")[1:4] == ["-", "-", "unreadable"]
    assert done.err.splitlines() == ["error: the file cannot be read"]
