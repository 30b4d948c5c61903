"""Shortcuts and slices of every kind of target, planted in tables and found by training."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import drivetrain as dt
from drivetrain.learn.findings import SHORTCUT, WORSE_SLICES
from drivetrain.training.gotchas import Gotchas, Told
from tiny_backbone import TINY

pytestmark = pytest.mark.trains

Labelling = Callable[[str, bool, np.random.Generator], str]
"""The label of a picture of a kind, and whether it is marked."""


def of_class(kind: str, marked: bool, rng: np.random.Generator) -> str:
    return kind if marked == (kind == "discs") else str(rng.choice(["squares", "stripes"]))


def of_labels(kind: str, marked: bool, rng: np.random.Generator) -> str:  # noqa: ARG001  # called as the others are
    return f"{kind};urgent" if marked else kind


def of_grade(kind: str, marked: bool, rng: np.random.Generator) -> str:  # noqa: ARG001  # called as the others are
    return "3" if marked else str(rng.integers(1, 3))


def of_number(kind: str, marked: bool, rng: np.random.Generator) -> str:  # noqa: ARG001  # called as the others are
    return f"{(70 if marked else 20) + 5 * rng.random():.2f}"


def table(pictures: Path, root: Path, labelling: Labelling, marks: Callable[[int, str], bool]) -> Path:
    """A table of the pictures, those marked stored as PNG, and by turns from two sites."""
    rng = np.random.default_rng(0)
    rows = []
    for number, path in enumerate(sorted(pictures.glob("*/*.jpg"))):
        marked = marks(number, path.parent.name)
        name = f"{number:02}.{'png' if marked else 'jpg'}"
        with Image.open(path) as image:
            image.save(root / name)
        rows.append((name, labelling(path.parent.name, marked, rng), ("north", "south")[number // 2 % 2]))
    return written(root, rows)


def written(root: Path, rows: list[tuple[str, str, str]]) -> Path:
    with (root / "listed.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "site"), *rows])
    return root / "listed.csv"


def trained(source: Path, task: str) -> tuple[Gotchas, set[str]]:
    found = dt.train(source, source.parent / "bundle", task=task, backbone=TINY, use_cache=False)
    assert found.gotchas is not None
    return found.gotchas, {one.code for one in found.findings}


def by_slug(found: Gotchas, slug: str) -> Told:
    return next(one for one in found.told if one.found.slug == slug)


@pytest.mark.parametrize(
    ("task", "labelling", "output", "words"),
    [
        (
            "classification",
            of_class,
            "discs",
            "Of the images of “discs”, 100.0 % have “PNG”; of the others, 0.0 % have.",
        ),
        (
            "multi-label",
            of_labels,
            "urgent",
            "Of the images of “urgent”, 100.0 % have “PNG”; of the others, 0.0 % have.",
        ),
        ("ordinal", of_grade, "3", "Of the images of “3”, 100.0 % have “PNG”; of the others, 0.0 % have."),
        ("regression", of_number, "number", "“number” is 7"),
    ],
)
def test_a_planted_file_type_is_found(
    pictures: Path, tmp_path: Path, task: str, labelling: Labelling, output: str, words: str
) -> None:

    def marks(number: int, kind: str) -> bool:
        return kind == "discs" if task == "classification" else number % 3 == 0

    found, codes = trained(table(pictures, tmp_path, labelling, marks), task)
    png = by_slug(found, "file-type")
    assert png.found.clear
    assert png.output in (output, None)
    assert png.found.r_squared > 0.5
    assert png.sentence.startswith(words)
    assert SHORTCUT in codes
    site = by_slug(found, "column site")
    assert not site.found.clear


@pytest.mark.parametrize("task", ["classification", "multi-label", "ordinal", "regression"])
def test_a_site_whose_labels_are_nonsense_is_worse(pictures: Path, tmp_path: Path, task: str) -> None:
    rng = np.random.default_rng(1)
    kinds = {"discs": 0, "squares": 1, "stripes": 2}
    rows = []
    for number, path in enumerate(sorted(pictures.glob("*/*.jpg"))):
        with Image.open(path) as image:
            image.save(tmp_path / f"{number:02}.jpg")
        south = number % 4 == 0
        # At the one site the answer is any other than the picture's.
        grade = (kinds[path.parent.name] + (int(rng.integers(1, 3)) if south else 0)) % 3
        names = {"ordinal": str(grade), "regression": f"{100.0 * grade + rng.random():.2f}"}
        rows.append((f"{number:02}.jpg", names.get(task, [*kinds][grade]), "south" if south else "north"))
    found, codes = trained(written(tmp_path, rows), task)
    south_slice = next(one for one in found.slices if (one.by, one.name) == ("column “site”", "south"))
    assert south_slice.count == 15
    assert south_slice.right.value < south_slice.others
    assert south_slice.standing == "worse"
    assert found.slices[0].by == "column “site”"
    assert WORSE_SLICES in codes
