"""Tables: formats, columns, cells, and what becomes of rows whose files or labels do not fit."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from drivetrain.core.errors import SourceError
from drivetrain.core.installation import install_command
from drivetrain.core.types import Item
from drivetrain.data.sources.opening import open_source


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path, "PNG")
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with images/1.png … images/4.png."""
    for number in range(1, 5):
        image(tmp_path / "images" / f"{number}.png")
    return tmp_path


def table(folder: Path, text: str, name: str = "labels.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def brief(items: tuple[Item, ...]) -> list[tuple[str, str | None]]:
    return [(item.name, item.label) for item in items]


TWO = [("images/1.png", "cat"), ("images/2.png", "dog")]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "LABELS.CSV"])
def test_delimiters_marks_and_line_ends(photos: Path, mark: str, encoding: str, end: str, name: str) -> None:
    lines = [("path", "label"), *TWO]
    path = table(photos, end.join(mark.join(line) for line in lines) + end, name, encoding)
    dataset = open_source(path)
    assert brief(dataset.items) == TWO
    assert dataset.items[0].path.is_file()
    assert dataset.source == str(path)


def test_every_column(photos: Path) -> None:
    path = table(
        photos,
        "Split,WEIGHT,image_path,Patient,Category,comment\n"
        "Train,2,images/1.png,p1, cat ,x\nvalidation,0.5,images/2.png,7,dog,\n"
        ",,images/3.png,,dog,\nTEST,0,images/4.png,,1,\n",
    )
    assert [(i.label, i.group, i.split, i.weight) for i in open_source(path).items] == [
        ("cat", "p1", "train", 2.0),
        ("dog", "7", "valid", 0.5),
        ("dog", None, None, 1.0),
        ("1", None, "test", 0.0),
    ]


@pytest.mark.parametrize("path", ["path", "file", "FileName", "file_name", "Image", "image_path", " path "])
@pytest.mark.parametrize("label", ["label", "Class", "category", "TARGET"])
def test_names_a_column_may_have(photos: Path, path: str, label: str) -> None:
    assert brief(open_source(table(photos, f"{label},{path}\ncat,images/1.png\ndog,images/2.png\n")).items) == TWO


def test_rows_are_sorted_by_name(photos: Path) -> None:
    assert brief(open_source(table(photos, "path,label\nimages/2.png,dog\nimages/1.png,cat\n")).items) == TWO


def test_quotes_blank_lines_and_short_rows(photos: Path) -> None:
    image(photos / "a, b.png")
    path = table(photos, '\n\npath,label,group,\n"a, b.png","big\ncat"\n,,,\n\nimages/1.png,"say ""hi""",g,\n')
    assert [(i.name, i.label, i.group) for i in open_source(path).items] == [
        ("a, b.png", "big\ncat", None),
        ("images/1.png", 'say "hi"', "g"),
    ]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("id,label\n9,cat\n", r"labels.csv has no column for path \(or file, .*\); found 'id', 'label'"),
        ("path,species\na,b\n", r"no column for label \(or class, category, target\); found 'path', 'species'"),
        ("images/1.png,cat\nimages/2.png,dog\n", r"no column for path .* and label .*found 'images/1.png', 'cat'"),
        ("", "no column for path .*found none"),
        (
            "path,class,category\na,b,c\n",
            "columns 'class' and 'category' could both be the label; call one of them label",
        ),
        ("path,label,label\na,b,c\n", "two columns named 'label'"),
        ("path,label,video,source\na,b,c,d\n", "columns 'video' and 'source' could both be the group"),
        ("path,label\nimages/1.png,cat,extra\n", "line 2: 3 cells under 2 columns"),
        ('path,label\nimages/1.png,"cat\nimages/2.png,dog\n', r"labels\.csv, line 3: unexpected end of data"),
        ('path,label\nimages/1.png,"cat"s\n', r"labels\.csv, line 2: .*correct the quotes"),
        ("path,label,split\nimages/1.png,cat,train\nimages/2.png,dog,fold1\n", "line 3: split 'fold1' is unknown"),
        ("path,label\n", r"found nothing in .*labels\.csv"),
    ],
)
def test_what_is_wrong_is_named(photos: Path, text: str, match: str) -> None:
    with pytest.raises(SourceError, match=match) as caught:
        open_source(table(photos, text))
    assert "\n" not in str(caught.value)


def test_the_plain_name_wins_over_its_synonyms(photos: Path) -> None:
    assert brief(open_source(table(photos, "image,path,class,label\nx,images/1.png,y,cat\n")).items) == TWO[:1]


@pytest.mark.parametrize("weight", ["-1", "nan", "NaN", "inf", "heavy", "1;2"])
def test_a_bad_weight_names_its_row(photos: Path, weight: str) -> None:
    path = table(photos, f"path,label,weight\nimages/1.png,cat,1\nimages/2.png,dog,{weight}\n")
    with pytest.raises(SourceError, match=rf"labels\.csv, line 3: weight '{weight}' is not a number ≥ 0"):
        open_source(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("name", ["labels.csv", "labels.jsonl"])
def test_an_encoding_that_is_marked_is_read(photos: Path, encoding: str, name: str) -> None:
    rows = "path,label\nimages/1.png,löwe\n"
    lines = '{"path": "images/1.png", "label": "löwe"}\n'
    dataset = open_source(table(photos, rows if name.endswith("csv") else lines, name, encoding))
    assert brief(dataset.items) == [("images/1.png", "löwe")]


OTHER_ENCODINGS = {
    "cp1252": ("löwe", "Windows-1252"),
    "latin-1": ("café", "Windows-1252"),
    "cp850": ("löwe\nimages/2.png,bär", "old code page"),
    "mac-roman": ("löwe\nimages/2.png,bär", "old code page"),
    "cp1251": ("медведь\nimages/2.png,волк", "Windows-1251"),
    "cp932": ("ヒグマ\nimages/2.png,くま", "Shift-JIS"),
    "gbk": ("黑熊\nimages/2.png,棕熊", "GBK"),
    "cp949": ("갈색곰\nimages/2.png,흑곰", "EUC-KR"),
    "utf-16-le": ("lion", r"UTF-16 without its mark \(BOM\)"),
    "utf-16-be": ("lion", r"UTF-16 without its mark \(BOM\)"),
}


@pytest.mark.parametrize("encoding", OTHER_ENCODINGS)
@pytest.mark.parametrize("name", ["labels.csv", "labels.jsonl"])
def test_another_encoding_is_refused_by_name(photos: Path, encoding: str, name: str) -> None:
    label, what = OTHER_ENCODINGS[encoding]
    rows = f"path,label\nimages/1.png,{label}\n"
    with pytest.raises(SourceError, match=rf"{name} .*seems to be .*{what}.*; save it as “CSV UTF-8”") as caught:
        open_source(table(photos, rows, name, encoding))
    assert "\n" not in str(caught.value)


def test_the_place_of_a_wrong_byte_is_told(photos: Path) -> None:
    with pytest.raises(SourceError, match=r"line 3 has the byte 0xF6.*iconv -f CP1252"):
        open_source(table(photos, "path,label\nimages/1.png,cat\nimages/2.png,löwe\n", encoding="cp1252"))


@pytest.mark.parametrize("text", ["path,label\nimages/1.png,l\0we\n", "\0" * 100], ids=["one", "many"])
def test_bytes_that_are_zero_are_no_text(photos: Path, text: str) -> None:
    with pytest.raises(SourceError, match=r"UTF-16 without its mark|holds bytes that are 0"):
        open_source(table(photos, text))


def test_a_text_of_16_bits_that_is_cut(photos: Path) -> None:
    path = table(photos, "path,label\nimages/1.png,cat\n", encoding="utf-16")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SourceError, match="has the mark of UTF-16 or UTF-32, but is damaged"):
        open_source(path)


@pytest.mark.parametrize("mark", list(",;\t|"))
@pytest.mark.parametrize("head", ["sep={}", '"sep={}"', "SEP={}", "\n\nsep={}"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_first_line_that_names_the_separator(photos: Path, mark: str, head: str, encoding: str) -> None:
    lines = [head.format(mark), *(mark.join(row) for row in (("path", "label"), *TWO))]
    assert brief(open_source(table(photos, "\r\n".join(lines), encoding=encoding)).items) == TWO
    broken = table(photos, "\n".join([*lines, 'images/3.png"x']), encoding=encoding)
    if "\n" not in head:
        assert open_source(broken).skipped[0].detail.startswith("labels.csv, line 5")


def test_a_separator_within_quotes_is_none(photos: Path) -> None:
    path = table(photos, '"path";"label";"what, who, where"\nimages/1.png;cat;"a, b, c"\n')
    assert brief(open_source(path).items) == TWO[:1]


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n\r\n", "\r\r\n"])
def test_other_ends_of_lines(photos: Path, end: str) -> None:
    assert (
        brief(open_source(table(photos, end.join(["path,label", "images/1.png,cat", "images/2.png,dog"]))).items) == TWO
    )


def test_the_end_of_a_file_of_dos_is_no_row(photos: Path) -> None:
    dataset = open_source(table(photos, "path,label\r\nimages/1.png,cat\r\nimages/2.png,dog\r\n\x1a"))
    assert (brief(dataset.items), dataset.skipped) == (TWO, ())


def test_quotes_behind_a_space(photos: Path) -> None:
    image(photos / " lead.png")
    path = table(photos, 'path, label\nimages/1.png, "cat"\nimages/2.png,"dog"\nimages/3.png, "big, ""old"" cat"\n')
    assert brief(open_source(path).items) == [*TWO, ("images/3.png", 'big, "old" cat')]
    assert brief(open_source(table(photos, "label,path\ncat, lead.png\n")).items) == [(" lead.png", "cat")]


def test_two_marks_of_utf8(photos: Path) -> None:
    assert (
        brief(open_source(table(photos, "\ufeffpath,label\nimages/1.png,cat\n", encoding="utf-8-sig")).items) == TWO[:1]
    )


def test_rows_that_give_no_item_are_on_record(photos: Path) -> None:
    (photos / "notes").write_text("just a text")
    path = table(
        photos,
        "path,label\nimages/1.png,cat\nimages/9.png,cat\nimages/2.png,\n./images//1.png,cat\nnotes,dog\nimages,dog\n,dog\n",
    )
    dataset = open_source(path)
    assert brief(dataset.items) == [("images/1.png", "cat")]
    assert [(one.name, one.reason, one.detail) for one in dataset.skipped] == [
        ("images", "missing", "labels.csv, line 7: it is a folder, not a file"),
        ("images/1.png", "repeated", "labels.csv, line 5: already listed (labels.csv, line 2)"),
        ("images/2.png", "no label", "labels.csv, line 4: the label is empty"),
        ("images/9.png", "missing", "labels.csv, line 3: no such file"),
        ("labels.csv, line 8", "no path", "labels.csv, line 8: the path is empty"),
        ("notes", "not an image", "a text file"),
    ]


def test_two_labels_for_one_file_leave_none(photos: Path) -> None:
    rows = "images/1.png,cat\nimages/2.png,dog\nimages/1.png,dog\nimages/1.png,cat\n"
    dataset = open_source(table(photos, "path,label\n" + rows))
    assert brief(dataset.items) == [("images/2.png", "dog")]
    assert [(one.name, one.reason) for one in dataset.skipped] == [("images/1.png", "conflicting labels")] * 3
    assert dataset.skipped[0].detail == "'cat' (labels.csv, line 2) and 'dog' (labels.csv, line 4)"


def test_all_missing_says_where_it_looked(photos: Path) -> None:
    path = table(photos, "path,label\n7.png,cat\n8.png,dog\n")
    with pytest.raises(
        SourceError, match=r"none of the 2 files listed in .* exists, e\.g\. 7\.png; relative paths start at"
    ) as e:
        open_source(path)
    assert str(e.value).endswith(str(photos))


def test_paths_may_be_absolute_or_climb_in_the_users_own_table(photos: Path) -> None:
    outside = image(photos / "else" / "x.png")
    folder = photos / "lists"
    folder.mkdir()
    rows = f"path,label\n../images/1.png,cat\n{outside},dog\n{image(folder / 'in.png')},dog\n"
    names = [item.name for item in open_source(table(folder, rows)).items]
    assert names == sorted(["../images/1.png", str(outside), "in.png"])


def test_paths_as_another_system_writes_them(tmp_path: Path) -> None:
    composed, decomposed = unicodedata.normalize("NFC", "löwe"), unicodedata.normalize("NFD", "löwe")
    image(tmp_path / "images" / f"{composed}.png")
    image(tmp_path / f"{decomposed} 2.png")
    rows = f"path, label\nimages\\{composed}.png, {composed}\n {composed} 2.png, {decomposed}\n"
    path = table(tmp_path, rows.replace(f" {composed} 2", f"{composed} 2"))
    dataset = open_source(path)
    assert len(dataset.items) == 2
    assert all(item.path.is_file() for item in dataset.items)
    assert dataset.classes == (composed,)


def test_without_labels_only_the_path_counts(photos: Path) -> None:
    dataset = open_source(table(photos, "path\nimages/2.png\nimages/1.png\n"), labelled=False)
    assert brief(dataset.items) == [("images/1.png", None), ("images/2.png", None)]
    labels = "path,label,class\nimages/1.png,cat,x\nimages/2.png,,y\n"
    assert brief(open_source(table(photos, labels), labelled=False).items) == brief(dataset.items)


def test_json_lines(photos: Path) -> None:
    rows = [{"file_name": "images/1.png", "label": "cat"}, {"label": 2, "file_name": "images/2.png", "weight": 3}]
    path = table(photos, "\n".join(map(json.dumps, rows)) + "\n\n", "labels.jsonl")
    assert [(i.label, i.weight) for i in open_source(path).items] == [("cat", 1.0), ("2", 3.0)]


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ('{"file_name": "images/2.png", "label"', r"labels\.jsonl, line 3: broken JSON at column 38"),
        ("[1, 2]", r"labels\.jsonl, line 3 is a JSON list; each line must be one object"),
        ('{"file_name": "images/2.png", "label": {"id": 1}}', "line 3: the label is of type dict"),
        ('{"file_name": "images/2.png", "label": ["a", ["b"]]}', "line 3: a label of the list is of type list"),
        ('{"file_name": 7, "label": "a"}', "line 3: the path is of type int"),
        ('{"file_name": "images/2.png", "label": "a", "weight": true}', "line 3: weight True is not"),
        ("[" * 100_000, "line 3: .*recursion"),
    ],
)
def test_a_bad_json_line_is_named(photos: Path, line: str, match: str) -> None:
    path = table(photos, f'{{"file_name": "images/1.png", "label": "cat"}}\n\n{line}\n', "labels.jsonl")
    with pytest.raises(SourceError, match=match):
        open_source(path)


def test_a_lone_surrogate_in_json_does_no_harm(photos: Path) -> None:
    rows = '{"path": "images/1.png", "label": "a\\ud800"}\n{"path": "\\ud800.png", "label": "a"}\n'
    dataset = open_source(table(photos, rows, "labels.jsonl"))
    assert brief(dataset.items) == [("images/1.png", "a?")]
    assert [(one.name, one.reason) for one in dataset.skipped] == [("?.png", "missing")]


def test_parquet(photos: Path) -> None:
    columns = {
        "file": ["images/1.png", "images/2.png", "images/3.png", "images/4.png"],
        "Label": [1.0, 2.5, None, float("nan")],
        "video": pyarrow.array(["a", "a", "b", "b"]).dictionary_encode(),
        "split": ["train", None, "test", "test"],
        "pixels": [b"x"] * 4,
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), photos / "labels.parquet")
    dataset = open_source(photos / "labels.parquet")
    assert [(i.name, i.label, i.group, i.split) for i in dataset.items] == [
        ("images/1.png", "1", "a", "train"),
        ("images/2.png", "2.5", "a", None),
    ]
    assert [(one.reason, one.detail) for one in dataset.skipped] == [
        ("no label", "labels.parquet, row 3: the label is empty"),
        ("no label", "labels.parquet, row 4: the label is empty"),
    ]


def test_a_damaged_parquet_file(photos: Path) -> None:
    with pytest.raises(SourceError, match=r"labels\.parquet is not a Parquet file that can be read") as caught:
        open_source(table(photos, "PAR1 not at all", "labels.parquet"))
    assert "\n" not in str(caught.value)


def test_parquet_without_pyarrow_says_what_to_install(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SourceError, match=re.escape(install_command("parquet"))):
        open_source(table(photos, "PAR1", "labels.parquet"))


@pytest.mark.thorough
def test_a_hundred_thousand_rows_do_not_stall(photos: Path) -> None:
    path = table(photos, "path,label\n" + "images/1.png,cat\n" * 100_000)
    dataset = open_source(path)
    assert (len(dataset.items), len(dataset.skipped)) == (1, 99_999)


MANY = 1_000_000


@pytest.mark.thorough
def test_a_table_of_a_million_columns_ends_with_one_line(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(MANY)]
    table(tmp_path, ",".join(names) + "\n")
    with pytest.raises(SourceError, match="the first line has more than 4 million characters; is it a table"):
        open_source(tmp_path / "labels.csv")
    table(tmp_path, "path," * 500_000 + "label\n")
    with pytest.raises(SourceError, match=r"labels\.csv has 500,001 columns; at most 10,000 are read"):
        open_source(tmp_path / "labels.csv")
    table(tmp_path, "path,label\n" + "," * MANY + "\n" + "a.jpg,x" + ",y" * MANY + "\n")
    with pytest.raises(SourceError, match=r"labels\.csv, line 3: 1000002 cells under 2 columns"):
        open_source(tmp_path / "labels.csv")
    table(tmp_path, json.dumps(dict.fromkeys(names[:100_000], 1)) + "\n", "labels.jsonl")
    with pytest.raises(SourceError, match=r"labels\.jsonl, line 1 has 100,000 columns"):
        open_source(tmp_path / "labels.jsonl")
    pyarrow.parquet.write_table(pyarrow.table({name: [1] for name in names[:10_001]}), tmp_path / "labels.parquet")
    with pytest.raises(SourceError, match=r"labels\.parquet has 10,001 columns"):
        open_source(tmp_path / "labels.parquet")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("labels.csv", "a" * 100_000_000, "the first line has more than 4 million characters"),
        ("labels.csv", "path,label\n" + "a" * 10_000_000, "field larger than field limit"),
        ("labels.jsonl", '{"path": "' + "a" * 100_000_000, "line 1 has more than 4 million characters"),
    ],
    ids=["header", "cell", "object"],
)
def test_a_line_without_end_is_given_up(tmp_path: Path, name: str, text: str, message: str) -> None:
    table(tmp_path, text, name)
    with pytest.raises(SourceError, match=message):
        open_source(tmp_path / name)
