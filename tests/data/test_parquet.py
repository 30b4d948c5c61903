"""Parquet as hubs give it: pictures inside the table, class names in the schema, one file or many a split."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from PIL import Image

from drivetrain.core.errors import SourceError
from drivetrain.core.types import Dataset, Item
from drivetrain.data.block.getters import get_rows
from drivetrain.data.sources.embedded import PictureColumn, files_of
from drivetrain.data.sources.opening import open_source
from drivetrain.data.sources.unpacked import UnpackLimits

IMAGE = {"_type": "Image"}
PETS = {"_type": "ClassLabel", "names": ["cat", "dog"]}
FEATURES = {"image": IMAGE, "label": PETS}


def jpeg(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (shade % 256, shade // 256, 7)).save(buffer, "JPEG")
    return buffer.getvalue()


def held(count: int, first: int = 0) -> list[dict[str, object]]:
    return [{"bytes": jpeg(shade), "path": f"b{shade:03}.jpg"} for shade in range(first, first + count)]


def write(path: Path, columns: Mapping[str, Any], features: Mapping[str, Any] | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table(dict(columns))
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pyarrow.parquet.write_table(table, path, **options)
    return path


def read(path: Path, *, labelled: bool = True) -> Dataset:
    return open_source(path, unpack_dir=path.parent / "unpacked", labelled=labelled)


def brief(dataset: Dataset) -> list[tuple[str, str | None]]:
    return [(item.name, item.label) for item in dataset.items]


def labels(folder: Path, values: Sequence[Any], feature: Mapping[str, Any] | None = None) -> list[str | None]:
    features = {"image": IMAGE, **({"label": feature} if feature else {})}
    items = read(write(folder / "x.parquet", {"image": held(len(values)), "label": values}, features)).items
    return [item.label for item in items]


def test_pictures_inside_become_files_with_the_schemas_names(tmp_path: Path) -> None:
    path = write(tmp_path / "pets.parquet", {"image": held(3), "label": [1, 0, -1]}, FEATURES)
    dataset = read(path)
    assert brief(dataset) == [("pets.parquet/0000001-b000.jpg", "dog"), ("pets.parquet/0000002-b001.jpg", "cat")]
    assert [item.path.read_bytes() for item in dataset.items] == [jpeg(0), jpeg(1)]
    assert [(one.name, one.reason) for one in dataset.skipped] == [("pets.parquet/0000003-b002.jpg", "no label")]
    assert all(tmp_path / "unpacked" in item.path.parents for item in dataset.items)
    assert dataset.source == str(path)


def test_without_labels_all_pictures_count(tmp_path: Path) -> None:
    path = write(tmp_path / "pets.parquet", {"image": held(3), "label": [1, 0, -1]}, FEATURES)
    assert [label for _, label in brief(read(path, labelled=False))] == [None] * 3
    alone = write(tmp_path / "alone.parquet", {"image": [jpeg(1), jpeg(2)]})
    assert [name for name, _ in brief(read(alone, labelled=False))] == [
        "alone.parquet/0000001",
        "alone.parquet/0000002",
    ]


def test_they_are_unpacked_once_beside_the_table_unless_told_otherwise(tmp_path: Path) -> None:
    path = write(tmp_path / "pets.parquet", {"image": held(2), "label": ["cat", "dog"]})
    (first,) = {item.path.parent.parent for item in open_source(path).items}
    assert first.parent == tmp_path / ".drivetrain-unpacked"
    before = {file: file.stat().st_mtime_ns for file in first.rglob("*")}
    assert brief(open_source(path)) == [
        ("pets.parquet/0000001-b000.jpg", "cat"),
        ("pets.parquet/0000002-b001.jpg", "dog"),
    ]
    assert {file: file.stat().st_mtime_ns for file in first.rglob("*")} == before
    write(path, {"image": held(2, 5), "label": ["cat", "dog"]})
    assert {item.path.read_bytes() for item in open_source(path).items} == {jpeg(5), jpeg(6)}


BYTES = [jpeg(0), jpeg(1)]
COLUMNS: dict[str, Any] = {
    "struct": held(2),
    "struct without path": [{"bytes": data} for data in BYTES],
    "struct with more": [{"width": 8, "path": "x.jpg", "bytes": data} for data in BYTES],
    "large struct": pyarrow.array(
        held(2), pyarrow.struct([("bytes", pyarrow.large_binary()), ("path", pyarrow.large_string())])
    ),
    "bytes": BYTES,
    "large bytes": pyarrow.array(BYTES, pyarrow.large_binary()),
    "dictionary": pyarrow.array(BYTES).dictionary_encode(),
    "fixed size": pyarrow.array([data.ljust(2000, b"\0") for data in BYTES], pyarrow.binary(2000)),
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("name", ["image", "Image", "img"])
def test_the_ways_in_which_pictures_are_held(tmp_path: Path, column: str, name: str) -> None:
    dataset = read(write(tmp_path / "x.parquet", {name: COLUMNS[column], "label": ["cat", "dog"]}))
    assert [item.path.read_bytes().rstrip(b"\0") for item in dataset.items] == BYTES
    assert dataset.classes == ("cat", "dog")


@pytest.mark.parametrize("name", ["my.image", "x", "pixel data"])
def test_a_column_that_the_schema_calls_pictures_may_have_any_name(tmp_path: Path, name: str) -> None:
    features = {name: IMAGE, "species": PETS}
    dataset = read(write(tmp_path / "x.parquet", {name: held(2), "species": [1, 0]}, features))
    assert [label for _, label in brief(dataset)] == ["dog", "cat"]


def test_the_pictures_win_over_columns_that_are_called_like_paths(tmp_path: Path) -> None:
    columns = {"file_name": ["a.jpg", "b.jpg"], "image": held(2), "path": ["x", "y"], "label": ["cat", "dog"]}
    assert len(read(write(tmp_path / "x.parquet", columns)).items) == 2


def test_paths_in_a_column_of_bytes_are_paths(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    path = write(tmp_path / "x.parquet", {"image": [b"1.jpg", b"2.jpg"], "label": [b"cat", b"dog"]})
    assert brief(read(path)) == [("1.jpg", "cat"), ("2.jpg", "dog")]


def test_a_picture_without_bytes_lies_beside_the_table(tmp_path: Path) -> None:
    (tmp_path / "beside.jpg").write_bytes(jpeg(9))
    cells = [
        {"bytes": jpeg(0), "path": "in.jpg"},
        {"bytes": None, "path": "beside.jpg"},
        {"bytes": b"", "path": "gone.jpg"},
        {"bytes": None, "path": None},
        None,
    ]
    dataset = read(write(tmp_path / "x.parquet", {"image": cells, "label": list("abcde")}))
    assert brief(dataset) == [("beside.jpg", "b"), ("x.parquet/0000001-in.jpg", "a")]
    assert [(one.name, one.reason) for one in dataset.skipped] == [
        ("gone.jpg", "missing"),
        ("x.parquet, row 4", "no path"),
        ("x.parquet, row 5", "no path"),
    ]
    alone = write(tmp_path / "alone.parquet", {"image": [cells[1]], "label": ["b"]})
    assert brief(read(alone)) == [("beside.jpg", "b")]


HINTS = {
    "../../../etc/passwd": "passwd",
    "/etc/passwd": "passwd",
    "C:\\Windows\\x.jpg": "x.jpg",
    "C:x.jpg": "C_x.jpg",
    "..": "",
    "a/..": "",
    "nul\0byte.jpg": "nul_byte.jpg",
    "löwe 熊.jpg": "löwe 熊.jpg",
    "x" * 5000 + ".jpg": "x" * 56 + ".jpg",
    "line\nbreak.jpg": "line_break.jpg",
    ".hidden": "hidden",
    "COM1": "COM1",
    "a:b|c*?.jpg": "a_b_c__.jpg",
}


def test_no_name_leaves_the_folder(tmp_path: Path) -> None:
    cells = [{"bytes": jpeg(n), "path": hint} for n, hint in enumerate(HINTS)]
    path = write(tmp_path / "data" / "x.parquet", {"image": cells, "label": ["cat"] * len(cells)})
    names = [item.path.name for item in open_source(path, unpack_dir=tmp_path / "unpacked").items]
    assert names == [f"{n:07}-{name}".removesuffix("-") for n, name in enumerate(HINTS.values(), start=1)]
    found = [file for file in tmp_path.rglob("*") if file.is_file() and file != path]
    assert len(found) == len(HINTS)
    assert all(file.is_relative_to(tmp_path / "unpacked") for file in found)


VALUES: dict[str, tuple[Any, list[str | None]]] = {
    "text": (["cat", None, " dog "], ["cat", "dog"]),
    "integers": ([3, None, -1], ["3", "-1"]),
    "whole floats": ([3.0, None, 4.5], ["3", "4.5"]),
    "decimals": ([Decimal("1.0"), None, Decimal("2.5")], ["1.0", "2.5"]),
    "large decimals": ([Decimal("1E+3"), Decimal("0.000001")], ["1000.000000", "0.000001"]),
    "whole decimals": ([Decimal(1), Decimal(12)], ["1", "12"]),
    "booleans": ([True, None, False], ["True", "False"]),
    "dictionary": (pyarrow.array(["cat", None, "dog"]).dictionary_encode(), ["cat", "dog"]),
    "numbers in a dictionary": (pyarrow.array([7, 8]).dictionary_encode(), ["7", "8"]),
    "bytes": ([b"cat", b"l\xc3\xb6we"], ["cat", "löwe"]),
    "short integers": (pyarrow.array([1, 2], pyarrow.uint8()), ["1", "2"]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_labels_of_every_type(tmp_path: Path, kind: str) -> None:
    values, expected = VALUES[kind]
    assert labels(tmp_path, values) == expected


@pytest.mark.parametrize("kind", ["decimals", "large decimals", "whole decimals", "integers"])
def test_numbers_are_what_a_csv_of_them_would_give(tmp_path: Path, kind: str) -> None:
    values, expected = VALUES[kind]
    for number in range(len(values)):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number))
    buffer = io.BytesIO()
    cells = pyarrow.table({"path": [f"{number}.jpg" for number in range(len(values))], "label": values})
    pyarrow.csv.write_csv(cells, buffer)
    (tmp_path / "labels.csv").write_bytes(buffer.getvalue())
    assert [item.label for item in open_source(tmp_path / "labels.csv").items] == expected


@pytest.mark.parametrize(
    ("value", "what"), [(date(2026, 1, 2), "type date"), ({"id": 1}, "type dict"), (b"\xff\xfe", "type bytes")]
)
def test_a_label_that_is_none_is_named(tmp_path: Path, value: object, what: str) -> None:
    with pytest.raises(SourceError, match=rf"x\.parquet, row 1: the label is of {what}; give"):
        labels(tmp_path, [value])


def test_lists_of_labels(tmp_path: Path) -> None:
    several = {"_type": "Sequence", "feature": PETS}
    for number, feature in enumerate((several, [PETS], {"_type": "List", "feature": PETS})):
        path = write(
            tmp_path / f"{number}.parquet",
            {"image": held(4), "label": [[0], [0, 1], [-1, 1], None]},
            {"image": IMAGE, "label": feature},
        )
        assert [item.labels for item in read(path).items] == [("cat",), ("cat", "dog"), ("dog",)]
    words = write(tmp_path / "words.parquet", {"image": held(2), "label": [["old; grey"], ["a", "b"]]})
    assert [item.labels for item in read(words).items] == [("old; grey",), ("a", "b")]


def test_class_numbers_without_names_stay_numbers(tmp_path: Path) -> None:
    assert labels(tmp_path, [0, 1], {"_type": "ClassLabel", "num_classes": 2}) == ["0", "1"]


@pytest.mark.parametrize("number", [2, -2, 99])
def test_a_class_number_without_a_name_is_refused(tmp_path: Path, number: int) -> None:
    with pytest.raises(SourceError, match=rf"row 2: the class number {number} has no name; the schema names 2"):
        labels(tmp_path, [0, number], PETS)


@pytest.mark.parametrize("metadata", [b"{", b"[]", b'{"info": 7}', b"\xff", b'{"info": {"features": []}}', b"[" * 5000])
def test_metadata_that_cannot_be_understood_is_as_none(tmp_path: Path, metadata: bytes) -> None:
    table = pyarrow.table({"image": held(2), "label": [0, 1]}).replace_schema_metadata({b"huggingface": metadata})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    assert [label for _, label in brief(read(tmp_path / "x.parquet"))] == ["0", "1"]


def test_two_columns_of_pictures_are_named(tmp_path: Path) -> None:
    one = {"image": held(2), "mask": held(2, 5), "label": ["a", "b"]}
    assert [item.path.read_bytes() for item in read(write(tmp_path / "x.parquet", one)).items] == BYTES
    two = {"before": held(2), "after": held(2, 5), "label": ["a", "b"]}
    with pytest.raises(
        SourceError, match="holds pictures in the columns 'before' and 'after'; call the one to use image"
    ):
        read(write(tmp_path / "y.parquet", two))


@pytest.mark.parametrize(
    ("cells", "what"),
    [([[[0, 1], [1, 0]]], "type list"), ([held(2)], "type list"), ([{"height": 2, "data": b"xx"}], "type dict")],
    ids=["pixels", "several", "spark"],
)
def test_pixels_and_several_pictures_a_row_are_refused(tmp_path: Path, cells: Any, what: str) -> None:
    with pytest.raises(SourceError, match=rf"row 1: the path is of {what}; give the name of a file"):
        read(write(tmp_path / "x.parquet", {"image": cells, "label": ["a"]}))


def test_a_picture_written_out_as_text_does_not_fill_the_screen(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="written out as text") as caught:
        read(write(tmp_path / "x.parquet", {"image": ["/9j/" + "A" * 100_000], "label": ["a"]}))
    assert len(str(caught.value)) < 300


def test_a_row_of_a_table_for_a_datablock_has_the_path_of_its_picture(tmp_path: Path) -> None:
    rows = get_rows(write(tmp_path / "x.parquet", {"image": held(2), "label": [1, 0], "age": [3, 4]}, FEATURES))
    assert [(Path(str(row["image"])).read_bytes(), row["label"], row["age"]) for row in rows] == [
        (jpeg(0), "dog", 3),
        (jpeg(1), "cat", 4),
    ]


# Limits


def tiny(path: Path, **limits: int) -> dict[int, str]:
    bounds = UnpackLimits(**{"total_bytes": 1 << 20, "free_bytes": 1 << 20, "ratio": 1, "members": 100, **limits})
    return files_of(path, PictureColumn("image", True, True), path.parent / "unpacked", "x", bounds)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    same = [{"bytes": bytes(100_000), "path": "x"}] * 50
    for name, options in {"dictionary": {}, "plain": {"use_dictionary": False, "compression": "zstd"}}.items():
        path = write(tmp_path / f"{name}.parquet", {"image": same}, **options)
        assert path.stat().st_size < 200_000
        with pytest.raises(SourceError, match="would unpack to more than"):
            tiny(path)
        assert list((tmp_path / "unpacked").iterdir()) == []


def test_too_many_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds more than 2 rows"):
        tiny(write(tmp_path / "x.parquet", {"image": held(3)}), members=2)


@pytest.mark.parametrize("at", [300, 2000, 8000])
def test_a_damaged_table_leaves_nothing(tmp_path: Path, at: int) -> None:
    path = write(tmp_path / "x.parquet", {"image": held(50), "label": list(range(50))}, row_group_size=10)
    data = bytearray(path.read_bytes())
    data[at : at + 400] = bytes(400)
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"x\.parquet is not a Parquet file that can be read"):
        read(path)
    assert list(tmp_path.glob("unpacked/*")) == []


def test_rows_of_many_groups_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.data.sources.embedded.FOLDER_ROWS", 10)
    cells = [{"bytes": jpeg(n), "path": None} for n in range(45)]
    path = write(tmp_path / "x.parquet", {"image": cells, "label": [str(n) for n in range(45)]}, row_group_size=7)
    dataset = read(path)
    assert [(int(item.path.name), item.label) for item in dataset.items] == [(n + 1, str(n)) for n in range(45)]
    assert [item.path.read_bytes() for item in dataset.items] == [jpeg(n) for n in range(45)]


def test_threads_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"image": held(100), "label": ["a", "b"] * 50})
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: [item.path for item in read(path).items], range(8)))
    assert all(one == found[0] for one in found)
    assert len(list((tmp_path / "unpacked").iterdir())) == 1


MEMORY = """
import resource, sys
from pathlib import Path
from drivetrain.data.sources.opening import open_source
import pyarrow.parquet
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert len(open_source(sys.argv[1]).items) == 200
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.processes
@pytest.mark.serial
def test_a_large_row_group_is_not_read_as_a_whole(tmp_path: Path) -> None:
    noise = [{"bytes": jpeg(n) + bytes([n]) * 1_000_000, "path": f"{n}.jpg"} for n in range(200)]
    options = {"row_group_size": 200, "compression": "none", "use_dictionary": False, "data_page_size": 1 << 20}
    path = write(tmp_path / "x.parquet", {"image": noise, "label": ["a", "b"] * 100}, **options)
    assert path.stat().st_size > 150 << 20
    command = [sys.executable, "-c", MEMORY, str(path)]
    grown_mib = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown_mib < 120


# Folders


def shards(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        write(root / name, {"image": held(2, 2 * number), "label": [0, 1]}, FEATURES)
    return root


LAYOUTS = {
    "pushed": (
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
        "data/test-00000-of-00001.parquet",
    ),
    "converted": ("default/train/0000.parquet", "default/train/0001.parquet", "default/test/0000.parquet"),
    "plain": ("train.parquet", "train_2.parquet", "test.parquet"),
    "hashed": (
        "train-00000-of-00002-4ed0.parquet",
        "train-00001-of-00002-6b3c.parquet",
        "test-00000-of-00001-1a.parquet",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_of_a_hub_is_one_data_set_with_splits(tmp_path: Path, layout: str) -> None:
    root = shards(tmp_path / "hub", *LAYOUTS[layout])
    (root / "README.md").write_text("---\nlicense: other\n---\n")
    dataset = open_source(root, unpack_dir=tmp_path / "unpacked")
    assert sorted(str(item.split) for item in dataset.items) == ["test"] * 2 + ["train"] * 4
    assert dataset.classes == ("cat", "dog")
    by_split: dict[str | None, list[Item]] = {}
    for item in dataset.items:
        by_split.setdefault(item.split, []).append(item)
    assert {item.path.read_bytes() for item in by_split["test"]} == {jpeg(4), jpeg(5)}
    assert dataset.skipped == ()
    assert "for train" in dataset.notes[0]
    assert len(open_source(root, unpack_dir=tmp_path / "unpacked", labelled=False).items) == 6


def test_a_folder_without_splits(tmp_path: Path) -> None:
    dataset = open_source(shards(tmp_path, "0000.parquet", "0001.parquet"))
    assert [item.split for item in dataset.items] == [None] * 4
    assert dataset.notes == ()


def test_pictures_beside_the_tables_are_on_record(tmp_path: Path) -> None:
    shards(tmp_path, "train.parquet", "test.parquet")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "banner.jpg").write_bytes(jpeg())
    dataset = open_source(tmp_path)
    assert len(dataset.items) == 4
    assert [(one.name, one.reason) for one in dataset.skipped] == [("assets/banner.jpg", "not listed")]


@pytest.mark.parametrize(
    ("names", "pictures", "message"),
    [
        (("a/train.parquet", "b/train.parquet"), (), r"several data sets as Parquet, in the folders a, b; give one"),
        (("train.parquet", "extra.parquet"), (), r"extra\.parquet of .* is of no split that is known, and others are"),
        (
            ("train.parquet",),
            ("cat/1.jpg", "dog/1.jpg"),
            r"Parquet tables with pictures inside \(train\.parquet\) and folders",
        ),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(
    tmp_path: Path, names: tuple[str, ...], pictures: tuple[str, ...], message: str
) -> None:
    shards(tmp_path, *names)
    for name in pictures:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(jpeg())
    with pytest.raises(SourceError, match=message):
        open_source(tmp_path)
    assert len(open_source(tmp_path, labelled=False).items) == 2 * len(names) + len(pictures)


def test_a_damaged_shard_is_not_passed_over(tmp_path: Path) -> None:
    shards(tmp_path, "train.parquet", "test.parquet")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (tmp_path / "train_2.parquet").write_text(pointer)
    with pytest.raises(SourceError, match=r"train_2\.parquet is not a Parquet file.*Git LFS pointer.*git lfs pull"):
        open_source(tmp_path)


def test_a_table_beside_class_folders_that_holds_none_is_no_matter(tmp_path: Path) -> None:
    for name in ("cat/1.jpg", "dog/1.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(jpeg())
    write(tmp_path / "answers.parquet", {"name": ["a"], "answer": ["cat"]})
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    assert open_source(tmp_path).classes == ("cat", "dog")


def test_a_shard_may_not_name_files_outside(tmp_path: Path) -> None:
    (tmp_path / "out.jpg").write_bytes(jpeg())
    cells = [*held(1), {"bytes": None, "path": "../out.jpg"}]
    write(tmp_path / "hub" / "train.parquet", {"image": cells, "label": ["a", "b"]})
    with pytest.raises(SourceError, match=r"'\.\./out\.jpg' points outside the data"):
        open_source(tmp_path / "hub")


def test_without_pyarrow_a_folder_of_tables_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards(tmp_path, "train.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        SourceError, match=r"train\.parquet: Parquet needs pyarrow, which is not installed; pip install"
    ):
        open_source(tmp_path)


def test_the_data_set_of_a_hub(data_root: Path, tmp_path: Path) -> None:
    path = data_root.parent / "field" / "parquet" / "hub-embedded.parquet"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    dataset = open_source(path, unpack_dir=tmp_path)
    assert dataset.classes == ("black", "grizzly", "teddy")
    assert (len(dataset.items), dataset.skipped) == (36, ())
    assert dataset.items[0].name == "hub-embedded.parquet/0000001-b000.jpg"
