"""Sources: folders in each layout, metadata, Python iterables, what is passed over, and what errors say."""

from __future__ import annotations

import io
import os
import socket
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drivetrain.core.errors import SourceError
from drivetrain.core.types import Dataset, Item
from drivetrain.data.image.files import IMAGES
from drivetrain.data.sources.opening import open_source


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20)).save(buffer, kind)
    return buffer.getvalue()


JPEG = encoded("JPEG")


def put(root: Path, *names: str, data: bytes | None = None) -> Path:
    """Write files below ``root``: JPEGs, or texts where the name says so."""
    for name in names:
        content = b"text" if name.endswith((".txt", ".md")) else JPEG
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if data is None else data)
    return root


def names(dataset: Dataset) -> list[str]:
    return [item.name for item in dataset.items]


def skips(dataset: Dataset) -> list[tuple[str, str]]:
    return [(one.name, one.reason) for one in dataset.skipped]


def one_line(match: str, source: object, *, labelled: bool = True) -> str:
    with pytest.raises(SourceError, match=match) as caught:
        open_source(source, labelled=labelled)  # type: ignore[arg-type]  # wrong on purpose
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_class_folders(tmp_path: Path) -> None:
    put(tmp_path, "dog/b.jpg", "cat/z.PNG", "cat/night/a.JpEg", "cat/Z.webp", "README.md", "labels.txt")
    dataset = open_source(str(tmp_path))
    assert [(item.name, item.label, item.split, item.weight) for item in dataset.items] == [
        ("cat/Z.webp", "cat", None, 1.0),
        ("cat/night/a.JpEg", "cat", None, 1.0),
        ("cat/z.PNG", "cat", None, 1.0),
        ("dog/b.jpg", "dog", None, 1.0),
    ]
    assert [item.path for item in dataset.items] == [tmp_path / name for name in names(dataset)]
    assert dataset.classes == ("cat", "dog")
    assert dataset.skipped == ()


@pytest.mark.parametrize("valid", ["valid", "Validation", "VAL", "dev"])
def test_split_folders(tmp_path: Path, valid: str) -> None:
    put(tmp_path, "Train/cat/1.jpg", f"{valid}/cat/x/2.jpg", "test/dog/3.jpg", "docs/figure.txt", "train.txt")
    dataset = open_source(tmp_path)
    assert {item.name: (item.label, item.split) for item in dataset.items} == {
        "Train/cat/1.jpg": ("cat", "train"),
        f"{valid}/cat/x/2.jpg": ("cat", "valid"),
        "test/dog/3.jpg": ("dog", "test"),
    }
    assert dataset.skipped == ()


def test_classes_beside_splits_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "train/cat/1.jpg", "test/cat/2.jpg", "cat/3.jpg", "dog/4.jpg")
    one_line(r"found folders with images \(cat, dog\) beside the split folders test, train in", tmp_path)


def test_a_class_may_be_called_like_a_split(tmp_path: Path) -> None:
    put(tmp_path, "valid/1.jpg", "invalid/2.jpg")
    dataset = open_source(tmp_path)
    assert dataset.classes == ("invalid", "valid")
    assert {item.split for item in dataset.items} == {None}


def test_splits_without_classes_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "train/1.jpg", "test/2.jpg")
    one_line(r"found 2 image files directly in test, train of .* and no class folders", tmp_path)


def test_an_unlabelled_test_folder_beside_labelled_splits(tmp_path: Path) -> None:
    dataset = open_source(put(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "test/3.jpg", "stray.jpg"))
    assert names(dataset) == ["train/cat/1.jpg", "train/dog/2.jpg"]
    assert skips(dataset) == [("stray.jpg", "no label"), ("test/3.jpg", "no label")]


def test_an_image_outside_the_classes_is_on_record(tmp_path: Path) -> None:
    assert skips(open_source(put(tmp_path, "cat/1.jpg", "stray.jpg"))) == [("stray.jpg", "no label")]


def test_an_empty_class_is_on_record(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.jpg", "dog/.hidden.jpg")
    assert skips(open_source(tmp_path)) == [("dog", "no images")]
    put(tmp_path / "s", "train/cat/1.jpg", "docs/x.txt")
    (tmp_path / "s" / "train" / "dog").mkdir()
    (tmp_path / "s" / "other").mkdir()
    assert skips(open_source(tmp_path / "s")) == [("train/dog", "no images")]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM", "ICO", "JPEG2000"])
def test_files_without_a_known_extension_are_known_by_their_first_bytes(tmp_path: Path, kind: str) -> None:
    put(tmp_path, "cat/noextension", "cat/photo.dat", data=encoded(kind))
    assert names(open_source(tmp_path)) == ["cat/noextension", "cat/photo.dat"]


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"BM",
        b"BMW is a maker of cars, in Munich, since 1916",
        b"P1 is the first point",
        b"II*",
        b"RIFF....WAVE",
        b"\0\0\0\x1cftypmp42",
        b"\0\0\1\0\0\0",
        b"<svg xmlns=",
        b"%PDF-1.7",
    ],
)
def test_what_only_resembles_an_image_is_not_one(head: bytes) -> None:
    assert not IMAGES.begins(head[:32])


def test_heif_is_recognised() -> None:
    assert IMAGES.begins(b"\0\0\0\x18ftypheic\0\0\0\0")
    assert IMAGES.begins(b"\0\0\0\x18ftypmif1\0\0\0\0")


def test_what_is_no_image_is_on_record_with_a_reason(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.jpg")
    put(tmp_path, "cat/notes.txt", "cat/photo", data=b"text")
    put(tmp_path, "cat/nothing", data=b"")
    dataset = open_source(tmp_path)
    assert skips(dataset) == [(f"cat/{name}", "not an image") for name in ("notes.txt", "nothing", "photo")]
    assert dataset.skipped[1].detail == "the file is empty"


def test_an_extension_is_believed_without_opening_the_file(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.jpg", data=encoded("WEBP"))
    put(tmp_path, "cat/2.jpg", data=b"")
    assert names(open_source(tmp_path)) == ["cat/1.jpg", "cat/2.jpg"]


def test_a_folder_named_by_a_number_is_a_class(tmp_path: Path) -> None:
    """Grades such as .33 begin with a dot and hide nothing."""
    put(tmp_path, "0/1.jpg", ".33/2.jpg", "1/3.jpg", ".git/4.jpg")
    assert sorted({item.label for item in open_source(tmp_path).items}) == [".33", "0", "1"]


def test_hidden_and_system_files_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.jpg", "cat/.1.jpg", ".cache/x/2.jpg", "cat/Thumbs.db", "cat/DESKTOP.INI", "__MACOSX/cat/1.jpg")
    dataset = open_source(tmp_path)
    assert names(dataset) == ["cat/1.jpg"]
    assert dataset.skipped == ()


def test_unicode_names(tmp_path: Path) -> None:
    nfc, nfd = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")
    put(tmp_path, f"{nfc}/1.jpg", f"{nfd}/2.jpg", "два слова/😀 🐻.jpg")
    dataset = open_source(tmp_path)
    assert dataset.classes == (nfc, "два слова"), "two spellings of one name are one class"
    assert names(dataset) == sorted([f"{nfc}/1.jpg", f"{nfd}/2.jpg", "два слова/😀 🐻.jpg"])


linux = pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse names that are not UTF-8")


@linux
def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    put(tmp_path, "b\udce4r/\udcff.jpg", "cat/1.jpg")
    item = open_source(tmp_path).items[0]
    assert (item.name, item.label) == ("b\ufffdr/\ufffd.jpg", "b\ufffdr")
    assert item.path.is_file()


@linux
def test_classes_that_cannot_be_told_apart(tmp_path: Path) -> None:
    put(tmp_path, "\udce4/1.jpg", "\udcf6/1.jpg")
    one_line(r"class folders .* are not UTF-8 names; rename them", tmp_path).encode()


def test_links(tmp_path: Path) -> None:
    put(tmp_path, "store/lion/1.jpg", "store/2.jpg", "pets/cat/1.jpg")
    pets = tmp_path / "pets"
    (pets / "cat" / "linked.jpg").symlink_to(tmp_path / "store" / "2.jpg")
    (pets / "cat" / "broken.jpg").symlink_to(tmp_path / "nowhere")
    (pets / "lion").symlink_to(tmp_path / "store" / "lion")
    dataset = open_source(pets)
    assert names(dataset) == ["cat/1.jpg", "cat/linked.jpg", "lion/1.jpg"]
    assert skips(dataset) == [("cat/broken.jpg", "missing")]


def test_looping_links_end(tmp_path: Path) -> None:
    for number in range(12):
        put(tmp_path, f"c{number:02}/1.jpg")
    for number in range(12):
        for other in range(12):
            (tmp_path / f"c{number:02}" / f"to{other:02}").symlink_to(tmp_path / f"c{other:02}")
        (tmp_path / f"c{number:02}" / "up").symlink_to("..")
        (tmp_path / f"c{number:02}" / "out").symlink_to("../..")
    (tmp_path / "self").symlink_to("self")
    started = time.monotonic()
    dataset = open_source(tmp_path)
    assert names(dataset) == [f"c{number:02}/1.jpg" for number in range(12)]
    assert {reason for _, reason in skips(dataset)} == {"repeated", "unreadable"}
    assert names(open_source(f"{tmp_path}/**/*.jpg", labelled=False)) == names(dataset)
    assert time.monotonic() - started < 10


def test_a_real_folder_keeps_its_files_from_a_link_to_it(tmp_path: Path) -> None:
    put(tmp_path, "zebra/1.jpg")
    (tmp_path / "ass").symlink_to("zebra")
    dataset = open_source(tmp_path)
    assert names(dataset) == ["zebra/1.jpg"]
    assert skips(dataset) == [("ass", "repeated")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_sockets_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "cat/1.jpg")
    os.mkfifo(tmp_path / "cat" / "pipe.jpg")
    os.mkfifo(tmp_path / "cat" / "pipe")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("cat/socket")
        dataset = open_source(tmp_path)
    assert skips(dataset) == [(f"cat/{name}", "not an image") for name in ("pipe", "pipe.jpg", "socket")]
    one_line("pipe: it is a pipe, not a file; give a folder, a table or an archive", tmp_path / "cat" / "pipe")


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "cat/1.jpg", "dog/2.jpg")
    scandir: Callable[[str], object] = os.scandir

    def guarded(path: str) -> object:  # the tests may run as root, whom no mode keeps out
        if path.endswith("dog"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    dataset = open_source(tmp_path)
    assert names(dataset) == ["cat/1.jpg"]
    assert skips(dataset) == [("dog", "unreadable folder")]
    one_line("cannot read the folder .*dog: Permission denied", tmp_path / "dog")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_mode_keeps_out(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.jpg", "dog/2.jpg")
    put(tmp_path, "cat/secret")
    (tmp_path / "cat" / "secret").chmod(0)
    (tmp_path / "dog").chmod(0)
    try:
        assert skips(open_source(tmp_path)) == [("cat/secret", "unreadable"), ("dog", "unreadable")]
    finally:
        (tmp_path / "dog").chmod(0o700)


def test_images_without_classes(tmp_path: Path) -> None:
    put(tmp_path / "photos", "1.jpg", "2.jpg", "3.jpg")
    message = one_line(r"found 3 image files directly in .*photos and no class folders", tmp_path / "photos")
    assert "e.g. photos/cat/1.jpg, or give a CSV with path and label columns; drivetrain label" in message


def test_nothing_to_read(tmp_path: Path) -> None:
    one_line(r"found no images in .* \(no files at all\); put each class's images", tmp_path)
    put(tmp_path, "a/notes.txt", "b.txt", data=b"text")
    one_line(r"found no images in .* \(2 other files, e\.g\. a/notes\.txt\); put each class's images", tmp_path)
    one_line(r"found no images in .*; give a folder with images", tmp_path, labelled=False)
    one_line("the source is an empty text", "")


def test_a_misspelled_name(tmp_path: Path) -> None:
    put(tmp_path, "Bears/black/1.jpg")
    message = one_line("there is no .*beras; did you mean .*Bears", tmp_path / "beras")
    assert str(tmp_path / "Bears") in message
    one_line(r"there is no .*beras; did you mean .*Bears", tmp_path / "beras" / "train" / "cat")
    one_line("there is no .*xyzzy; check the spelling", tmp_path / "xyzzy")
    one_line("is a web address; download it", "https://example.org/bears.zip")


def test_a_single_file(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "noextension")
    put(tmp_path, "film.mp4", data=b"\0\0\0\x1cftypmp42")
    one_line("is a single image without a label", tmp_path / "1.jpg")
    one_line("is not an image, a table or an archive", tmp_path / "film.mp4", labelled=False)
    for name in ("1.jpg", "noextension"):
        assert open_source(tmp_path / name, labelled=False).items == (Item(tmp_path / name, name),)


def test_a_folder_without_labels(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "a/2.jpg", "a/b/c/3.png", "train/cat/4.jpg")
    put(tmp_path, "readme.txt", "a/notes.txt", data=b"text")
    dataset = open_source(tmp_path, labelled=False)
    assert [(item.name, item.label, item.split) for item in dataset.items] == [
        (name, None, None) for name in ("1.jpg", "a/2.jpg", "a/b/c/3.png", "train/cat/4.jpg")
    ]
    assert skips(dataset) == [("a/notes.txt", "not an image"), ("readme.txt", "not an image")]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["1.jpg"]),
        ("*/*.jpg", ["a/2.jpg", "b/5.jpg"]),
        ("a/*", ["2.jpg", "3.png"]),
        ("[ab]/?.jpg", ["a/2.jpg", "b/5.jpg"]),
        ("**/*.jpg", ["1.jpg", "a/2.jpg", "a/c/d/4.jpg", "b/5.jpg"]),
        ("a/**", ["2.jpg", "3.png", "c/d/4.jpg"]),
        ("**/c/**/*.jpg", ["a/c/d/4.jpg"]),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "1.jpg", "a/2.jpg", "a/3.png", "a/c/d/4.jpg", "b/5.jpg", ".h/6.jpg")
    dataset = open_source(f"{tmp_path}/{pattern}", labelled=False)
    assert names(dataset) == expected
    assert all(item.path.is_file() for item in dataset.items)
    monkeypatch.chdir(tmp_path)
    assert names(open_source(pattern, labelled=False)) == expected


def test_patterns_that_lead_nowhere(tmp_path: Path) -> None:
    put(tmp_path, "photos/1.jpg")
    put(tmp_path, "photos/notes.txt", data=b"text")
    one_line("is a pattern, which gives no labels", f"{tmp_path}/photos/*.jpg")
    one_line(r"no file matches .*\.png \(2 files looked at", f"{tmp_path}/photos/*.png", labelled=False)
    one_line("there is no .*photoz; did you mean", f"{tmp_path}/photoz/*.png", labelled=False)
    assert skips(open_source(f"{tmp_path}/photos/*", labelled=False)) == [("notes.txt", "not an image")]
    put(tmp_path, "odd[1]/cat/1.jpg")
    assert names(open_source(f"{tmp_path}/odd[1]")) == ["cat/1.jpg"], "a name that exists is no pattern"


def write(root: Path, name: str, text: str) -> None:
    put(root, name, data=text.encode())


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_imagefolder_with_metadata(tmp_path: Path, kind: str) -> None:
    put(tmp_path, "1.jpg", "sub/2.jpg", "3.jpg")
    rows = {
        "csv": "file_name,text,label,source\n1.jpg,a cat,cat,s1\nsub/2.jpg,a dog,dog,s2\n",
        "jsonl": '{"file_name": "1.jpg", "label": "cat", "source": "s1"}\n'
        '{"file_name": "sub/2.jpg", "label": "dog", "source": "s2"}\n',
    }
    write(tmp_path, f"metadata.{kind}", rows[kind])
    dataset = open_source(tmp_path)
    assert [(i.name, i.label, i.group, i.split) for i in dataset.items] == [
        ("1.jpg", "cat", "s1", None),
        ("sub/2.jpg", "dog", "s2", None),
    ]
    assert skips(dataset) == [("3.jpg", "not listed")]


def test_imagefolder_with_metadata_in_each_split(tmp_path: Path) -> None:
    put(tmp_path, "train/images/1.jpg", "validation/2.jpg", "test/3.jpg")
    write(tmp_path, "train/metadata.csv", "file_name,label\nimages/1.jpg,cat\n")
    write(tmp_path, "validation/metadata.csv", "file_name,label\n2.jpg,dog\n")
    dataset = open_source(tmp_path)
    assert [(i.name, i.label, i.split) for i in dataset.items] == [
        ("train/images/1.jpg", "cat", "train"),
        ("validation/2.jpg", "dog", "valid"),
    ]
    assert skips(dataset) == [("test/3.jpg", "no label")]
    put(tmp_path, "owl/4.jpg")
    one_line(r"found folders with images \(owl\) beside the split folders train, validation", tmp_path)


def test_imagefolder_with_one_table_for_all_splits(tmp_path: Path) -> None:
    put(tmp_path, "train/1.jpg", "test/2.jpg")
    write(tmp_path, "metadata.csv", "file_name,label\ntrain/1.jpg,cat\ntest/2.jpg,dog\n")
    assert [(i.label, i.split) for i in open_source(tmp_path).items] == [("dog", "test"), ("cat", "train")]


def test_metadata_adds_groups_to_class_folders(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.jpg", "dog/2.jpg")
    write(tmp_path, "metadata.csv", "file_name,video\ncat/1.jpg,v1\ndog/2.jpg,v2\n")
    assert [(i.label, i.group) for i in open_source(tmp_path).items] == [("cat", "v1"), ("dog", "v2")]


@pytest.mark.parametrize("text", ["file_name,caption\ncat/1.jpg,a cat\n", "key,value\nlicence,CC0\n"])
def test_metadata_that_says_nothing_of_labels_is_passed_over(tmp_path: Path, text: str) -> None:
    put(tmp_path, "cat/1.jpg", "dog/2.jpg")
    write(tmp_path, "metadata.csv", text)
    dataset = open_source(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert dataset.skipped == ()


def test_metadata_that_cannot_be_used(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg")
    write(tmp_path, "metadata.csv", "file_name,caption\n1.jpg,a cat\n")
    one_line(r"metadata\.csv has no column for label .*found 'file_name', 'caption'", tmp_path)
    write(tmp_path, "metadata.csv", "file_name,label\n/etc/hosts,cat\n")
    one_line(r"metadata\.csv, line 2: '/etc/hosts' points outside the data", tmp_path)
    write(tmp_path, "metadata.jsonl", '{"file_name": "1.jpg", "label": "cat"}\n')
    one_line(r"found metadata\.csv and metadata\.jsonl", tmp_path)
    (tmp_path / "metadata.csv").unlink()
    write(tmp_path, "metadata.jsonl", '{"file_name": "1.jpg", "label": "cat"}\n{broken\n')
    one_line(r"metadata\.jsonl, line 2: broken JSON", tmp_path)


def test_a_table_on_top_speaks_where_folders_do_not(tmp_path: Path) -> None:
    put(tmp_path, "images/1.jpg", "images/2.jpg", "images/3.jpg")
    write(tmp_path, "labels.csv", "path,label\nimages/1.jpg,cat\nimages/2.jpg,dog\n")
    write(tmp_path, "notes.csv", "who,when\nme,today\n")
    dataset = open_source(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert skips(dataset) == [("images/3.jpg", "not listed")]
    write(tmp_path, "more.csv", "path,label\nimages/1.jpg,cat\n")
    one_line(r"found tables labels\.csv, more\.csv in", tmp_path)
    put(tmp_path, "dog/4.jpg")
    assert open_source(tmp_path).classes == ("dog", "images"), "two class folders need no table"


def test_python_rows(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    given = Item(tmp_path / "3.jpg", "third", "owl", "g", "valid", 2.0)
    rows = (
        row
        for row in [
            (tmp_path / "4.jpg", np.str_("cat")),
            (str(tmp_path / "2.jpg"), np.int64(7), "video 1"),
            given,
            {"Image": tmp_path / "1.jpg", "class": "dog", "weight": 0.5, "split": "dev", "other": object()},
        ]
    )
    dataset = open_source(rows)
    assert dataset.source == "Python generator"
    assert [(i.path.name, i.label, i.group, i.split, i.weight) for i in dataset.items] == [
        ("4.jpg", "cat", None, None, 1.0),
        ("2.jpg", "7", "video 1", None, 1.0),
        ("3.jpg", "owl", "g", "valid", 2.0),
        ("1.jpg", "dog", None, "valid", 0.5),
    ], "in the order given"
    assert dataset.items[2] == given


def test_python_rows_that_give_no_item(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "2.jpg")
    one, two = str(tmp_path / "1.jpg"), str(tmp_path / "2.jpg")
    dataset = open_source(
        [(one, "cat"), (one, "cat"), (two, None), (two, float("nan")), ("none.jpg", "cat"), ("", "cat")]
    )
    assert len(dataset.items) == 1
    assert [reason for _, reason in skips(dataset)] == ["repeated", "no label", "no label", "missing", "no path"]
    one_line(r"none of the 2 files listed in Python list exists, e\.g\. x\.jpg", [("x.jpg", "a"), ("y.jpg", "b")])
    one_line("found nothing in Python list", [])
    one_line(r"found no usable image in Python list \(1 no label; first .*1\.jpg", [(one, None)])


@pytest.mark.parametrize(
    ("element", "match"),
    [
        (7, r"list\[1\]: received 7 of type int; give Items, \(path, label\)"),
        ("2.jpg", r"list\[1\]: received '2.jpg' of type str"),
        (("2.jpg",), r"list\[1\]: received \('2.jpg',\) of type tuple"),
        (["2.jpg", "cat"], r"list\[1\]: received \['2.jpg', 'cat'\] of type list"),
        (("2.jpg", "cat", "g", "x"), r"list\[1\]: received .* of type tuple"),
        (("2.jpg", {"cat", "dog"}), r"list\[1\]: the label is of type set"),
        (("2.jpg", ["cat", {}]), r"list\[1\]: a label of the list is of type dict"),
        ((b"2.jpg", "cat"), r"list\[1\]: the path is of type bytes"),
        (("2.jpg", "cat", object()), r"list\[1\]: the group is of type object"),
        ({"path": "2.jpg"}, r"list\[1\] has no column for label .*found 'path'"),
        ({"path": "2.jpg", "label": "cat", "weight": -1}, r"list\[1\]: weight -1 is not a number ≥ 0"),
        (Item(Path("2.jpg"), "2.jpg", "cat", split="fold"), r"list\[1\]: split 'fold' is unknown"),
    ],
)
def test_a_wrong_element_is_named_by_its_position(tmp_path: Path, element: object, match: str) -> None:
    put(tmp_path, "1.jpg")
    one_line(match, [(tmp_path / "1.jpg", "cat"), element])


@pytest.mark.parametrize("source", [b"photos", 7, None, {"cat": ["1.jpg"]}])
def test_what_is_no_source_at_all(source: object) -> None:
    one_line(f"received one of type {type(source).__name__}; give Items", source)


def test_python_paths_without_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "b/2.jpg", "a/1.jpg")
    monkeypatch.chdir(tmp_path)
    dataset = open_source(["b/2.jpg", Path("a/1.jpg")], labelled=False)
    assert [(i.name, i.path, i.label) for i in dataset.items] == [
        ("b/2.jpg", Path("b/2.jpg"), None),
        ("a/1.jpg", Path("a/1.jpg"), None),
    ]
    labelled = [("a/1.jpg", "cat"), Item(Path("b/2.jpg"), "two", "dog"), {"path": "c.jpg"}]
    assert [(i.name, i.label) for i in open_source(labelled, labelled=False).items] == [
        ("a/1.jpg", None),
        ("two", None),
    ]


def test_a_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "photos/cat/1.jpg")
    monkeypatch.chdir(tmp_path / "photos")
    for source in (".", "../photos", "./"):
        (item,) = open_source(source).items
        assert (item.name, item.path.is_file()) == ("cat/1.jpg", True)


# Metadata in subfolders, as Hugging Face's reader has it: the nearest table above a file, with paths relative to itself.

BATCHES = ("batch0", "batch1")


def batches(root: Path, *above: str, kind: str = "csv") -> None:
    """Two batches below each folder, with the same file names and a table each."""
    for folder in above:
        for batch, label in zip(BATCHES, ("cat", "dog"), strict=True):
            put(root, f"{folder}/{batch}/1.jpg".lstrip("/"), f"{folder}/{batch}/x/2.jpg".lstrip("/"))
            rows = [("1.jpg", label), ("x/2.jpg", "owl")]
            text = {
                "csv": "file_name,label\n" + "".join(f"{name},{one}\n" for name, one in rows),
                "jsonl": "".join(f'{{"file_name": "{name}", "label": "{one}"}}\n' for name, one in rows),
            }[kind]
            write(root, f"{folder}/{batch}/metadata.{kind}".lstrip("/"), text)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_metadata_in_subfolders(tmp_path: Path, kind: str) -> None:
    batches(tmp_path, "", kind=kind)
    put(tmp_path, "batch1/3.jpg", "batch2/4.jpg", "5.jpg")
    dataset = open_source(tmp_path)
    assert [(i.name, i.label) for i in dataset.items] == [
        ("batch0/1.jpg", "cat"),
        ("batch0/x/2.jpg", "owl"),
        ("batch1/1.jpg", "dog"),
        ("batch1/x/2.jpg", "owl"),
    ]
    assert skips(dataset) == [("5.jpg", "no label"), ("batch1/3.jpg", "not listed"), ("batch2/4.jpg", "no label")]
    tables = f"batch0/metadata.{kind}, batch1/metadata.{kind}"
    assert dataset.notes == (f"took labels from {tables}; each describes what lies below it",)


@pytest.mark.parametrize("splits", [("train", "test"), ("training", "evaluation"), ("data/train", "data/test")])
def test_metadata_in_subfolders_of_splits(tmp_path: Path, splits: tuple[str, str]) -> None:
    batches(tmp_path, *splits, kind="jsonl")
    dataset = open_source(tmp_path)
    assert {(i.name.rpartition("/batch")[0], i.label, i.split) for i in dataset.items} == {
        (folder, label, split)
        for folder, split in zip(splits, ("train", "test"), strict=True)
        for label in ("cat", "dog", "owl")
    }
    assert dataset.skipped == ()


def test_the_nearest_table_counts(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "sub/2.jpg", "sub/3.jpg")
    write(tmp_path, "metadata.csv", "file_name,label\n1.jpg,far\nsub/2.jpg,far\nsub/3.jpg,far\n")
    write(tmp_path, "sub/metadata.csv", "file_name,label\n2.jpg,near\n")
    dataset = open_source(tmp_path)
    assert {i.name: i.label for i in dataset.items} == {"1.jpg": "far", "sub/2.jpg": "near", "sub/3.jpg": "far"}
    assert dataset.skipped == ()


def test_metadata_may_name_files_above_it_within_the_data(tmp_path: Path) -> None:
    put(tmp_path, "images/1.jpg", "images/2.jpg")
    write(tmp_path, "meta/metadata.csv", "file_name,label\n../images/1.jpg,cat\n../images/2.jpg,dog\n")
    assert [(i.name, i.label) for i in open_source(tmp_path).items] == [
        ("images/1.jpg", "cat"),
        ("images/2.jpg", "dog"),
    ]
    write(tmp_path, "meta/metadata.csv", "file_name,label\n../../1.jpg,cat\n")
    one_line(r"meta/metadata\.csv, line 2: '\.\./\.\./1\.jpg' points outside the data", tmp_path)


@pytest.mark.parametrize("place", ["", "batch0/"])
def test_portions_are_never_classes(tmp_path: Path, place: str) -> None:
    put(tmp_path, "batch0/1.jpg", "batch1/2.jpg")
    write(tmp_path, f"{place}metadata.csv", f"file_name,text\n{'' if place else 'batch0/'}1.jpg,a cat\n")
    one_line(
        r"metadata\.csv of .* has no column for label, and the folders it describes .* only number portions", tmp_path
    )


def test_metadata_within_a_class_folder_adds_to_it(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.jpg", "cat/2.jpg", "dog/3.jpg")
    write(tmp_path, "cat/metadata.csv", "file_name,patient\n1.jpg,p1\n2.jpg,p2\n")
    write(tmp_path, "dog/metadata.csv", "file_name,text\n3.jpg,a dog\n")
    assert [(i.label, i.group) for i in open_source(tmp_path).items] == [("cat", "p1"), ("cat", "p2"), ("dog", None)]


def test_metadata_without_labels_in_class_folders_is_said(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.jpg", "dog/2.jpg")
    write(tmp_path, "cat/metadata.csv", "file_name,text\n1.jpg,a cat\n")
    dataset = open_source(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert dataset.notes == ("took labels from folders, as cat/metadata.csv has no column for label",)


def test_portions_by_letters_are_no_classes(tmp_path: Path) -> None:
    put(tmp_path, "batch_a/1.jpg", "batch_b/1.jpg")
    for portion in ("batch_a", "batch_b"):
        write(tmp_path, f"{portion}/metadata.csv", "file_name,text\n1.jpg,a cat\n")
    with pytest.raises(SourceError, match="only number portions"):
        open_source(tmp_path)
    for portion in ("batch_a", "batch_b"):
        write(tmp_path, f"{portion}/metadata.csv", f"file_name,label\n1.jpg,cat {portion}\n")
    assert open_source(tmp_path).classes == ("cat batch_a", "cat batch_b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes that stand in a folder")
def test_what_is_no_file_is_not_said_to_be_missing(tmp_path: Path) -> None:
    """In a table, and at the end of a link in a folder."""
    put(tmp_path, "cat/1.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "cat" / "2.jpg").symlink_to(tmp_path / "pipe.jpg")
    write(tmp_path, "labels.csv", "path,label\ncat/1.jpg,cat\npipe.jpg,cat\n")
    (by_table,) = open_source(tmp_path / "labels.csv").skipped
    assert by_table.detail == "labels.csv, line 3: it is a pipe, not a file"
    (by_folder,) = open_source(tmp_path / "cat", labelled=False).skipped
    assert by_folder.detail == "not a regular file"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes that stand in a folder")
def test_a_table_of_nothing_but_pipes_and_folders_says_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name has to be short
    os.mkfifo("pipe.jpg")
    Path("link.jpg").symlink_to("pipe.jpg")
    Path("device.jpg").symlink_to("/dev/null")
    Path("folder.jpg").mkdir()
    kinds = {"pipe": "a pipe", "link": "a pipe", "device": "a device", "folder": "a folder", "socket": "a socket"}
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.jpg")
        for name, kind in kinds.items():
            write(tmp_path, "one.csv", f"path,label\n{name}.jpg,cat\n")
            one = tmp_path / "one.csv"
            one_line(rf"the one file listed in .*one\.csv cannot be read, {name}\.jpg: it is {kind}, not a file$", one)
            one_line(
                f"listed in Python list cannot be read, .*{name}.jpg: it is {kind}", [(tmp_path / f"{name}.jpg", "cat")]
            )
    write(tmp_path, "two.csv", "path,label\ngone.jpg,cat\npipe.jpg,cat\n")
    two = tmp_path / "two.csv"
    one_line(r"none of the 2 files listed in .*two\.csv can be read, e\.g\. pipe\.jpg: it is a pipe, not a file$", two)


@pytest.mark.parametrize("name", ["a.jpg", "a.b.JPG", "a..jpg", "..a.jpg", "ü.jpg"])
def test_a_name_that_ends_like_an_image_is_believed(tmp_path: Path, name: str) -> None:
    put(tmp_path, name, data=b"no picture")
    assert IMAGES.problem(str(tmp_path / name)) is None


@pytest.mark.parametrize("name", ["jpg", ".jpg", "...jpg", "a.jpg.", "a.jpg2", "x.jpg/a"])
def test_a_name_without_such_an_ending_is_looked_into(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, name, data=b"no picture")
    monkeypatch.chdir(tmp_path)
    for path in (name, str(tmp_path / name)):
        assert IMAGES.problem(path) is not None
