"""Applying edits to files, and taking that back: what is read before and after is the same, and undoing gives the first bytes."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.types import ItemId
from drivetrain.data.edits.applying import Outcome, apply_edits, opened, take_back
from drivetrain.data.edits.edit import Change, Fate, Standing
from drivetrain.data.edits.last_step import every, finished, redo_last, undo_last
from drivetrain.data.edits.log import EditLog, Recorded
from drivetrain.data.edits.moves import MOVES, Journal, Move, Swap
from drivetrain.data.edits.places import log_place
from drivetrain.data.edits.undoing import Refused
from drivetrain.data.sources.opening import open_source
from drivetrain.learn.reading import read
from drivetrain.learn.target_options import TargetOptions
from drivetrain.model.kinds.tasks import TaskName

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
BLACK_GONE = Standing("black", Fate.REMOVED)


def draw(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (24, 24), (number * 7 % 256, number * 31 % 256, number * 53 % 256)).save(path)


@pytest.fixture
def bears(tmp_path: Path) -> Path:
    root = tmp_path / "bears"
    for place, label in enumerate(("black", "grizzly")):
        for number in range(4):
            draw(root / label / f"{number}.png", 10 * place + number)
    return root


def mark(source: Path, name: str, to: Standing, by: str = "ada", before: Standing | None = None) -> None:
    root = log_place(source).parent
    item = ItemId(name, hashlib.sha256((root / name).read_bytes()).hexdigest())
    EditLog.open(log_place(source)).record(
        [Change(item, to)], by, NOW, lambda _: before or Standing(name.split("/")[-2])
    )


def tree(root: Path) -> dict[str, bytes]:
    """Every folder and file but the log."""
    found = {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else b"" for path in root.rglob("*")
    }
    return {name: data for name, data in found.items() if not name.endswith("edits.jsonl")}


def seen(source: Path, *, edits: bool, task: TaskName = "classification") -> dict[str, str | None]:
    """SHA-256 of what is read → its label."""
    found = read(source, TargetOptions(task, edits=edits), None, source.parent / "unpacked").dataset
    return {hashlib.sha256(item.path.read_bytes()).hexdigest(): item.label for item in found.items}


def applied(source: Path) -> Outcome:
    before = seen(source, edits=True)
    found = apply_edits(source, "ada", NOW)
    assert seen(source, edits=False) == before == seen(source, edits=True)
    return found


def undone(source: Path) -> int:
    """Undo everything; returns how many steps that were."""
    log = opened(source)
    *steps, end = every(lambda: undo_last(log, None, NOW))
    assert end == Refused("there is nothing to undo")
    return len(steps)


def edit_some(root: Path) -> None:
    mark(root, "black/0.png", Standing("grizzly"))  # whose name is taken there
    mark(root, "black/1.png", BLACK_GONE)
    mark(root, "black/2.png", Standing("teddy"))  # a class that has no folder yet
    mark(root, "grizzly/3.png", Standing("grizzly", Fate.KEPT), "ben")


def test_files_go_to_their_labels_and_what_was_removed_beside_them(bears: Path) -> None:
    edit_some(bears)
    found = applied(bears)
    assert found.journal is not None
    assert found.left == ()
    names = set(tree(bears))
    assert {"grizzly/0 (2).png", "teddy/2.png", "removed/black/1.png", "removed/moved-aside.jsonl"} <= names
    assert not {"black/0.png", "black/1.png", "black/2.png"} & names
    assert applied(bears) == Outcome(None)


def test_undo_to_the_start_gives_the_first_bytes_and_redo_the_last(bears: Path) -> None:
    first = tree(bears)
    edit_some(bears)
    applied(bears)
    last, labels = tree(bears), seen(bears, edits=True)
    for _ in range(2):
        assert undone(bears) == 5
        assert tree(bears) == first
        log = opened(bears)
        assert len(list(every(lambda: redo_last(log, None, NOW)))) == 6  # noqa: B023  # called at once
        assert tree(bears) == last
        assert seen(bears, edits=True) == labels


def test_what_is_undone_after_applying_moves_back_when_it_is_applied_again(bears: Path) -> None:
    first = tree(bears)
    edit_some(bears)
    applied(bears)
    log = opened(bears)
    for _ in range(3):
        assert isinstance(log.undo("ada", NOW), Recorded)
    assert "teddy/2.png" in tree(bears)
    applied(bears)
    assert tree(bears) == first
    assert undone(bears) == 3  # applied twice, and kept by ben
    assert tree(bears) == first


def test_edits_of_what_was_moved_go_on_from_there(bears: Path) -> None:
    first = tree(bears)
    mark(bears, "black/0.png", Standing("teddy"))
    applied(bears)
    mark(bears, "teddy/0.png", Standing("teddy", Fate.REMOVED))
    (stood,) = opened(bears).standings.all()
    assert (stood.item.name, stood.origin, stood.original) == ("teddy/0.png", "black/0.png", Standing("black"))
    applied(bears)
    assert "removed/black/0.png" in tree(bears)
    assert undone(bears) == 4
    assert tree(bears) == first


def test_frames_of_a_video_stay_in_their_group_wherever_they_are_moved(bears: Path) -> None:
    origin = {"sha256": "", "source": "video", "at": "2026-01-02T03:04:05+00:00", "group": "video 7"}
    lines = [json.dumps({"name": f"black/{number}.png", **origin}) + "\n" for number in range(3)]
    (bears / "provenance.jsonl").write_text("".join(lines), encoding="utf-8")
    mark(bears, "black/0.png", Standing("teddy"))
    apply_edits(bears, "ada", NOW)
    groups = {item.name: item.group for item in open_source(bears).items if item.group}
    assert groups == dict.fromkeys(("black/1.png", "black/2.png", "teddy/0.png"), "video 7")
    undone(bears)
    groups = {item.name: item.group for item in open_source(bears).items if item.group}
    assert groups == dict.fromkeys(("black/0.png", "black/1.png", "black/2.png"), "video 7")


def test_splits_keep_their_places_and_class_folders_may_lie_deeper(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for place, split in enumerate(("train", "valid")):
        for number in range(4):
            draw(root / split / ("cat" if number % 2 else "dog") / "2020" / f"{number}.png", 10 * place + number)
    mark(root, "valid/cat/2020/1.png", Standing("dog"), before=Standing("cat"))
    applied(root)
    assert "valid/dog/2020/1.png" in tree(root)


def test_pictures_without_labels_go_to_folders_of_those_people_gave(tmp_path: Path) -> None:
    root = tmp_path / "new"
    for number in range(5):
        draw(root / f"{number}.png", number)
    first = tree(root)
    for number in range(4):
        name = f"{number}.png"
        item = ItemId(name, hashlib.sha256((root / name).read_bytes()).hexdigest())
        to = Standing("cat" if number % 2 else "dog")
        EditLog.open(log_place(root)).record([Change(item, to)], "ada", NOW, lambda _: Standing(None))
    applied(root)
    assert {"cat/1.png", "dog/0.png", "4.png"} <= set(tree(root))
    undone(root)
    assert tree(root) == first


def test_a_class_called_removed_stays_one(tmp_path: Path) -> None:
    root = tmp_path / "tattoos"
    for place, label in enumerate(("removed", "there")):
        for number in range(3):
            draw(root / label / f"{number}.png", 10 * place + number)
    mark(root, "there/0.png", Standing("there", Fate.REMOVED))
    mark(root, "there/1.png", Standing("removed"))
    applied(root)
    assert {"removed-2/there/0.png", "removed/1 (2).png"} <= set(tree(root))


@pytest.mark.parametrize("label", ["..", "a/b", ".hidden", " x ", "x" * 300, "a\\b", "removed", "", "\ud800"])
def test_a_label_that_no_folder_can_have_is_left_to_reading(bears: Path, label: str) -> None:
    before = tree(bears)
    mark(bears, "black/0.png", Standing(label))
    found = apply_edits(bears, "ada", NOW)
    assert found.journal is None
    assert len(found.left) == 1
    assert found.left[0].startswith("black/0.png cannot go to a class folder called")
    assert tree(bears) == before


@pytest.mark.parametrize("label", ["12:30", ":", "a\nb", "-rf", "CON", "😀" * 60])
def test_a_label_with_odd_signs_is_a_folder_like_others_and_the_log_stays_readable(bears: Path, label: str) -> None:
    before = tree(bears)
    mark(bears, "black/0.png", Standing(label))
    applied(bears)
    assert f"{label}/0 (2).png" not in tree(bears)
    assert f"{label}/0.png" in tree(bears)
    undone(bears)
    assert tree(bears) == before


def test_folders_and_files_of_odd_names_are_left_by_their_items(tmp_path: Path) -> None:
    for number, name in enumerate(("12:30/0.png", "12:30/1.png", "a\\/0.png", "a\\/b\\..\\c.png")):
        draw(tmp_path / "odd" / name, number)
    before = tree(tmp_path / "odd")
    mark(tmp_path / "odd", "12:30/1.png", Standing("a\\"))
    mark(tmp_path / "odd", "a\\/b\\..\\c.png", Standing("12:30"))
    found = apply_edits(tmp_path / "odd", "ada", NOW)
    assert found.journal is not None
    assert [move.new for move in found.journal.moves] == ["12:30/b\\..\\c.png"]
    assert len(found.left) == 1  # no new class is called by a backslash, which divides folders elsewhere
    undone(tmp_path / "odd")
    assert tree(tmp_path / "odd") == before


def test_odd_names_are_moved_as_the_file_system_has_them(bears: Path) -> None:
    odd = ["black/\udcff.png", "black/ö ✓\n.png", "black/-rf *.png"]
    for number, name in enumerate(odd):
        draw(bears / name, 40 + number)
        data = (bears / name).read_bytes()
        item = ItemId(os.fsencode(name).decode("utf-8", "replace"), hashlib.sha256(data).hexdigest())
        EditLog.open(log_place(bears)).record([Change(item, BLACK_GONE)], "ada", NOW, lambda _: Standing("black"))
    first = tree(bears)
    applied(bears)
    assert {f"removed/{name}" for name in odd} <= set(tree(bears))
    undone(bears)
    assert tree(bears) == first


def test_two_names_with_equal_bytes_are_moved_each_for_itself(bears: Path) -> None:
    (bears / "black" / "copy.png").write_bytes((bears / "black" / "0.png").read_bytes())
    first = tree(bears)
    mark(bears, "black/0.png", Standing("grizzly"))
    mark(bears, "black/copy.png", BLACK_GONE)
    apply_edits(bears, "ada", NOW)
    assert {"grizzly/0 (2).png", "removed/black/copy.png"} <= set(tree(bears))
    undone(bears)
    assert tree(bears) == first


def test_a_file_that_was_renamed_meanwhile_is_moved_from_there(bears: Path) -> None:
    mark(bears, "black/0.png", BLACK_GONE)
    (bears / "black" / "0.png").rename(bears / "black" / "other.png")
    applied(bears)
    assert "removed/black/other.png" in tree(bears)


@pytest.mark.parametrize("what", ["gone", "replaced", "taken"])
def test_undoing_is_refused_where_a_file_was_changed_since_and_nothing_moves(bears: Path, what: str) -> None:
    edit_some(bears)
    applied(bears)
    if what == "gone":
        (bears / "teddy" / "2.png").unlink()
    elif what == "replaced":
        draw(bears / "teddy" / "2.png", 99)
    else:
        draw(bears / "black" / "2.png", 99)
    before = tree(bears)
    found = undo_last(opened(bears), None, NOW)
    assert isinstance(found, Refused)
    assert found.sentence.startswith("cannot undo the applying of edits: ")
    assert found.sentence.endswith("; nothing was moved")
    assert tree(bears) == before


def test_a_folder_that_cannot_be_made_leaves_everything_as_it_was(bears: Path) -> None:
    mark(bears, "black/0.png", BLACK_GONE)
    mark(bears, "black/1.png", Standing("teddy"))
    (bears / "teddy").write_text("a file where a folder has to be", encoding="utf-8")
    before = tree(bears)
    with pytest.raises(DataError, match=r"cannot move or write .*; every file is back where it was"):
        apply_edits(bears, "ada", NOW)
    assert tree(bears) == before
    assert opened(bears).standings.pending is None


def test_moves_after_which_the_folder_reads_otherwise_are_taken_back(bears: Path) -> None:
    rows = [f"{label}/{number}.png,train" for label in ("black", "grizzly") for number in range(4)]
    table(bears / "metadata.csv", "\n".join(["file_name,split", *rows]))  # which the new name is not in
    mark(bears, "black/0.png", Standing("grizzly"))
    before = tree(bears)
    with pytest.raises(DataError, match="every file is back where it was"):
        apply_edits(bears, "ada", NOW)
    assert tree(bears) == before


@contextmanager
def full_disk(spare: int, path: Path) -> Iterator[None]:
    """Let no file grow beyond what one has now, and a little."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + spare, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_on_a_full_disk_nothing_is_recorded_nor_moved(bears: Path) -> None:
    edit_some(bears)
    place, before = log_place(bears), tree(bears)
    data = place.read_bytes()
    with full_disk(40, place):
        with pytest.raises(DataError, match=r"cannot write .*edits\.jsonl.*; nothing was recorded: make room"):
            mark(bears, "black/3.png", BLACK_GONE)
        with pytest.raises(DataError, match=r"cannot write .*edits\.jsonl"):
            apply_edits(bears, "ada", NOW)
    assert place.read_bytes() == data
    assert tree(bears) == before
    mark(bears, "black/3.png", BLACK_GONE)
    assert len(opened(bears).edits) == 5


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_in_a_folder_that_may_not_be_written_reading_goes_on_and_recording_says_why(bears: Path) -> None:
    edit_some(bears)
    log_place(bears).chmod(0o444)
    assert len(seen(bears, edits=True)) == 7
    with pytest.raises(DataError, match=r"cannot write .*Permission denied"):
        mark(bears, "black/3.png", BLACK_GONE)


def test_a_journal_cut_off_at_any_move_is_finished(bears: Path) -> None:
    edit_some(bears)
    first = tree(bears)
    labels = seen(bears, edits=True)
    journal = apply_edits(bears, "ada", NOW).journal
    last = tree(bears)
    assert journal is not None
    for done in range(len(journal.moves) + 1):
        assert isinstance(undo_last(opened(bears), None, NOW), Journal)
        assert tree(bears) == first
        log = opened(bears)
        with log.alone() as alone:  # a program that is killed after so many moves
            again = journal.again(alone.new_id(), NOW, "ada")
            alone.write(MOVES, again.to_line())
        for move in again.moves[:done]:
            (bears / move.new).parent.mkdir(parents=True, exist_ok=True)
            (bears / move.old).rename(bears / move.new)
        assert seen(bears, edits=True) == labels  # reading is right in between
        assert finished(opened(bears))
        assert tree(bears) == last
        assert not finished(opened(bears))


def cut_off(bears: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply by a program that is killed once its journal is written, before it has moved anything."""

    def killed(*_: object) -> tuple[str, ...]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("drivetrain.data.edits.applying.carry_out", killed)
        with pytest.raises(KeyboardInterrupt):
            apply_edits(bears, "ada", NOW)


def edited_at_once(bears: Path, name: str, to: Standing) -> None:
    """Edit an item by the name that its file is to have, which has not been moved there."""
    log = opened(bears)
    stood = log.standings[name]
    done = log.record([Change(stood.item, to)], "ben", NOW, lambda _: stood.standing)
    assert isinstance(done, Recorded)


@pytest.mark.parametrize("fate", list(Fate))
def test_what_is_edited_before_a_journal_cut_off_is_finished_is_read_as_it_was_edited(
    bears: Path, monkeypatch: pytest.MonkeyPatch, fate: Fate
) -> None:
    mark(bears, "black/1.png", BLACK_GONE)
    applied(bears)
    mark(bears, "grizzly/1.png", Standing("black"))
    applied(bears)
    undone_edits = opened(bears)
    for _ in range(2):
        assert isinstance(undone_edits.undo("ada", NOW), Recorded)
    cut_off(bears, monkeypatch)  # the one is still where the other is to come back to
    assert "removed/black/1.png" in tree(bears)
    edited_at_once(bears, "black/1.png", Standing("teddy", fate))
    labels = seen(bears, edits=True)
    notes = " ".join(read(bears, TargetOptions(), None, bears.parent / "unpacked").dataset.notes)
    assert "not applied" not in notes
    assert sorted(map(str, labels.values())).count("teddy") == (fate is not Fate.REMOVED)
    assert len(labels) == 8 - (fate is Fate.REMOVED)
    assert finished(opened(bears))
    assert seen(bears, edits=True) == labels


@pytest.mark.parametrize("why", ["", "duplicate", "near-duplicate"])
@pytest.mark.parametrize("to", [Standing("grizzly"), BLACK_GONE], ids=["relabelled", "removed"])
@pytest.mark.parametrize("copied", [False, True])
def test_a_file_that_waits_for_its_move_is_known_from_its_copies(
    bears: Path, monkeypatch: pytest.MonkeyPatch, copied: bool, to: Standing, why: str
) -> None:
    if copied:
        shutil.copy(bears / "black" / "1.png", bears / "black" / "9.png")
    item = ItemId("black/1.png", hashlib.sha256((bears / "black" / "1.png").read_bytes()).hexdigest())
    EditLog.open(log_place(bears)).record([Change(item, to, why)], "ada", NOW, lambda _: Standing("black"))
    for again in (False, True):
        if again:
            assert finished(opened(bears))
            assert isinstance(opened(bears).undo("ada", NOW), Recorded)  # and now back
        named = named_labels(bears)
        cut_off(bears, monkeypatch)
        assert named_labels(bears) == named
    edited_at_once(bears, "black/1.png", to)
    assert named_labels(bears) == Counter({**named, "black": named["black"] - 1}) + Counter(
        [] if to.fate is Fate.REMOVED else [to.label]
    )


def named_labels(root: Path) -> Counter[str | None]:
    """How many items are read with each label; every edit is applied."""
    found = read(root, TargetOptions(), None, root.parent / "unpacked").dataset
    assert "not applied" not in " ".join(found.notes)
    assert len({item.path for item in found.items}) == len(found.items)
    return Counter(item.label for item in found.items)


def test_of_two_standings_under_one_name_that_wait_one_file_is_read_once(
    bears: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark(bears, "black/1.png", BLACK_GONE)
    applied(bears)
    draw(bears / "black" / "1.png", 77)
    mark(bears, "black/1.png", Standing("grizzly", Fate.KEPT), "ben")
    (bears / "black" / "1.png").unlink()
    assert isinstance(opened(bears).undo("ada", NOW), Recorded)
    cut_off(bears, monkeypatch)
    found = read(bears, TargetOptions(), None, bears.parent / "unpacked").dataset
    assert len({item.path for item in found.items}) == len(found.items) == 8


def test_an_edit_made_while_an_undoing_is_cut_off_leaves_every_other_item_found(bears: Path) -> None:
    edit_some(bears)
    journal = apply_edits(bears, "ada", NOW).journal
    assert journal is not None
    with opened(bears).alone() as alone:
        alone.write(MOVES, journal.reversed(alone.new_id(), NOW, "ada").to_line())
    # From here on nothing that was applied can be done again, and nothing stands as applied.
    edited_at_once(bears, "black/1.png", Standing("grizzly"))
    labels = seen(bears, edits=True)
    assert len(labels) == 8
    assert finished(opened(bears))
    assert seen(bears, edits=True) == labels


def test_a_log_that_comes_with_a_strangers_data_moves_nothing_outside(bears: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s", encoding="utf-8")
    for old, new in (
        ("../secret", "black/x"),
        ("black/0.png", "/etc/x"),
        ("black/0.png", "black//x"),
        ("edits.jsonl", "black/x"),
        ("black/0.png", "black/provenance.jsonl"),
    ):
        line = Journal("1", NOW, "eve", (Move(old, new, None),)).to_line()
        log_place(bears).write_text(json.dumps({"kind": MOVES, **line}) + "\n", encoding="utf-8")
        with pytest.raises(DataError, match="is no name within the folder"):
            opened(bears)


@pytest.mark.parametrize("kind", ["moves in", "moves out", "swaps", "made", "aside"])
def test_links_in_a_strangers_data_lead_no_move_outside(bears: Path, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "home"
    draw(outside / "secret.png", 99)
    (bears / "link").symlink_to(outside)
    sha256 = hashlib.sha256((outside / "secret.png").read_bytes()).hexdigest()
    journal = {
        "moves in": Journal("1", NOW, "eve", (Move("link/secret.png", "black/x.png", None),)),
        "moves out": Journal("1", NOW, "eve", (Move("black/0.png", "link/x.png", None),)),
        "swaps": Journal("1", NOW, "eve", (), (Swap("link/secret.png", sha256, "0", "black/0.png", "black/1.png"),)),
        "made": Journal("1", NOW, "eve", made=("link/new",)),
        "aside": Journal("1", NOW, "eve", (Move("black/0.png", "link/0.png", None),), aside="link"),
    }[kind]
    log_place(bears).write_text(json.dumps({"kind": MOVES, **journal.to_line()}) + "\n", encoding="utf-8")
    before, there = tree(outside), tree(bears)
    with pytest.raises(DataError, match="leads out of"):
        finished(opened(bears))
    assert tree(outside) == before
    assert tree(bears) == there


def test_a_class_folder_that_is_a_link_keeps_its_files_and_gets_none(bears: Path, tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere" / "9.png", 99)
    (bears / "teddy").symlink_to(tmp_path / "elsewhere")
    mark(bears, "teddy/9.png", Standing("black"))
    mark(bears, "black/0.png", Standing("teddy"))
    mark(bears, "black/1.png", Standing("grizzly"))
    found = apply_edits(bears, "ada", NOW)
    assert [one.partition(" ")[0] for one in found.left] == ["black/0.png", "teddy/9.png"]
    assert found.journal is not None
    assert [move.old for move in found.journal.moves] == ["black/1.png"]
    assert list(tree(tmp_path / "elsewhere")) == ["9.png"]


def test_a_folder_at_the_place_of_a_moved_file_is_no_file(bears: Path) -> None:
    mark(bears, "black/0.png", Standing("black", Fate.REMOVED))
    apply_edits(bears, "ada", NOW)
    (bears / "removed" / "black" / "0.png").rename(bears / "removed" / "0.png")
    (bears / "removed" / "black" / "0.png").mkdir()
    assert apply_edits(bears, "ada", NOW).journal is None


def test_a_link_at_the_place_of_the_table_being_written_is_not_followed(photos: Path) -> None:
    rows = "".join(f"{number}.png,{'ab'[number % 2]}\n" for number in range(8))
    source = table(photos / "labels.csv", "path,label\n" + rows)
    mark(source, "0.png", Standing("b"), before=Standing("a"))
    mine = photos.parent / "mine.txt"
    mine.write_text("mine", encoding="utf-8")
    (photos / ".labels.csv.applying").symlink_to(mine)
    assert apply_edits(source, "ada", NOW).journal is not None
    assert source.read_text(encoding="utf-8").startswith("path,label\n0.png,b\n")
    assert mine.read_text(encoding="utf-8") == "mine"


def test_a_table_that_is_gone_is_told_and_its_log_stays(photos: Path) -> None:
    source = table(photos / "labels.csv", "path,label\n0.png,a\n1.png,b\n")
    mark(source, "0.png", Standing("b"), before=Standing("a"))
    source.rename(photos / "elsewhere.csv")
    with pytest.raises(UsageError, match=r"there is no .*labels\.csv"):
        apply_edits(source, "ada", NOW)
    assert log_place(source).exists()


def test_archives_and_parquet_are_refused_and_say_what_to_do(tmp_path: Path) -> None:
    for name, words in (
        ("a.zip", "is an archive, which is not rewritten"),
        ("a.parquet", "is a Parquet table, which is not"),
    ):
        (tmp_path / name).touch()
        with pytest.raises(UsageError, match=words):
            apply_edits(tmp_path / name, "ada", NOW)
    with pytest.raises(UsageError, match="there is no"):
        apply_edits(tmp_path / "nothing", "ada", NOW)
    with pytest.raises(UsageError, match="has no edits"):
        apply_edits(tmp_path, "ada", NOW)


# Tables.


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for number in range(8):
        draw(root / f"{number}.png", number)
    return root


def table(path: Path, text: str, encoding: str = "utf-8", newline: str = "\n") -> Path:
    path.write_bytes(text.replace("\n", newline).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_csv_keeps_every_cell_but_the_labels(photos: Path, encoding: str, newline: str) -> None:
    head = "\ufeff" if encoding == "utf-16-be" else ""
    rows = [f'photos/{n}.png;"{"cat" if n % 2 else "dog"}";"a;b ""{n}"""; 1,50 €' for n in range(8)]
    path = table(photos.parent / "l.csv", head + "\n".join(["path;label;note;price", *rows, "", ""]), encoding, newline)
    first = path.read_bytes()
    mark(path, "photos/1.png", Standing("dög"), before=Standing("cat"))
    mark(path, "photos/2.png", Standing("dog", Fate.REMOVED), before=Standing("dog"))
    found = applied(path)
    assert found.journal is not None
    text = path.read_bytes().decode("utf-16" if "16" in encoding else encoding)
    expected = [row.replace('"cat"', "dög") for number, row in enumerate(rows) if number == 1]
    assert text.split(newline)[2:4] == [expected[0], rows[3]]
    assert (photos.parent / found.journal.swaps[0].old).read_bytes() == first
    assert seen(path, edits=False) == seen(path, edits=True)
    assert undone(path) == 3
    assert path.read_bytes() == first


def test_a_row_that_was_left_out_comes_back_when_that_is_undone(photos: Path) -> None:
    rows = [f"photos/{n}.png,{'cat' if n % 2 else 'dog'}" for n in range(8)]
    path = table(photos.parent / "l.csv", "\n".join(["path,label", *rows]))
    first = path.read_bytes()
    mark(path, "photos/7.png", Standing("cat", Fate.REMOVED), before=Standing("cat"))
    applied(path)
    assert "photos/7.png" not in path.read_text(encoding="utf-8")
    assert isinstance(opened(path).undo("ada", NOW), Recorded)
    mark(path, "photos/0.png", Standing("cat"), before=Standing("dog"))
    applied(path)
    assert path.read_text(encoding="utf-8").splitlines() == ["path,label", "photos/0.png,cat", *rows[1:]]
    undone(path)
    assert path.read_bytes() == first


def test_json_lines_keep_lists_numbers_and_other_fields(photos: Path) -> None:
    lines = [
        json.dumps({"file": f"photos/{n}.png", "label": ["sea", "sky"] if n % 2 else ["sea"], "n": n}) for n in range(8)
    ]
    path = table(photos.parent / "l.jsonl", "\n".join(lines) + "\n")
    mark(path, "photos/0.png", Standing("boat;sea", labels=("boat", "sea")), before=Standing("sea", labels=("sea",)))
    mark(
        path,
        "photos/3.png",
        Standing("sea;sky", Fate.REMOVED, ("sea", "sky")),
        before=Standing("sea;sky", labels=("sea", "sky")),
    )
    apply_edits(path, "ada", NOW)
    written = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(written[0]) == {"file": "photos/0.png", "label": ["boat", "sea"], "n": 0}
    assert written[1:] == [lines[1], lines[2], *lines[4:]]
    assert len(seen(path, edits=False, task="multi-label")) == 7


def test_marks_in_columns_of_labels_are_set(photos: Path) -> None:
    rows = [f"photos/{n}.png,{int(n % 2 == 0)},{int(n % 2)},{n}.5" for n in range(8)]
    path = table(photos.parent / "l.tsv", "\n".join(["path,sea,sky,depth", *rows]).replace(",", "\t"))
    mark(path, "photos/0.png", Standing("sea;sky", labels=("sea", "sky")), before=Standing("sea", labels=("sea",)))
    apply_edits(path, "ada", NOW)
    assert path.read_text(encoding="utf-8").splitlines()[1] == "photos/0.png\t1\t1\t0.5"
    mark(path, "photos/1.png", Standing("boat", labels=("boat",)), before=Standing("sky", labels=("sky",)))
    with pytest.raises(DataError, match="has no column for the label 'boat'"):
        apply_edits(path, "ada", NOW)


def test_a_table_in_a_folder_is_rewritten_and_no_file_is_moved(photos: Path) -> None:
    rows = [f"{n}.png,{'cat' if n % 2 else 'dog'}" for n in range(8)]
    table(photos / "metadata.csv", "\n".join(["file_name,label", *rows]))
    first = tree(photos)
    mark(photos, "0.png", Standing("cat"), before=Standing("dog"))
    mark(photos, "1.png", Standing("cat", Fate.REMOVED), before=Standing("cat"))
    applied(photos)
    assert {f"{n}.png" for n in range(8)} <= set(tree(photos))
    undone(photos)
    assert {name: data for name, data in tree(photos).items() if not name.startswith("removed")} == first


def test_a_table_that_somebody_changed_since_is_not_written_over(photos: Path) -> None:
    rows = [f"photos/{n}.png,{'cat' if n % 2 else 'dog'}" for n in range(8)]
    path = table(photos.parent / "l.csv", "\n".join(["path,label", *rows]))
    mark(path, "photos/0.png", Standing("cat"), before=Standing("dog"))
    applied(path)
    with path.open("a", encoding="utf-8") as file:
        file.write("\n")
    found = undo_last(opened(path), None, NOW)
    assert found == Refused("cannot undo the applying of edits: l.csv has been changed since; nothing was moved")
    log = opened(path)
    assert isinstance(take_back(log, log.standings.applied[0].journal, "ada", NOW), Refused)
