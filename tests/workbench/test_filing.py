"""Filing: labelled items become files of a data set, once, wherever a kill comes; and a store is told the right answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.records import Context, Entry, Record, StoredInput, Timings, ToldHow, Truth
from drivetrain.core.types import Item, Prediction, Verdict
from drivetrain.data.edits.edit import Change, Edit, Fate, Standing
from drivetrain.data.provenance.record import ProvenanceRecord, read_record
from drivetrain.store.sql_store import SqlStore, open_store
from drivetrain.workbench.filing import Filing
from drivetrain.workbench.label_set import STORE_LOG, LabelOptions, open_label_set
from drivetrain.workbench.stored_items import stored_items
from drivetrain.workbench.telling import NONE_OF_THESE
from labelled_pool import COLOURS, draw, pool, settled, ticking

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)


def edit(number: int, item: Item, label: str | None, fate: Fate = Fate.KEPT, how: ToldHow = ToldHow.BLIND) -> Edit:
    at = AT + timedelta(seconds=number)
    return Edit(f"{number:032x}", at, "ann", item.id, Standing(None), Standing(label, fate), how=how)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))


@pytest.fixture
def items(tmp_path: Path) -> tuple[Item, ...]:
    draw(tmp_path / "inbox", each=2)
    return pool(tmp_path / "inbox").items


def filing(into: Path) -> Filing:
    into.mkdir(exist_ok=True)
    return Filing(into, ProvenanceRecord(into), lambda item: item.name, lambda _, line: replace(line, source="folder"))


def test_a_label_makes_a_file_and_a_line_and_another_label_moves_it(items: tuple[Item, ...], tmp_path: Path) -> None:
    into = tmp_path / "data"
    filed, item = filing(into), items[0]
    filed.settle(item, edit(1, item, "blue"))
    filed.settle(item, edit(1, item, "blue"))
    assert files(into) == ["blue/blue-0.png"]
    filed.settle(item, edit(2, item, "red", how=ToldHow.ASSISTED))
    assert files(into) == ["red/blue-0.png"]
    filed.settle(item, edit(3, item, None))
    assert files(into) == ["removed/red/blue-0.png"]
    filed.settle(item, edit(4, item, "red"))
    assert files(into) == ["red/blue-0.png"]
    assert (into / "red" / "blue-0.png").read_bytes() == item.path.read_bytes()
    lines = read_record(into)
    assert [(line.name, line.label_how) for line in lines] == [
        ("blue/blue-0.png", "blind"),
        ("red/blue-0.png", "assisted"),
        ("red/blue-0.png", "blind"),
    ]
    assert {line.sha256 for line in lines} == {hashlib.sha256(item.path.read_bytes()).hexdigest()}


def test_what_somebody_moved_since_stays_where_it_is(items: tuple[Item, ...], tmp_path: Path) -> None:
    into, item = tmp_path / "data", items[0]
    filed = filing(into)
    filed.settle(item, edit(1, item, "blue"))
    (into / "green").mkdir()
    (into / "blue" / "blue-0.png").rename(into / "green" / "blue-0.png")
    filed.record.close()
    filing(into).settle(item, edit(1, item, "blue"))
    assert files(into) == ["green/blue-0.png"]


def test_files_of_one_name_stand_beside_each_other(items: tuple[Item, ...], tmp_path: Path) -> None:
    into = tmp_path / "data"
    filed = replace(filing(into), file_name=lambda _item: "same.png")
    for number, item in enumerate(items):
        filed.settle(item, edit(number, item, "any"))
    names = files(into)
    assert len(names) == len(items)
    assert "any/same.png" in names
    assert sorted((into / name).read_bytes() for name in names) == sorted(item.path.read_bytes() for item in items)


def test_a_kill_between_file_and_line_leaves_one_file(items: tuple[Item, ...], tmp_path: Path) -> None:
    """The file is there, and the line is not: settled again, there is one of each."""
    into, item = tmp_path / "data", items[0]
    filed = filing(into)
    (into / "blue").mkdir()
    (into / "blue" / "blue-0.png").write_bytes(item.path.read_bytes())
    (into / "blue" / ".blue-0.png.part").write_bytes(b"half a pict")
    filed.settle(item, edit(1, item, "blue"))
    assert files(into) == ["blue/blue-0.png"]
    assert len(read_record(into)) == 1


def test_a_file_that_cannot_be_read_is_said(items: tuple[Item, ...], tmp_path: Path) -> None:
    items[0].path.unlink()
    with pytest.raises(
        DataError, match=r"blue-0\.png has its label, but its file could not be put into .*No such file"
    ):
        filing(tmp_path / "data").settle(items[0], edit(1, items[0], "blue"))


@pytest.mark.parametrize("label", ["../home", "a/b", "..", "", "x" * 300, "removed", "link"])
def test_a_label_from_a_strangers_log_files_nothing_elsewhere(
    items: tuple[Item, ...], tmp_path: Path, label: str
) -> None:
    (tmp_path / "home").mkdir()
    filed = filing(tmp_path / "data")
    (tmp_path / "data" / "link").symlink_to(tmp_path / "home")
    with pytest.raises(DataError, match="cannot be filed under"):
        filed.settle(items[0], edit(1, items[0], label))
    assert files(tmp_path / "home") == files(tmp_path / "data") == []


# A store.


def stored(place: Path, pictures: Iterable[Path], verdict: Verdict = Verdict.REVIEW) -> SqlStore:
    store = open_store(place)
    for number, path in enumerate(sorted(pictures)):
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        answer = Prediction(path.name, "red", 0.6, {"red": 0.6, "blue": 0.4}, verdict, "bundle")
        context = Context(camera="north", group=f"burst {number // 2}")
        at, name = AT + timedelta(seconds=number), f"{number:032x}"
        record = Record(name, name, at, "field", answer, Timings(0, 0, 0, 0), sha256, {}, context)
        store.append([Entry(record, StoredInput(sha256, data, "image/png") if number != 1 else None)])
    return store


def test_only_what_is_kept_and_open_is_to_be_labelled(tmp_path: Path) -> None:
    draw(tmp_path / "inbox", each=2)
    store = stored(tmp_path / "store.sqlite", (tmp_path / "inbox").glob("*.png"))
    store.add_truth(Truth("f" * 32, f"{0:032x}", AT, "ada", ToldHow.BLIND, "blue"))
    found = stored_items(store)
    assert [item.name for item in found.dataset.items] == [f"{number:032x}" for number in range(2, 6)]
    assert {item.group for item in found.dataset.items} == {"burst 1", "burst 2"}
    assert found.dataset.notes == (
        "1 prediction is left out, as somebody has told the right answer already",
        "1 prediction is left out, as the store did not keep the input (serve --images keeps it)",
    )
    assert len(stored_items(store, known={f"{0:032x}"}).dataset.items) == 5
    with pytest.raises(
        DataError, match=r"has nothing to label with the verdict accept: 0 predictions had such a verdict"
    ):
        stored_items(store, (Verdict.ACCEPT,))
    store.close()


@pytest.mark.trains  # puts pictures through the packaged network
def test_labels_of_stored_items_become_files_and_truths(tmp_path: Path) -> None:
    draw(tmp_path / "inbox", each=3)
    store = stored(tmp_path / "store.sqlite", (tmp_path / "inbox").glob("*.png"), Verdict.OUT_OF_DOMAIN)
    options = LabelOptions(into=tmp_path / "data", classes=tuple(COLOURS), cache=tmp_path / "cache")
    opened = open_label_set(options, ticking(), store)
    session = opened.session
    session.start()
    settled(session)
    assert session.problem is None
    assert opened.log == tmp_path / "data" / STORE_LOG
    asked = session.following(3, "ann", ())
    rows = [one.asked.row for one in asked]
    assert session.opened is not None
    ids = [session.opened.pool.items[row].id for row in rows]
    session.mark([Change(ids[0], Standing("red", Fate.KEPT), how=ToldHow.BLIND)], "ann")
    session.mark([Change(ids[1], Standing("blue", Fate.KEPT), how=ToldHow.ASSISTED)], "ann")
    session.mark([Change(ids[1], Standing("green", Fate.KEPT), how=ToldHow.ASSISTED)], "ann")
    session.mark([Change(ids[2], Standing(None, Fate.REMOVED), how=ToldHow.BLIND)], "ann")
    session.undo("bob")
    assert session.unsettled is None
    assert files(tmp_path / "data") == sorted([f"red/{ids[0].name}.png", f"green/{ids[1].name}.png"])
    lines = read_record(tmp_path / "data")
    assert [(line.source, line.url, line.label_how) for line in lines] == [
        ("store", f"urn:drivetrain:prediction:{ids[0].name}", "blind"),
        ("store", f"urn:drivetrain:prediction:{ids[1].name}", "assisted"),
        ("store", f"urn:drivetrain:prediction:{ids[1].name}", "assisted"),
    ]
    assert lines[0].group is not None
    told = store.truths_of([one.name for one in ids])
    assert [(one.label, one.how, one.by) for one in told[ids[0].name]] == [("red", ToldHow.BLIND, "ann")]
    assert [one.label for one in told[ids[1].name]] == ["blue", "green"]
    assert [one.label for one in told[ids[2].name]] == [NONE_OF_THESE]
    session.close()
    opened.close()

    again = open_label_set(options, ticking(), store)
    again.session.start()
    settled(again.session)
    assert sorted(again.session.labels().values()) == ["green", "red"]
    assert store.truths_of([one.name for one in ids]) == told
    assert len(read_record(tmp_path / "data")) == 3
    again.session.close()
    again.close()
    store.close()


@pytest.mark.trains  # puts pictures through the packaged network
def test_a_folder_is_labelled_into_another_and_trained_from(tmp_path: Path) -> None:
    draw(tmp_path / "inbox", each=3)
    options = LabelOptions(str(tmp_path / "inbox"), tmp_path / "data", tuple(COLOURS), cache=tmp_path / "cache")
    opened = open_label_set(options, ticking())
    opened.session.start()
    settled(opened.session)
    rows = [one.asked.row for one in opened.session.following(9, "ann", ())]
    assert opened.session.opened is not None
    for row in rows:
        item = opened.session.opened.pool.items[row]
        opened.session.mark([Change(item.id, Standing(item.name.partition("-")[0], Fate.KEPT))], "ann")
    settled(opened.session)
    assert len(files(tmp_path / "data")) == 9
    assert len(files(tmp_path / "inbox")) == 9
    with pytest.raises(UsageError, match="another program is adding to"):
        open_label_set(options, ticking())
    opened.session.close()
    opened.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (LabelOptions(), "nothing to label was given; give one of them: a folder, or --store STORE"),
        (LabelOptions("x", Path("x/data")), "lie in each other"),
        (LabelOptions("x", bundle=Path("b"), backbone="n"), "--bundle brings a network of its own"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: LabelOptions, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        open_label_set(options, ticking())


def test_a_store_needs_a_place_for_its_pictures(tmp_path: Path) -> None:
    store = cast("SqlStore", object())
    with pytest.raises(UsageError, match="give --into DATA"):
        open_label_set(LabelOptions(), ticking(), store)
    with pytest.raises(UsageError, match="a source and --store were given"):
        open_label_set(LabelOptions(str(tmp_path)), ticking(), store)
