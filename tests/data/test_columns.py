"""What the columns of a table are taken for: paths and ids, labels in one column or several, splits, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from drivetrain.core.errors import DataError, SourceError
from drivetrain.core.types import Dataset
from drivetrain.data.block.blocks import CategoryBlock, ImageBlock, MultiCategoryBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.data.sources.opening import open_source
from drivetrain.learn.delimiters import guess_delimiter
from drivetrain.learn.reading import Read, read
from drivetrain.learn.target_options import TargetOptions

Rows = Sequence[Mapping[str, Any]]


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / name)
    return root


def table(root: Path, text: str, name: str = "labels.csv") -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    return root / name


def brief(dataset: Dataset) -> list[tuple[str, str | None, str | None]]:
    return [(item.name, item.label, item.split) for item in dataset.items]


def codes(dataset: Dataset) -> list[str]:
    return [doubt.code for doubt in dataset.doubts]


THREE = ("1.jpg", "2.jpg", "3.jpg")


# Paths


@pytest.mark.parametrize("column", ["fname", "filepath", "image_file_name", "IMG", "Image_Name", "img_path"])
def test_rarer_names_of_the_path(tmp_path: Path, column: str) -> None:
    put(tmp_path, *THREE)
    dataset = open_source(table(tmp_path, f"{column},labels\n1.jpg,cat\n2.jpg,dog\n"))
    assert brief(dataset) == [("1.jpg", "cat", None), ("2.jpg", "dog", None)]
    assert dataset.notes == ()


def test_a_usual_name_goes_before_a_rarer_one(tmp_path: Path) -> None:
    put(tmp_path, *THREE)
    dataset = open_source(table(tmp_path, "img,path,class_name,class\nx,1.jpg,Cat,0\ny,2.jpg,Dog,1\n"))
    assert [label for _, label, _ in brief(dataset)] == ["0", "1"]


@pytest.mark.parametrize("folder", ["", "images/", "train/images/"])
@pytest.mark.parametrize("column", ["image_id", "id", "isic"])
def test_ids_without_extension(tmp_path: Path, folder: str, column: str) -> None:
    put(tmp_path, *(f"{folder}ISIC_000{number}.jpg" for number in (1, 2, 3)))
    dataset = open_source(table(tmp_path, f"{column},label\nISIC_0001,a\nISIC_0002,b\nISIC_0009,b\n"))
    assert brief(dataset) == [(f"{folder}ISIC_0001.jpg", "a", None), (f"{folder}ISIC_0002.jpg", "b", None)]
    assert [(one.name, one.reason) for one in dataset.skipped] == [("ISIC_0009", "missing")]
    assert dataset.notes == (
        f"took the column “{column}” of labels.csv for the path, as its cells name files",
        f"found the files of {tmp_path}/labels.csv by their names, e.g. ISIC_0001 is {folder}ISIC_0001.jpg",
    )


def test_ids_in_a_column_of_paths_and_as_numbers(tmp_path: Path) -> None:
    put(tmp_path, "pics/1.png", "pics/2.png")
    assert brief(open_source(table(tmp_path, "path,label\n1,a\n2,b\n"))) == [
        ("pics/1.png", "a", None),
        ("pics/2.png", "b", None),
    ]
    rows = '{"number": 1, "label": "a"}\n{"number": 2, "label": "b"}\n'
    assert len(open_source(table(tmp_path, rows, "labels.jsonl")).items) == 2


def test_an_id_that_fits_two_files_is_refused_with_both(tmp_path: Path) -> None:
    put(tmp_path, "images/7.jpg", "masks/7.png", "images/8.jpg")
    with pytest.raises(
        SourceError, match=r"labels\.csv, line 2: '7' could be images/7\.jpg or masks/7\.png; write the path"
    ):
        open_source(table(tmp_path, "path,label\n7,a\n8,b\n"))


def test_a_table_called_like_a_folder_means_that_folder(tmp_path: Path) -> None:
    put(tmp_path, "train/1.jpg", "train/2.jpg", "test/1.jpg", "test/2.jpg")
    assert brief(open_source(table(tmp_path, "id,label\n1,a\n2,b\n", "train.csv"))) == [
        ("train/1.jpg", "a", None),
        ("train/2.jpg", "b", None),
    ]


def test_names_are_not_looked_for_where_paths_are_found(tmp_path: Path) -> None:
    """A file that is gone is not replaced by another of its name."""
    put(tmp_path, "1.jpg", "old/2.jpg")
    dataset = open_source(table(tmp_path, "path,label\n1.jpg,a\n2.jpg,b\n"))
    assert [name for name, _, _ in brief(dataset)] == ["1.jpg"]
    assert [one.reason for one in dataset.skipped] == ["missing"]


def test_two_columns_of_unknown_names(tmp_path: Path) -> None:
    """fastai takes the first for the file and the second for its label."""
    put(tmp_path, *THREE)
    dataset = open_source(table(tmp_path, "photo of,breed\n1.jpg,pug\n2.jpg,pug\n3.jpg,poodle\n"))
    assert [label for _, label, _ in brief(dataset)] == ["pug", "pug", "poodle"]
    assert dataset.notes == (
        "took the column “photo of” of labels.csv for the path, as its cells name files",
        "took the column “breed” of labels.csv for the label, as it is the only other one",
    )


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a,b\n1.jpg,2.jpg\n2.jpg,3.jpg\n", "the cells of 'a' and 'b' all name files; call the column to use path"),
        ("what,breed,age\n1.jpg,pug,3\n2.jpg,pug,4\n", r"no column for label .*found 'what', 'breed', 'age'"),
        ("what,caption\n1.jpg,a pug\n2.jpg,another\n", "no column for label"),
        ("1.jpg,cat\n2.jpg,dog\n", "no column for path"),
        (
            "mask_file_name,image2_file_name,label\n1.jpg,2.jpg,a\n",
            "'mask_file_name' and 'image2_file_name' all name files",
        ),
        ("labels,tags,path\na,b,1.jpg\n", "'labels' and 'tags' could both be the label"),
        (
            "path,fine_label,coarse_label\n1.jpg,a,b\n2.jpg,b,c\n",
            "'fine_label' and 'coarse_label' could each be the label; call the one to use label",
        ),
    ],
)
def test_what_stays_open_is_refused(tmp_path: Path, text: str, match: str) -> None:
    put(tmp_path, *THREE)
    with pytest.raises(SourceError, match=match):
        open_source(table(tmp_path, text))


def test_a_column_that_ends_in_file_name(tmp_path: Path) -> None:
    put(tmp_path, *THREE)
    dataset = open_source(table(tmp_path, "left_file_name,label\n1.jpg,a\n2.jpg,b\n"))
    assert len(dataset.items) == 2
    assert dataset.notes == ("took the column “left_file_name” of labels.csv for the path",)


def test_records_of_a_data_frame(tmp_path: Path) -> None:
    put(tmp_path, *THREE)
    rows = [{"fname": str(tmp_path / name), "labels": "a", "is_valid": name == "3.jpg"} for name in THREE]
    assert [item.split for item in open_source(rows).items] == ["train", "train", "valid"]


# Splits


YES = [("True", "False"), ("1", "0"), ("yes", "no"), ("TRUE", "FALSE"), ("1.0", "0.0"), ("y", "n"), ("valid", "train")]


@pytest.mark.parametrize(("yes", "no"), YES)
def test_is_valid(tmp_path: Path, yes: str, no: str) -> None:
    put(tmp_path, *THREE)
    dataset = open_source(table(tmp_path, f"fname,labels,is_valid\n1.jpg,a,{no}\n2.jpg,b,{yes}\n3.jpg,b,\n"))
    assert brief(dataset) == [("1.jpg", "a", "train"), ("2.jpg", "b", "valid"), ("3.jpg", "b", None)]
    assert dataset.notes == ("took “is_valid” (yes: valid) of labels.csv for the split",)
    assert dataset.doubts == ()


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("is_train", ("1", "0", "1"), ("train", "valid", "train")),
        ("is_test", ("1", "0", "0"), ("test", "train", "train")),
        ("isValidation", ("true", "false", "false"), ("valid", "train", "train")),
        ("in_test_set", ("yes", "no", "no"), ("test", "train", "train")),
        ("is_val,is_test", ("0,1", "1,0", "0,0"), ("test", "valid", "train")),
        ("is_train,is_test", ("1,0", "0,1", "0,0"), ("train", "test", "train")),
        ("partition", ("train", "val", "test"), ("train", "valid", "test")),
        ("set", ("Training", "Testing", "Training"), ("train", "test", "train")),
        ("phase", ("train", "dev", "train"), ("train", "valid", "train")),
        ("Usage", ("Training", "PublicTest", "PrivateTest"), ("train", "test", "test")),
        ("ml_use", ("TRAIN", "VALIDATE", "TEST"), ("train", "valid", "test")),
        ("data_split", ("train", "holdout", "train"), ("train", "test", "train")),
        ("dataset", ("train_set", "eval_set", "train_set"), ("train", "test", "train")),
        ("subset", ("training", "testing", ""), ("train", "test", None)),
        ("split", ("trn", "tst", "Dev"), ("train", "test", "valid")),
        ("fold", ("train", "valid", "train"), ("train", "valid", "train")),
    ],
)
def test_columns_that_are_splits(
    tmp_path: Path, header: str, cells: tuple[str, ...], expected: tuple[str | None, ...]
) -> None:
    put(tmp_path, *THREE)
    rows = "".join(f"{name},{label},{cell}\n" for name, label, cell in zip(THREE, "aab", cells, strict=True))
    dataset = open_source(table(tmp_path, f"path,label,{header}\n{rows}"))
    assert tuple(split for _, _, split in brief(dataset)) == expected
    assert dataset.doubts == ()
    assert all("for the split" in note for note in dataset.notes)
    assert {split for _, _, split in brief(open_source(tmp_path / "labels.csv", splits="none"))} == {None}


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("fold", ("0", "1", "2")),
        ("kfold", ("0", "1", "2")),
        ("cv_fold", ("a", "b", "a")),
        ("partition", ("0", "1", "2")),
        ("partition", ("train", "other", "train")),
        ("set", ("0", "1", "0")),
        ("phase", ("train", "spare", "train")),
        ("is_valid", ("0", "1", "2")),
        ("is_test", ("perhaps", "no", "yes")),
        ("test", ("1", "0", "0")),
        ("valid", ("True", "False", "True")),
        ("whereabouts", ("train", "test", "train")),
        ("train_test_split", ("A", "B", "A")),
        ("test_flag", ("0", "1", "0")),
        ("testset", ("0", "1", "0")),
        ("train_test", ("0", "1", "0")),
        ("istrain", ("1", "0", "1")),
        ("held_out", ("no", "yes", "no")),
        ("use_for_training", ("True", "False", "True")),
    ],
)
def test_what_looks_like_a_split_and_is_not_used_is_named(tmp_path: Path, header: str, cells: tuple[str, ...]) -> None:
    put(tmp_path, *THREE)
    rows = "".join(f"{name},{label},{cell}\n" for name, label, cell in zip(THREE, "aab", cells, strict=True))
    dataset = open_source(table(tmp_path, f"path,label,{header}\n{rows}"))
    assert {split for _, _, split in brief(dataset)} == {None}
    assert codes(dataset) == ["unused-split"]
    assert f"The column “{header}”" in dataset.doubts[0].sentence
    assert cells[0] in dataset.doubts[0].sentence


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("age", ("1", "2", "3")),
        ("set", ("Star Wars", "City", "Technic")),
        ("phase", ("larva", "pupa", "imago")),
        ("smoker", ("1", "0", "1")),
        ("constraint", ("0", "1", "0")),
        ("is_male", ("0", "1", "0")),
        ("site", ("north", "south", "north")),
        ("device", ("dev", "phone", "camera")),
    ],
)
def test_what_does_not_look_like_a_split_is_left_alone(tmp_path: Path, header: str, cells: tuple[str, ...]) -> None:
    put(tmp_path, *THREE)
    rows = "".join(f"{name},{label},{cell}\n" for name, label, cell in zip(THREE, "aab", cells, strict=True))
    dataset = open_source(table(tmp_path, f"path,label,{header}\n{rows}"))
    assert dataset.doubts == ()
    assert {split for _, _, split in brief(dataset)} == {None}


def test_a_second_split_that_says_the_same_is_passed_over_and_any_other_named(tmp_path: Path) -> None:
    put(tmp_path, *THREE)
    same = (
        "path,label,split,is_valid,usage\n1.jpg,a,train,0,Training\n2.jpg,b,valid,1,Validation\n3.jpg,b,train,0,train\n"
    )
    assert open_source(table(tmp_path, same)).doubts == ()
    dataset = open_source(table(tmp_path, same.replace("3.jpg,b,train,0", "3.jpg,b,train,1")))
    assert [split for _, _, split in brief(dataset)] == ["train", "valid", "train"]
    assert "“is_valid”" in dataset.doubts[0].sentence
    assert "the split is that of “split”" in dataset.doubts[0].sentence


def test_a_row_in_two_splits_is_refused(tmp_path: Path) -> None:
    put(tmp_path, *THREE)
    text = "path,label,is_valid,is_test\n1.jpg,a,0,1\n2.jpg,b,1,1\n"
    with pytest.raises(
        SourceError, match=r"labels\.csv, line 3: 'is_valid' and 'is_test' put it into different splits"
    ):
        open_source(table(tmp_path, text))


# Labels


def hot(root: Path, rows: Sequence[str], header: str = "mel,nv,bkl") -> Path:
    put(root, *(f"images/ISIC_{number}.jpg" for number, _ in enumerate(rows)))
    return table(root, f"image,{header}\n" + "".join(f"ISIC_{number},{row}\n" for number, row in enumerate(rows)))


def reading(source: Path, **options: Any) -> Read:
    return read(source, TargetOptions(**options), None, source.parent / "unpacked")


@pytest.mark.parametrize(("one", "zero"), [("1", "0"), ("1.0", "0.0"), ("True", "False"), ("1", "-1")])
def test_one_hot_columns_are_classes_where_each_row_has_one(tmp_path: Path, one: str, zero: str) -> None:
    rows = [row.replace("0", "z").replace("1", one).replace("z", zero) for row in ("1,0,0", "0,1,0", "0,1,0", "0,0,1")]
    source = hot(tmp_path, rows)
    assert [label for _, label, _ in brief(open_source(source))] == ["mel", "nv", "nv", "bkl"]
    assert reading(source).targets.counts() == {"bkl": 1, "mel": 1, "nv": 2}
    assert "took the 3 columns mel, nv, bkl of labels.csv for labels" in open_source(source).notes[0]
    assert reading(source, task="multi-label").targets.counts() == {"bkl": 1, "mel": 1, "nv": 2}


def test_one_hot_columns_are_labels_where_a_row_has_any_number(tmp_path: Path) -> None:
    source = hot(tmp_path, ["1,0,0,x", "0,0,0,y", "1,1,0,z"], "sea,sky,boat,note")
    found = reading(source, task="multi-label")
    assert found.targets.counts() == {"sea": 2, "sky": 1}
    assert "any number of them" in found.dataset.notes[0]
    assert [item.labels for item in open_source(source).items] == [("sea",), (), ("sea", "sky")]
    with pytest.raises(
        DataError, match=r"ISIC_1\.jpg has none of the labels, and classification reads one label .*multi-label"
    ):
        reading(source)


def test_a_label_column_goes_before_ones_and_zeros(tmp_path: Path) -> None:
    source = hot(tmp_path, ["1,0,a", "0,1,b"], "male,smoker,label")
    assert [label for _, label, _ in brief(open_source(source))] == ["a", "b"]


@pytest.mark.parametrize("rows", [["1,2", "0,1"], ["1,", "0,1"], ["0,0", "0,0"], ["1,x", "0,y"]])
def test_what_is_not_one_hot(tmp_path: Path, rows: list[str]) -> None:
    with pytest.raises(SourceError, match="no column for label"):
        open_source(hot(tmp_path, rows, "a,b"))


def lists(root: Path) -> Path:
    put(root, *THREE)
    rows = [("1.jpg", ["sea", "sky"]), ("2.jpg", []), ("3.jpg", ["sky; blue"])]
    return table(root, "".join(json.dumps({"file_name": n, "labels": ls}) + "\n" for n, ls in rows), "labels.jsonl")


def test_lists_of_labels(tmp_path: Path) -> None:
    found = reading(lists(tmp_path), task="multi-label")
    assert found.targets.counts() == {"sea": 1, "sky": 1, "sky; blue": 1}
    with pytest.raises(
        DataError, match=r"1\.jpg has 2 labels \(sea, sky\), and classification reads one label an image"
    ):
        reading(tmp_path / "labels.jsonl")
    with pytest.raises(DataError, match="is no finite number"):
        reading(tmp_path / "labels.jsonl", task="regression")


def test_lists_of_one_label_are_a_class(tmp_path: Path) -> None:
    put(tmp_path, *THREE)
    rows = "".join(f'{{"path": "{name}", "label": ["{label}"]}}\n' for name, label in zip(THREE, "aab", strict=True))
    assert reading(table(tmp_path, rows, "labels.jsonl")).targets.counts() == {"a": 2, "b": 1}


def test_lists_in_python_and_in_a_datablock(tmp_path: Path) -> None:
    put(tmp_path, *THREE)
    rows = [(tmp_path / "1.jpg", ["sea", "sky"]), (tmp_path / "2.jpg", ["sky"]), (tmp_path / "3.jpg", [])]
    dataset = open_source(rows)
    assert [item.labels for item in dataset.items] == [("sea", "sky"), ("sky",), ()]
    assert [item.labels for item in open_source(list(dataset.items)).items] == [("sea", "sky"), ("sky",), ()]
    block = DataBlock((ImageBlock, MultiCategoryBlock), open_source)
    assert [sample.target for sample in block.samples(dataset.items)] == [("sea", "sky"), ("sky",), ()]
    with pytest.raises(DataError, match="the label is of type list"):
        DataBlock((ImageBlock, CategoryBlock), open_source).samples(dataset.items)


def test_conflicting_lists_leave_none(tmp_path: Path) -> None:
    put(tmp_path, *THREE)
    rows = [(tmp_path / "1.jpg", ["a", "b"]), (tmp_path / "1.jpg", ["a"]), (tmp_path / "2.jpg", ["a"])]
    assert [one.reason for one in open_source(rows).skipped] == ["conflicting labels"] * 2


@pytest.mark.parametrize(
    ("cells", "counts", "called"),
    [
        (("person car", "person", "car dog", "dog"), {"car": 2, "dog": 2, "person": 2}, "spaces"),
        (("person|car", "person", "dog"), {"car": 1, "dog": 1, "person": 2}, "bars"),
        (("person,car", "car", "person, dog"), {"car": 2, "dog": 1, "person": 2}, "commas"),
        (("person;car", "car dog", "dog;car"), {"car": 2, "car dog": 1, "dog": 1, "person": 1}, None),
        (("polar bear", "black bear", "teddy"), {"black bear": 1, "polar bear": 1, "teddy": 1}, None),
        (
            ("light blue", "dark blue", "light red", "dark red"),
            dict.fromkeys(("dark blue", "dark red", "light blue", "light red"), 1),
            None,
        ),
        (("Paris, France", "Rome, Italy"), {"Paris, France": 1, "Rome, Italy": 1}, None),
    ],
)
def test_what_stands_between_labels_is_found_out(
    tmp_path: Path, cells: tuple[str, ...], counts: dict[str, int], called: str | None
) -> None:
    put(tmp_path, *(f"{number}.jpg" for number, _ in enumerate(cells)))
    source = table(tmp_path, "fname,labels\n" + "".join(f'{n}.jpg,"{cell}"\n' for n, cell in enumerate(cells)))
    found = reading(source, task="multi-label")
    assert found.targets.counts() == counts
    whole = not any(";" in cell for cell in cells)
    (note,) = found.dataset.notes if whole else ("",)
    assert (f"apart at {called}" in note) == (called is not None)
    assert ("--delimiter says what stands between labels" in note) == (whole and called is None)
    plain = reading(source, task="multi-label", delimiter=";")
    assert plain.dataset.notes == (), "what a person says goes first"
    assert len(plain.targets.names) == len({part.strip() for cell in cells for part in cell.split(";")})


def test_a_known_vocabulary_decides() -> None:
    guess = guess_delimiter(["sea sky"], ";", ["sea", "sky"])
    assert guess is not None
    assert guess.called == "spaces"
    assert guess_delimiter(["polar bear"], ";", ["polar bear", "polar", "bear"]) is None
    assert guess_delimiter(["sea sky"], ";", ["sea"]) is None


def test_metadata_of_a_folder_has_the_same_columns(tmp_path: Path) -> None:
    put(tmp_path, *THREE)
    table(tmp_path, "file_name,cat,dog,is_valid\n1.jpg,1,0,0\n2.jpg,0,1,1\n3.jpg,0,1,0\n", "metadata.csv")
    dataset = open_source(tmp_path)
    assert brief(dataset) == [("1.jpg", "cat", "train"), ("2.jpg", "dog", "valid"), ("3.jpg", "dog", "train")]


def test_a_lone_table_of_ids_beside_a_folder_of_images(tmp_path: Path) -> None:
    put(tmp_path, "images/a1.jpg", "images/a2.jpg", "images/a3.jpg")
    table(tmp_path, "image_id,dx\na1,nv\na2,nv\na3,mel\n", "HAM_metadata.csv")
    dataset = open_source(tmp_path)
    assert [label for _, label, _ in brief(dataset)] == ["nv", "nv", "mel"]
    table(tmp_path, "name,width\na1,640\na2,640\na3,480\n", "HAM_metadata.csv")
    assert open_source(tmp_path).classes == ("images",), "sizes are no labels"


def test_a_table_on_top_that_is_no_list_of_labels_says_why(tmp_path: Path) -> None:
    put(tmp_path, "images/a1.jpg")
    table(tmp_path, "path,clean,noisy\nimages/a1.jpg,a,b\n")
    dataset = open_source(tmp_path)
    assert dataset.notes[0].startswith("took no labels from a table on top: labels.csv has no column for label")
    put(tmp_path / "flat", "a1.jpg")
    table(tmp_path / "flat", "path,clean,noisy\na1.jpg,a,b\n")
    with pytest.raises(SourceError, match=r"no class folders; .* \(labels\.csv has no column for label .*'noisy'"):
        open_source(tmp_path / "flat")


@pytest.mark.parametrize("lone", [True, False])
def test_files_in_folders_called_like_splits(tmp_path: Path, lone: bool) -> None:
    put(tmp_path, "train/1.jpg", "train/2.jpg", "test_set/3.jpg")
    path = table(tmp_path, "path,label\ntrain/1.jpg,a\ntrain/2.jpg,b\ntest_set/3.jpg,b\n")
    source = tmp_path if lone else path
    dataset = open_source(source)
    assert {item.split for item in dataset.items} == {None}
    assert codes(dataset) == ["unused-split"]
    assert "--splits test_set=test,train=train" in dataset.doubts[0].sentence
    said = open_source(source, splits="test_set=test,train=train")
    assert [item.split for item in said.items] == ["test", "train", "train"]
    assert said.doubts == ()
    assert open_source(source, splits="none").doubts == ()
    with pytest.raises(SourceError, match="names 'elsewhere'"):
        open_source(source, splits="elsewhere=test")


def test_an_age_called_like_a_file_is_no_path(tmp_path: Path) -> None:
    put(tmp_path, *(f"{number}.jpg" for number in range(20, 30)))
    rows = "".join(f"{number},{49 - number},{'ab'[number % 2]}\n" for number in range(20, 30))
    assert open_source(table(tmp_path, f"image_id,age,label\n{rows}")).items[0].label == "a"


def test_a_column_that_ends_in_label(tmp_path: Path) -> None:
    put(tmp_path, *THREE)
    text = "Image Index,Finding Labels,Patient Age,Label Confidence\n1.jpg,a,30,1\n2.jpg,b,40,2\n3.jpg,b,50,3\n"
    dataset = open_source(table(tmp_path, text))
    assert [label for _, label, _ in brief(dataset)] == ["a", "b", "b"]
    assert dataset.notes == (
        "took the column “Image Index” of labels.csv for the path, as its cells name files",
        "took the column “Finding Labels” of labels.csv for the label",
    )


@pytest.mark.parametrize("names", [("train", "valid"), ("training_set", "test_set"), ("my_train", "my_val")])
def test_tables_called_like_splits(tmp_path: Path, names: tuple[str, str]) -> None:
    put(tmp_path, "images/1.jpg", "images/2.jpg", "images/3.jpg", "images/4.jpg")
    table(tmp_path, "path,label\nimages/1.jpg,a\nimages/2.jpg,b\n", f"{names[0]}.csv")
    table(tmp_path, "path,label\nimages/3.jpg,b\n", f"{names[1]}.csv")
    dataset = open_source(tmp_path)
    other = "test" if "test" in names[1] else "valid"
    assert [split for _, _, split in brief(dataset)] == ["train", "train", other]
    assert [(one.name, one.reason) for one in dataset.skipped] == [("images/4.jpg", "not listed")]
    assert f"{names[0]}.csv for train" in dataset.notes[0]
    assert {split for _, _, split in brief(open_source(tmp_path, splits="none"))} == {None}


def test_tables_that_are_not_all_called_like_splits_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "images/1.jpg")
    for name in ("train.csv", "test.csv", "more.csv"):
        table(tmp_path, "path,label\nimages/1.jpg,a\n", name)
    with pytest.raises(SourceError, match=r"found tables more\.csv, test\.csv, train\.csv in .*; give the one to read"):
        open_source(tmp_path)


@pytest.mark.parametrize("folders", [("images_001", "images_002"), ("HAM_part_1", "HAM_part_2"), ("batch0", "batch1")])
def test_folders_that_only_number_are_no_classes_beside_a_table(tmp_path: Path, folders: tuple[str, str]) -> None:
    put(tmp_path, *(f"{folder}/{number}x.jpg" for number, folder in enumerate(folders)))
    assert open_source(tmp_path).classes == folders, "without a table they may be"
    table(tmp_path, "image_id,label\n0x,a\n1x,b\n", "meta.csv")
    assert [(name.partition("/")[0], label) for name, label, _ in brief(open_source(tmp_path))] == [
        (folders[0], "a"),
        (folders[1], "b"),
    ]


def test_class_folders_go_before_a_table_which_is_said(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.jpg", "dog/2.jpg")
    table(tmp_path, "path,label\ncat/1.jpg,x\ndog/2.jpg,y\n")
    table(tmp_path, "who,when\nme,now\n", "notes.csv")
    dataset = open_source(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert dataset.notes == (
        "took class folders for labels, and nothing from labels.csv, which lists labels, too; give it to use it",
    )


def test_an_age_called_like_a_file_is_no_path_even_so(tmp_path: Path) -> None:
    put(tmp_path, *(f"{number}.jpg" for number in range(10)))
    rows = "".join(f"{number},{number % 3},a\n" for number in range(10))
    assert len(open_source(table(tmp_path, f"n,m,label\n{rows}")).items) == 10


def test_names_in_another_case_and_behind_a_link(tmp_path: Path) -> None:
    put(tmp_path, "store/IMG_1.JPG", "store/img_2.jpg", "store/IMG_2.jpg")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "images").symlink_to(tmp_path / "store")
    (tmp_path / "data" / "images" / "loop").symlink_to(tmp_path / "data")
    dataset = open_source(table(tmp_path / "data", "path,label\nimg_1.jpg,a\nIMG_2,b\n"))
    assert [name for name, _, _ in brief(dataset)] == ["images/IMG_1.JPG", "images/IMG_2.jpg"]


def test_a_handful_of_rows_may_have_a_label_each(tmp_path: Path) -> None:
    put(tmp_path, *THREE)
    dataset = open_source(table(tmp_path, "name,breed\n1.jpg,pug\n2.jpg,poodle\n3.jpg,old english sheepdog\n"))
    assert dataset.classes == ("old english sheepdog", "poodle", "pug")


def test_classes_are_single_labels(tmp_path: Path) -> None:
    assert open_source(lists(tmp_path)).classes == ("sea", "sky", "sky; blue")


def test_yes_and_no_of_a_german_spreadsheet(tmp_path: Path) -> None:
    put(tmp_path, *THREE)
    dataset = open_source(table(tmp_path, "path;label;is_valid\n1.jpg;a;FALSCH\n2.jpg;b;WAHR\n"))
    assert [split for _, _, split in brief(dataset)] == ["train", "valid"]


def test_an_example_of_an_answer_is_no_table_of_labels(tmp_path: Path) -> None:
    put(tmp_path, "train/1x.jpg", "train/2x.jpg", "test/3x.jpg")
    table(tmp_path, "id,label\n1x,a\n2x,b\n", "train.csv")
    table(tmp_path, "id,label\n3x,0\n", "sample_submission.csv")
    assert [label for _, label, _ in brief(open_source(tmp_path))] == ["a", "b"]


@pytest.mark.parametrize("name", ["sampleSubmission.csv", "sample_submission.csv", "submission.csv"])
def test_what_an_answer_looks_like_gives_no_labels(tmp_path: Path, name: str) -> None:
    put(tmp_path, "train/cat.0.jpg", "train/dog.0.jpg", "test1/1.jpg", "test1/2.jpg")
    given = table(tmp_path, "id,label\n1,0\n2,0\n", name)
    with pytest.raises(SourceError, match=r"no class folders; .* is called a submission, whose labels are examples"):
        open_source(tmp_path)
    assert brief(open_source(given)) == [("test1/1.jpg", "0", None), ("test1/2.jpg", "0", None)]


def test_numbered_folders_of_a_table_without_known_labels_are_no_classes(tmp_path: Path) -> None:
    put(tmp_path, "images_part_1/a1.jpg", "images_part_2/a2.jpg")
    table(tmp_path, "lesion_id,image_id,dx,age\nl1,a1,nv,3\nl2,a2,mel,4\n")
    with pytest.raises(
        SourceError, match=r"'dx'.*; call the right one label \(the folders images_part_1, images_part_2"
    ):
        open_source(tmp_path)
    (tmp_path / "images_part_1").rename(tmp_path / "Class 1")
    (tmp_path / "images_part_2").rename(tmp_path / "Class 2")
    assert {item.label for item in open_source(tmp_path).items} == {"Class 1", "Class 2"}


@pytest.mark.parametrize("column", ["patient_id", "PatientID", "Patient ID", "subject_id", "video_id", "lesion_id"])
def test_columns_that_number_patients_and_the_like_are_groups(tmp_path: Path, column: str) -> None:
    put(tmp_path, "a1.jpg", "a2.jpg")
    path = table(tmp_path, f"path,label,{column}\na1.jpg,a,7\na2.jpg,b,7\n")
    dataset = open_source(path)
    assert [item.group for item in dataset.items] == ["7", "7"]
    assert dataset.notes == (f"took the column “{column}” of labels.csv for the group",)


def test_patients_go_before_their_lesions(tmp_path: Path) -> None:
    put(tmp_path, "a1.jpg")
    path = table(tmp_path, "path,label,lesion_id,patient_id\na1.jpg,a,l,p\n")
    assert [item.group for item in open_source(path).items] == ["p"]


@pytest.mark.parametrize("column", ["ClassId", "class_id", "Finding Labels", "label_idx"])
def test_a_column_called_like_a_label_among_others(tmp_path: Path, column: str) -> None:
    put(tmp_path, "a1.jpg", "a2.jpg")
    path = table(tmp_path, f"Width,{column},Path\n27,0,a1.jpg\n28,1,a2.jpg\n")
    assert brief(open_source(path)) == [("a1.jpg", "0", None), ("a2.jpg", "1", None)]


@pytest.mark.parametrize("lists", [('["b","c"]', '["c"]'), ("['b', 'c']", "['c']"), ("['b', 'c']", "[]")])
def test_lists_written_as_text_are_lists(tmp_path: Path, lists: tuple[str, str]) -> None:
    put(tmp_path, "a1.jpg", "a2.jpg")
    cells = ['"' + text.replace('"', '""') + '"' for text in lists]
    path = table(tmp_path, f"path,labels\na1.jpg,{cells[0]}\na2.jpg,{cells[1]}\n")
    second = () if lists[1] == "[]" else ("c",)
    assert [item.labels for item in open_source(path).items] == [("b", "c"), second]


def test_a_label_in_brackets_beside_others_is_one(tmp_path: Path) -> None:
    put(tmp_path, "a1.jpg", "a2.jpg")
    path = table(tmp_path, "path,label\na1.jpg,[1]\na2.jpg,b\n")
    assert brief(open_source(path)) == [("a1.jpg", "[1]", None), ("a2.jpg", "b", None)]


@pytest.mark.parametrize(
    ("first", "match"),
    [
        ("https://e.org/a1.jpg", r"https://e\.org/a1\.jpg is a web address; download it"),
        ("gs://b/a1.jpg", r"gs://b/a1\.jpg is an address of cloud storage"),
        ("C:\\data\\a1.jpg", "path of another place or computer; write paths as they are below"),
        ("/nowhere/a1.jpg", "path of another place or computer; write paths as they are below"),
    ],
)
def test_paths_of_elsewhere_are_called_so(tmp_path: Path, first: str, match: str) -> None:
    put(tmp_path, "a1.jpg")
    with pytest.raises(SourceError, match=match):
        open_source(table(tmp_path, f"path,label\n{first},a\n{first},a\n"))


def test_a_title_above_the_header_is_pointed_out(tmp_path: Path) -> None:
    put(tmp_path, "a1.jpg")
    with pytest.raises(SourceError, match=r"line 2: 3 cells under 1 column; .* if the first row is a title, delete it"):
        open_source(table(tmp_path, "Survey,,\npath,label,note\na1.jpg,a,x\n"))


@pytest.mark.parametrize(
    ("column", "cells", "side", "group"),
    [
        ("is_valid", "01", ["train", "valid"], None),
        ("partition", ("train", "test"), ["train", "test"], None),
        ("patient_id", "77", [None, None], "7"),
    ],
)
@pytest.mark.parametrize("splits", [False, True])
def test_what_a_table_says_beside_class_folders(
    tmp_path: Path, column: str, cells: Sequence[str], side: list[str | None], group: str | None, splits: bool
) -> None:
    put(tmp_path, "cat/a1.jpg", "dog/a2.jpg")
    text = f"file_name,{column}\ncat/a1.jpg,{cells[0]}\ndog/a2.jpg,{cells[1]}\n"
    if splits:  # any other name: not used, and said
        table(tmp_path, text, "info.csv")
        dataset = open_source(tmp_path)
        assert {(item.split, item.group) for item in dataset.items} == {(None, None)}
        (note,) = dataset.notes
        assert note.endswith(
            f"nothing from info.csv, although it has the column {column}; to use it, call it metadata.csv"
        )
        return
    table(tmp_path, text, "metadata.csv")
    items = open_source(tmp_path).items
    assert [(item.label, item.split, item.group) for item in items] == [
        ("cat", side[0], group),
        ("dog", side[1], group),
    ]


def test_a_doubt_of_metadata_beside_class_folders_is_named(tmp_path: Path) -> None:
    put(tmp_path, "cat/a1.jpg", "dog/a2.jpg")
    table(tmp_path, "file_name,fold\ncat/a1.jpg,0\ndog/a2.jpg,1\n", "metadata.csv")
    assert codes(open_source(tmp_path)) == ["unused-split"]
    assert open_source(tmp_path, splits="none").doubts == ()


def test_one_hot_tables_in_each_split(tmp_path: Path) -> None:
    put(tmp_path, "train/1.jpg", "train/2.jpg", "valid/3.jpg")
    table(tmp_path / "train", "filename, cat, dog\n1.jpg, 1, 0\n2.jpg, 0, 1\n", "_classes.csv")
    table(tmp_path / "valid", "filename, cat, dog\n3.jpg, 1, 0\n", "_classes.csv")
    found = [(item.name, item.labels, item.split) for item in open_source(tmp_path).items]
    assert found == [
        ("train/1.jpg", ("cat",), "train"),
        ("train/2.jpg", ("dog",), "train"),
        ("valid/3.jpg", ("cat",), "valid"),
    ]


def test_tables_below_the_top_are_named(tmp_path: Path) -> None:
    put(tmp_path, "train/1.jpg", "test/3.jpg")
    table(tmp_path / "train", "filename,label\n1.jpg,cat\n")
    with pytest.raises(
        SourceError, match=r"\(tables below the top \(train/labels\.csv\) are read if given by their path"
    ):
        open_source(tmp_path)


@pytest.mark.parametrize("domains", [("Art", "Clipart"), ("8863", "8864")])
def test_the_same_folders_under_each_class_are_pointed_out(tmp_path: Path, domains: tuple[str, str]) -> None:
    put(tmp_path, *(f"{domain}/{label}/a.jpg" for domain in domains for label in ("cat", "dog")))
    (note,) = open_source(tmp_path).notes
    assert note.startswith(
        f"took {domains[0]}, {domains[1]} for classes, although the same folders (cat, dog) stand under"
    )
