"""Records as Parquet and CSV."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from made_records import START, made_record, made_truth

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.records import Context, Entry, Record
from drivetrain.core.types import Interval
from drivetrain.store.export import COLUMNS, TOLD_COLUMNS, export, export_truths
from drivetrain.store.sql_store import SqlStore

RECORDS = (
    made_record(0),
    made_record(
        1,
        label="größe",
        path="=HYPERLINK(1)",
        context=Context("+cam", "-site", "@g", None, {"a": [1, None], "n": math.nan}),
    ),
    made_record(2, label=None, labels=("rust", "crack"), path='a\0\ud83d\n,"x.jpg'),
    made_record(3, label=None, probs={}, values={"age": Interval(3.5, -math.inf, 7.0, "split")}, facts={}, reasons=()),
)


def test_a_csv_says_what_the_records_said(tmp_path: Path) -> None:
    out = tmp_path / "out.CSV"
    assert export(RECORDS, out) == 4
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    first = rows[0]
    assert (first["id"], first["at"], first["label"], float(first["confidence"])) == (
        RECORDS[0].id,
        START.isoformat(),
        "teddy",
        0.875,
    )
    assert json.loads(first["probs"]) == {"teddy": 0.875, "grizzly": 0.125}
    assert json.loads(rows[1]["extra"]) == {"a": [1, None], "n": None}
    assert json.loads(rows[2]["labels"]) == ["rust", "crack"]
    assert rows[2]["path"] == 'a��\n,"x.jpg'
    assert json.loads(rows[3]["values"]) == {"age": {"value": 3.5, "low": None, "high": 7.0, "method": "split"}}
    assert (rows[3]["facts"], rows[3]["label"]) == ("", "")
    assert json.loads(first["reasons"]) == ["low-confidence", "a-rule"]
    assert rows[3]["reasons"] == ""


def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    export(RECORDS, out)
    with out.open(encoding="utf-8", newline="") as file:
        row = list(csv.DictReader(file))[1]
    assert (row["path"], row["camera"], row["site"], row["group"]) == ("'=HYPERLINK(1)", "'+cam", "'-site", "'@g")


FORMULAS = [
    "=1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\u3000=1", "\x0b=1", "\x85=1", "\u2028=1",
    "＝1", "＋1", "－1", "＠SUM(A1)", "﹢1", "﹣1", "−1", "–1", "'=1", '"=1', "“=1", "＇=1", "`=1", "\ufeff=1", "\u200b=1",
    "\u2060=1", "\u00ad=1", "\u202e=1", "\u034f=1", "\ufe0f=1", "\u3164=1", "\u2800=1", "\x00=1", "\ud800=1",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_a_formula_is_none_whatever_it_hides_behind(tmp_path: Path, text: str) -> None:
    out = tmp_path / "out.csv"
    export([made_record(0, label=text, path=text, context=Context(text, text, text, None, {}))], out)
    with out.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    for name in ("label", "path", "camera", "site", "group"):
        assert row[name].startswith(("'", "�")), name


@pytest.mark.parametrize("text", ["teddy", "Ärger", "熊", "7", "(x)", "[1]", "{}", "_x", "#1", "a=1", "🐻", "/x", ".x"])
def test_other_texts_are_left_as_they_are(tmp_path: Path, text: str) -> None:
    out = tmp_path / "out.csv"
    export([made_record(0, label=text)], out)
    with out.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["label"] == text


def test_parquet_holds_every_text_as_it_is(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "out.parquet"
    records = [replace(RECORDS[n % 4], id=f"{n:032x}") for n in range(12_000)]
    assert export(iter(records), out) == 12_000
    table = parquet.read_table(out)
    assert table.column_names == list(COLUMNS)
    assert table.column("id").to_pylist() == [record.id for record in records]
    row = table.slice(1, 1).to_pylist()[0]
    assert (row["path"], row["at"], row["taken_at"], json.loads(row["facts"])) == (
        "=HYPERLINK(1)",
        RECORDS[1].at,
        None,
        {"width": 400, "height": 300},
    )
    assert [None if codes is None else json.loads(codes) for codes in table.column("reasons").to_pylist()[2:4]] == [
        ["low-confidence", "a-rule"],
        None,
    ]
    assert table.slice(2, 1).to_pylist()[0]["path"] == 'a\0�\n,"x.jpg'


def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    def broken() -> Iterator[Record]:
        yield from RECORDS
        raise StoreError("gone")

    for name in ("out.csv", "out.parquet"):
        out = tmp_path / name
        out.write_text("request_id\nbefore")
        with pytest.raises(StoreError, match="gone"):
            export(broken(), out)
        assert out.read_text() == "request_id\nbefore"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.csv", "out.parquet"]


def test_where_it_cannot_write_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.parquet or \.csv"):
        export(RECORDS, tmp_path / "out.xlsx")
    with pytest.raises(StoreError, match="cannot be written"):
        export(RECORDS, tmp_path / "nowhere" / "out.csv")


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(StoreError, match="pip install"):
        export(RECORDS, tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.serial
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_memory_does_not_grow_with_the_records(tmp_path: Path, suffix: str) -> None:
    def many(count: int) -> Iterator[Record]:
        return (replace(RECORDS[0], id=f"{n:032x}") for n in range(count))

    export(many(100), tmp_path / f"warm{suffix}")
    peaks = []
    for count in (12_000, 36_000):
        tracemalloc.start()
        export(many(count), tmp_path / f"out{suffix}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_a_whole_store_is_exported(store: SqlStore, tmp_path: Path) -> None:
    store.append([Entry(made_record(number)) for number in range(2500)])
    assert export(store.iterate(), tmp_path / "out.csv") == 2500
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [made_record(number).id for number in range(2499, -1, -1)]


def told_of(store: SqlStore) -> None:
    """Two right answers to the first record, one of several labels to the third, and none to the others."""
    store.append([Entry(record) for record in RECORDS])
    store.add_truth(made_truth(0, by="=Ada"))
    store.add_truth(made_truth(1, label="polar", by="Grace", note=None))
    store.add_truth(made_truth(2, prediction=2, label=None, labels=(), values={"age": 1.5}))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_record_goes_with_the_right_answer_that_was_told_last(store: SqlStore, tmp_path: Path) -> None:
    told_of(store)
    assert export(store.iterate(), tmp_path / "out.csv", store.truths_of) == 4
    rows = read(tmp_path / "out.csv")[::-1]
    assert [row["truths"] for row in rows] == ["2", "0", "1", "0"]
    names = ("truth_label", "truth_labels", "truth_values", "truth_how", "truth_by", "truth_note")
    assert [rows[0][name] for name in names] == ["polar", "", "", "blind", "Grace", ""]
    assert [rows[2][name] for name in names] == ["", "[]", '{"age":1.5}', "blind", "Ada", "left of the tree"]
    assert {rows[1][name] for name in (*names, "truth_at")} == {""}
    assert rows[0]["truth_at"] == made_truth(1).at.isoformat()
    assert rows[0]["label"] == "teddy"


def test_every_right_answer_has_a_row_beside_what_was_answered(store: SqlStore, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    told_of(store)
    assert export_truths(store.iterate_truths(), tmp_path / "told.csv") == 3
    assert export_truths(store.iterate_truths(), tmp_path / "told.parquet") == 3
    several, last, first = read(tmp_path / "told.csv")
    assert list(first) == list(TOLD_COLUMNS)
    assert (first["label"], first["answered_label"], first["by"], first["verdict"]) == (
        "grizzly",
        "teddy",
        "'=Ada",
        "accept",
    )
    assert (last["label"], last["prediction_id"], last["camera"]) == ("polar", RECORDS[0].id, "camera 1")
    assert (json.loads(several["labels"]), json.loads(several["answered_labels"])) == ([], ["rust", "crack"])
    table = parquet.read_table(tmp_path / "told.parquet")
    assert table.column_names == list(TOLD_COLUMNS)
    assert table.column("by").to_pylist() == ["Ada", "Grace", "=Ada"]
    assert table.column("answered_at").to_pylist() == [RECORDS[2].at, RECORDS[0].at, RECORDS[0].at]


@pytest.mark.processes
def test_export_is_not_in_the_way_of_starting() -> None:
    code = "import sys, drivetrain.store.export, drivetrain.store.sql_store; print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
