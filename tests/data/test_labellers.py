"""Labellers and getters: paths, Items, rows of several kinds, and errors that say what was received."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import pytest

from drivetrain.core.errors import DataError, SourceError, UsageError
from drivetrain.core.types import Item
from drivetrain.data.block.getters import get_image_files, get_rows
from drivetrain.data.block.labellers import ColReader, RegexLabeller, parent_label, read_column

ROW = {"file": "a.jpg", "labels": "sea sky", "age": 27}


class SeriesLike:
    """As much of a pandas row as a labeller needs: keys, ``in`` by key, and cells."""

    def __init__(self, **cells: object) -> None:
        self.cells = cells

    def keys(self) -> object:
        return self.cells.keys()

    def __iter__(self) -> object:
        return iter(self.cells.values())  # pandas iterates over values, not names

    def __contains__(self, name: object) -> bool:
        return name in self.cells

    def __getitem__(self, name: str) -> object:
        return self.cells[name]


class FrameLike:
    """As much of a data frame as `get_rows` needs."""

    columns = ("file", "age")

    def to_dict(self, orient: str) -> list[dict[str, object]]:
        assert orient == "records"
        return [{"file": "a.jpg", "age": 27}]


def test_parent_label() -> None:
    for item in ("x/cat/1.jpg", Path("cat/1.jpg"), Item(Path("train/cat/1.jpg"), "1.jpg")):
        assert parent_label(item) == "cat"
    assert parent_label("cafe\u0301/1.jpg") == "caf\u00e9", "macOS spells é with two characters"
    with pytest.raises(DataError, match=r"received '1\.jpg', which stands in no folder"):
        parent_label("1.jpg")
    with pytest.raises(DataError, match=r"received dict with 'file', 'labels', 'age', which is no path.*ColReader"):
        parent_label(ROW)


def test_regex_labeller_looks_in_the_name_or_with_a_slash_in_the_path() -> None:
    assert RegexLabeller(r"^(.+)_\d+")("100_classes/beagle_7.jpg") == "beagle"
    assert RegexLabeller(r"^\d+")(Item(Path("x/27_a.jpg"), "x")) == "27", "no group: the whole match"
    assert RegexLabeller(r"([^/]+)/[^/]+$")(Path("x") / "beagle" / "7.jpg") == "beagle"
    with pytest.raises(DataError, match=r"the pattern '\^\(\\\\d\+\)_' is not found in the name 'cat.jpg'"):
        RegexLabeller(r"^(\d+)_")("5_a/cat.jpg")
    with pytest.raises(DataError, match="finds nothing between its brackets"):
        RegexLabeller(r"(x*)cat")("cat.jpg")
    with pytest.raises(UsageError, match=r"'\(' is not a regular expression"):
        RegexLabeller("(")


def test_columns_of_every_kind_of_row() -> None:
    named = namedtuple("named", ["file", "age"])("a.jpg", 27)  # as pandas' itertuples makes them
    for row in (ROW, named, SeriesLike(**ROW)):
        assert read_column(row, "age") == 27
    assert read_column(("a.jpg", 27), 1) == read_column(["a.jpg", 27], -1) == 27
    assert read_column(Item(Path("a"), "a", weight=2.0), "weight") == 2.0


@pytest.mark.parametrize(
    ("item", "column", "match"),
    [
        (ROW, "Age", "there is no column 'Age'; found 'file', 'labels', 'age'"),
        (Item(Path("a"), "a"), "age", "no column 'age'; found 'path', 'name', 'label'"),
        (("a.jpg", 27), "age", r"no column 'age'; received \('a.jpg', 27\)"),
        (("a.jpg", 27), 2, "no column 2"),
        (Path("cat/a.jpg"), "age", "received path cat/a.jpg, which has no columns; give rows"),
        ({}, "age", "found no columns"),
    ],
)
def test_a_column_that_is_not_there(item: object, column: str | int, match: str) -> None:
    with pytest.raises(DataError, match=match):
        ColReader(column)(item)


def test_col_reader_cuts_and_joins() -> None:
    assert ColReader("labels", label_delim=" ")(ROW) == ["sea", "sky"]
    assert ColReader("labels", label_delim=";")({"labels": "sea; sky;"}) == ["sea", "sky"]
    assert ColReader("labels", label_delim=" ")({"labels": float("nan")}) == []
    assert ColReader(("age", "file"))(ROW) == (27, "a.jpg")
    assert ColReader("file", prefix="photos/")(ROW) == "photos/a.jpg"
    assert ColReader("age", prefix=Path("p"), suffix=".png")(ROW) == Path("p/27.png")
    with pytest.raises(DataError, match="column 'file' is empty"):
        ColReader("file", prefix="photos/")({"file": ""})
    with pytest.raises(UsageError, match="label_delim is an empty text"):
        ColReader("labels", label_delim="")


def test_image_files_are_sorted_and_litter_is_passed_over(pictures: Path, tmp_path: Path) -> None:
    files = get_image_files(pictures)
    assert len(files) == 60
    assert files == sorted(files)
    (tmp_path / "a.jpg").write_bytes(files[0].read_bytes())
    (tmp_path / ".hidden.jpg").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.jpg").write_bytes(files[1].read_bytes())
    assert [path.name for path in get_image_files(str(tmp_path))] == ["a.jpg", "b.jpg"]
    assert [path.name for path in get_image_files(tmp_path, recurse=False)] == ["a.jpg"]


def test_image_files_of_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    for source, match in (
        (tmp_path / "none", "does not exist; give the folder"),
        (tmp_path / "a.csv", "is a file, not a folder"),
        (tmp_path, r"found no images in .* \(1 other file"),
        ([1], r"received \[1\]; get_image_files needs a folder"),
    ):
        with pytest.raises(SourceError, match=match):
            get_image_files(source)  # type: ignore[arg-type]


def test_rows_of_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("file,age\na.jpg,27\n")
    assert get_rows(tmp_path / "a.csv") == [{"file": "a.jpg", "age": "27"}]
    assert get_rows(FrameLike()) == get_rows(iter([{"file": "a.jpg", "age": 27}])) == [{"file": "a.jpg", "age": 27}]
    with pytest.raises(SourceError, match=r"row 1 is \['b'\]; every row must be a mapping"):
        get_rows([{"a": 1}, ["b"]])
    with pytest.raises(SourceError, match="received 7 of type int"):
        get_rows(7)
    with pytest.raises(SourceError, match="is no table"):
        get_rows(tmp_path)


def test_rows_of_parquet_have_every_column(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"file": ["a.jpg"], "age": [27]}), tmp_path / "a.parquet")
    assert get_rows(tmp_path / "a.parquet") == [{"file": "a.jpg", "age": 27}]
