"""A grid of sources: folders, metadata and tables in the ways people have them, each with the items that it must give.

What a source must give is known from how it was made: nothing here asks the reader under test. Run this file to write the
grid's tables into ``docs/sources.md``.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet

DOCS = Path(__file__).resolve().parents[2] / "docs" / "sources.md"
BEGIN, END = (
    "<!-- The grid's tables are written by tests/data/source_grid.py. -->\n",
    "<!-- End of the grid's tables. -->\n",
)


class Expected(NamedTuple):
    """One item: the name of its file, its labels (None: the one of ``label`` is text), and its split."""

    name: str
    label: str | tuple[str, ...]
    split: str | None


@dataclass(frozen=True)
class Case:
    """A source: ``axes`` say what it is like, ``files`` are to be written below a folder, and ``opened`` of them is given (the
    folder itself where it is empty). ``expected`` is None where it must be refused."""

    axes: Mapping[str, str]
    files: Mapping[str, bytes | None]
    """Name → content; None for an input, whose bytes nobody reads."""
    expected: frozenset[Expected] | None
    opened: str = ""
    doubted: bool = False
    """Tells whether a column must be pointed out."""


Sides = Mapping[str, str]


@dataclass(frozen=True)
class Naming:
    """Folders beside one another, each with the split that it is; without any they are classes themselves."""

    folders: tuple[str, ...]
    splits: tuple[str | None, ...]

    @property
    def title(self) -> str:
        return ", ".join(self.folders)


TWO, THREE = ("train", "test"), ("train", "valid", "test")

NAMINGS = (
    Naming(("train", "valid", "test"), THREE),
    Naming(("Train", "Val", "TEST"), THREE),
    Naming(("training", "validation", "testing"), THREE),
    Naming(("training_set", "test_set"), TWO),
    Naming(("TrainingSet", "TestSet"), TWO),
    Naming(("trainset", "devset", "testset"), THREE),
    Naming(("seg_train", "seg_test"), TWO),
    Naming(("bears_train", "bears_val", "bears_test"), THREE),
    Naming(("train2017", "val2017"), ("train", "valid")),
    Naming(("train images", "eval images"), TWO),
    Naming(("train", "holdout"), TWO),
    Naming(("train", "hold-out"), TWO),
    Naming(("train", "evaluation"), TWO),
    Naming(("training", "development"), ("train", "valid")),
    Naming(("trn", "tst"), TWO),
    Naming(("train",), ("train",)),
    Naming(("testing_set",), ("test",)),
    Naming(("north", "south"), (None, None)),
    Naming(("steam_train", "crash_test"), (None, None)),
    Naming(("trainer", "tester"), (None, None)),
    Naming(("train_1", "train_2"), (None, None)),
)

NESTINGS: Mapping[str, Callable[[str], str]] = {
    "split/class": lambda folder: folder,
    "split/split/class": lambda folder: f"{folder}/{folder}",
    "split/images/class": lambda folder: f"{folder}/images",
    "data/split/class": lambda folder: f"data/{folder}",
    "data/data/split/split/class": lambda folder: f"data/data/{folder}/{folder}",
}

CLASSES: Mapping[str, tuple[str, ...]] = {
    "words": ("cat", "dog"),
    "numbers": ("0", "1", "10"),
    "like splits": ("train", "plane"),
    "decomposed": (unicodedata.normalize("NFD", "löwe"), "два слова"),
    "deeper folders": ("cat/night", "dog/day/noon"),
}

BESIDE: Mapping[str, tuple[str, ...]] = {"nothing": (), "unlabelled": ("pred/7.{e}", "notes/readme.txt")}


def folder_cases(ending: str) -> Iterator[Case]:
    """Class folders below folders that are splits, or are none."""
    for naming, (nesting, place), (called, classes), (beside, others) in product(
        NAMINGS, NESTINGS.items(), CLASSES.items(), BESIDE.items()
    ):
        is_split = any(naming.splits)
        if not is_split and (nesting != "split/class" or called == "like splits" or beside == "unlabelled"):
            continue  # folders that are no splits are classes wherever they stand: one layout is enough
        if len(naming.folders) == 1 and beside == "unlabelled" and naming.folders != ("train",):
            continue  # a folder that is no plain split is one only beside another, or alone
        files: dict[str, bytes | None] = {}
        expected = set()
        for folder, split in zip(naming.folders, naming.splits, strict=True):
            for kind in classes:
                name = f"{place(folder)}/{kind}/1.{ending}"
                label = unicodedata.normalize("NFC", kind.partition("/")[0]) if is_split else folder
                files[name] = None
                expected.add(Expected(name, label, split))
        above = "data/" if nesting.startswith("data/split") else "data/data/" if nesting.startswith("data/data") else ""
        for other in others:
            files[above + other.format(e=ending)] = b"text" if other.endswith(".txt") else None
        axes = {"folders": naming.title, "nesting": nesting, "classes": called, "beside": beside}
        yield Case(axes, files, frozenset(expected))


def as_table(rows: Sequence[Mapping[str, Any]], kind: str) -> bytes:
    """Rows as the content of a file; what has no text in CSV is left to the others."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if kind == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if kind == "parquet":
        sink = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table({c: [row.get(c) for row in rows] for c in columns}), sink)
        return sink.getvalue()
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter="\t" if kind == "tsv" else ",", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig" if kind == "csv" else "utf-8")


FORMATS = ("csv", "jsonl", "parquet")

PLACES: Mapping[str, tuple[str, str | None]] = {
    "on top": ("", None),
    "batch0": ("batch0", None),
    "train": ("train", "train"),
    "training/batch0": ("training/batch0", "train"),
    "data/test/part-1": ("data/test/part-1", "test"),
    "meta, of ../images": ("meta", None),
}
"""A metadata table's folder, and the split that its name gives what lies below."""


def metadata_cases(ending: str) -> Iterator[Case]:
    """Hugging Face metadata, on top or below, with labels or with groups for class folders."""
    for kind, (place, (folder, split)), labels in product(
        FORMATS, PLACES.items(), ("label", "labels", "category", "class folders")
    ):
        below = f"{folder}/" if folder else ""
        inner = "../images/" if folder == "meta" else ""
        by_folder = labels == "class folders"
        if by_folder and folder == "meta":
            continue
        rows, files, expected = [], dict[str, bytes | None](), set[Expected]()
        for label, number in product(("cat", "dog"), (1, 2)):
            listed = f"{inner}{f'{label}/' if by_folder else ''}{label}{number}.{ending}"
            name = listed.removeprefix("../") if inner else below + listed
            rows.append({"file_name": listed, **({"patient": "p"} if by_folder else {labels: label})})
            files[name] = None
            expected.add(Expected(name, label, split))
        files[f"{below}metadata.{kind}"] = as_table(rows, kind)
        if split is not None:  # the other side of the split, described in the same way
            other = {"train": "test", "training": "testing", "test": "train"}
            above = "/".join(other.get(part, part) for part in folder.split("/"))
            side = "test" if split == "train" else "train"
            for row, file in zip(rows, [name for name in files if not name.endswith(kind)], strict=True):
                name = f"{above}/{row['file_name']}"
                files[name] = None
                expected.add(Expected(name, next(one.label for one in expected if one.name == file), side))
            files[f"{above}/metadata.{kind}"] = as_table(rows, kind)
        yield Case({"metadata": kind, "in": place, "labels by": labels}, files, frozenset(expected))
    for kind, column in product(FORMATS, ("text", "objects")):
        files = {f"batch{n}/{n}.{ending}": None for n in (0, 1)}
        tables = {
            f"batch{n}/metadata.{kind}": as_table([{"file_name": f"{n}.{ending}", column: "x"}], kind) for n in (0, 1)
        }
        yield Case({"metadata": kind, "in": "batch0", "labels by": f"{column}: refused"}, {**files, **tables}, None)


@dataclass(frozen=True)
class Labels:
    """Columns that give each of three rows a label, or several."""

    columns: tuple[Mapping[str, Any], ...]
    expected: tuple[str | tuple[str, ...], ...]
    formats: tuple[str, ...] = ("csv", "tsv", "jsonl", "parquet")


def _one(column: str, *values: Any) -> Labels:
    return Labels(tuple({column: value} for value in values), tuple(map(str, values)))


LABELS: Mapping[str, Labels] = {
    **{column: _one(column, "cat", "dog", "dog") for column in ("label", "Class", "category", "TARGET", "labels", "tags")},
    "class_name": _one("class_name", "cat", "dog", "dog"),
    "whole numbers": _one("label", 0, 1, 1),
    "any name, alone": _one("breed", "cat", "dog", "dog"),
    "one-hot": Labels(({"cat": 1, "dog": 0}, {"cat": 0, "dog": 1}, {"cat": 0, "dog": 1}), ("cat", "dog", "dog")),
    "ones and zeros": Labels(
        ({"sea": 1, "sky": 1}, {"sea": 0, "sky": 0}, {"sea": 0, "sky": 1}), (("sea", "sky"), (), ("sky",))
    ),
    "−1 and 1": Labels(({"cat": 1, "dog": -1}, {"cat": -1, "dog": 1}, {"cat": -1, "dog": 1}), ("cat", "dog", "dog")),
    "lists": Labels(
        ({"labels": ["sea", "sky"]}, {"labels": []}, {"labels": ["sky"]}),
        (("sea", "sky"), (), ("sky",)),
        ("jsonl", "parquet"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Side:
    """A column that says the split of three rows, or looks as if it did."""

    column: str
    values: tuple[Any, ...]
    expected: tuple[str | None, ...] = (None, None, None)
    doubted: bool = False


SIDES: Mapping[str, Side | None] = {
    "no column": None,
    "split": Side("split", ("train", "valid", "test"), THREE),
    "Subset": Side("Subset", ("Training", "val", "TEST"), THREE),
    "is_valid": Side("is_valid", (False, True, False), ("train", "valid", "train")),
    "is_valid, 0 and 1": Side("is_valid", (0, 1, 0), ("train", "valid", "train")),
    "is_test, yes and no": Side("is_test", ("no", "yes", "no"), ("train", "test", "train")),
    "is_train": Side("is_train", (True, False, True), ("train", "valid", "train")),
    "partition": Side("partition", ("train", "dev", "test"), THREE),
    "phase": Side("phase", ("train", "val", "train"), ("train", "valid", "train")),
    "usage": Side("Usage", ("Training", "PublicTest", "PrivateTest"), ("train", "test", "test")),
    "fold, numbers": Side("fold", (0, 1, 2), doubted=True),
    "partition, numbers": Side("partition", (0, 1, 2), doubted=True),
    "is_valid, other cells": Side("is_valid", ("a", "b", "c"), doubted=True),
    "any name, splits": Side("where", ("train", "test", "train"), doubted=True),
}

PATHS: Mapping[str, Callable[[int, str], tuple[str, str]]] = {
    "path": lambda n, e: (f"images/{n}x.{e}", f"images/{n}x.{e}"),
    "file_name": lambda n, e: (f"./images//{n}x.{e}", f"images/{n}x.{e}"),
    "fname": lambda n, e: (f"images\\{n}x.{e}", f"images/{n}x.{e}"),
    "image_id": lambda n, e: (f"ISIC_{n}x", f"images/ISIC_{n}x.{e}"),
    "id": lambda n, e: (f"{n}x.{e}", f"deep/er/{n}x.{e}"),
    "left_file_name": lambda n, e: (f"{n}x.{e}", f"{n}x.{e}"),
    "whatever": lambda n, e: (f"images/{n}x.{e}", f"images/{n}x.{e}"),
}
"""A column of paths → a row's cell, and the file it names."""


def table_cases(ending: str) -> Iterator[Case]:
    """Tables given by themselves."""
    for kind, (column, path), (called, labels), (split, side) in product(
        ("csv", "tsv", "jsonl", "parquet"), PATHS.items(), LABELS.items(), SIDES.items()
    ):
        if kind not in labels.formats or (called == "any name, alone" and side is not None and side.column == "where"):
            continue  # two columns of names that say nothing leave open which is the label
        rows, files, expected = [], dict[str, bytes | None](), set[Expected]()
        for number, (cells, label) in enumerate(zip(labels.columns, labels.expected, strict=True)):
            listed, name = path(number, ending)
            rows.append({column: listed, **cells, **({side.column: side.values[number]} if side else {})})
            files[name] = None
            expected.add(Expected(name, label, side.expected[number] if side else None))
        files[f"table.{kind}"] = as_table(rows, kind)
        axes = {"table": kind, "path": column, "label": called, "split": split}
        yield Case(axes, files, frozenset(expected), f"table.{kind}", bool(side and side.doubted))


@dataclass
class Tally:
    """How many of the cases with each value of an axis came out as they must."""

    title: str
    good: Counter[tuple[str, str]] = field(default_factory=Counter)
    all: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, case: Case, good: bool) -> None:
        """Count a case."""
        for axis in case.axes.items():
            self.all[axis] += 1
            self.good[axis] += good

    def lines(self) -> list[str]:
        """The table's lines: axis, value, and how many of how many."""
        head = [f"### {self.title}", "", "| axis | value | as it must be |", "|---|---|---|"]
        axes = dict.fromkeys(axis for axis, _ in self.all)
        rows = [row for axis in axes for row in self.all if row[0] == axis]
        return [
            *head,
            *(f"| {axis} | {value} | {self.good[axis, value]} of {self.all[axis, value]} |" for axis, value in rows),
        ]


SECTIONS: Mapping[str, Callable[[str], Iterator[Case]]] = {
    "Class folders below split folders": folder_cases,
    "Metadata in folders": metadata_cases,
    "Tables": table_cases,
}


def section(tallies: Sequence[Tally]) -> str:
    """The part of the document that is written."""
    return BEGIN + "\n" + "\n\n".join("\n".join(tally.lines()) for tally in tallies) + "\n\n" + END


def documented() -> str:
    """The part of the document as it stands."""
    text = DOCS.read_text(encoding="utf-8")
    return text[text.index(BEGIN) : text.index(END) + len(END)] if BEGIN in text else ""


def _write() -> None:
    tallies = []
    for title, cases in SECTIONS.items():
        tallies.append(Tally(title))
        for case in cases("jpg"):
            tallies[-1].add(case, good=True)
    text = DOCS.read_text(encoding="utf-8")
    DOCS.write_text(text.replace(documented(), section(tallies)), encoding="utf-8")


if __name__ == "__main__":
    _write()
