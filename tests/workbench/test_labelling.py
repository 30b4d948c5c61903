"""A labelling session: from nothing to a model, with undo, skips, several people and kills."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.types import Item
from drivetrain.data.edits.edit import Change, Edit, Fate, Standing
from drivetrain.data.edits.log import EditLog
from drivetrain.data.edits.undoing import Refused
from drivetrain.workbench.label_classes import LabelClasses, checked_class
from drivetrain.workbench.label_queue import Chosen
from drivetrain.workbench.labelling import LabellingSession
from labelled_pool import COLOURS, EACH, colour_of, draw, item_of, label, label_next, opened, settled, ticking


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    draw(folder)
    return folder


@contextmanager
def session_at(pictures: Path, log: Path, classes: tuple[str, ...] = tuple(COLOURS)) -> Iterator[LabellingSession]:
    session = opened(pictures, log, classes)
    try:
        yield session
    finally:
        session.close()


def test_from_nothing_to_a_model(pictures: Path, tmp_path: Path) -> None:
    with session_at(pictures, tmp_path / "edits.jsonl", ()) as session:
        assert session.classes.names == ()
        assert session.progress().words.startswith("Too few")
        first = session.following(5, "ann", ())
        assert all(one.suggestion is None for one in first)
        for name in COLOURS:
            assert session.add_class(name, "ann") == name
        label_next(session, 30)
        assert session.model is not None
        assert sum(session.model.answers()[row] == colour_of(item_of(session, row)) for row in range(3 * EACH)) >= 58
        progress = session.progress()
        assert (progress.size, progress.labelled, progress.reserve_labelled) == (60, 30, 6)
        assert progress.accuracy is not None
        assert progress.accuracy.low < progress.accuracy.value <= 1
        assert session.version >= 2
        assert session.seconds is not None


def test_the_reserve_is_shown_without_suggestion(pictures: Path, tmp_path: Path) -> None:
    with session_at(pictures, tmp_path / "edits.jsonl") as session:
        label_next(session, 15)
        shown = session.following(10, "ann", ())
        hidden = [one for one in shown if one.asked.chosen is Chosen.RESERVE]
        assert len(hidden) == 2
        assert all(one.suggestion is None for one in hidden)
        assert all(one.suggestion is not None for one in shown if one not in hidden)


def test_undo_and_redo_move_the_label_and_the_model(pictures: Path, tmp_path: Path) -> None:
    with session_at(pictures, tmp_path / "edits.jsonl") as session:
        rows = label_next(session, 6)
        done = session.undo("ann")
        assert not isinstance(done, Refused)
        settled(session)
        assert rows[-1] not in session.labels()
        assert session.model is not None
        assert session.model.n_labels == 5
        assert isinstance(session.undo("bob"), Refused)
        assert not isinstance(session.redo("ann"), Refused)
        assert rows[-1] in session.labels()


def test_none_of_these_leaves_an_item_out(pictures: Path, tmp_path: Path) -> None:
    with session_at(pictures, tmp_path / "edits.jsonl") as session:
        row = session.following(1, "ann", ())[0].asked.row
        session.mark([Change(item_of(session, row).id, Standing(None, Fate.REMOVED))], "ann")
        settled(session)
        assert session.progress().none_of_these == 1
        assert row not in {one.asked.row for one in session.following(60, "ann", ())}
        session.undo("ann")
        assert row in {one.asked.row for one in session.following(60, "ann", ())}


def test_skipped_items_come_back_when_nothing_else_is_left(pictures: Path, tmp_path: Path) -> None:
    with session_at(pictures, tmp_path / "edits.jsonl") as session:
        skipped = session.following(1, "ann", ())[0].asked.row
        session.skip(skipped)
        while rows := [one.asked.row for one in session.following(10, "ann", ()) if one.asked.row != skipped]:
            for row in rows:
                label(session, row)
        assert [one.asked.row for one in session.following(10, "ann", ())] == [skipped]
        session.skip(skipped)
        session.skip(skipped, back=True)
        assert session.progress().skipped == 0


def test_two_people_are_shown_different_items(pictures: Path, tmp_path: Path) -> None:
    with session_at(pictures, tmp_path / "edits.jsonl") as session:
        ann = {one.asked.row for one in session.following(8, "ann", ())}
        bob = {one.asked.row for one in session.following(8, "bob", ())}
        assert not ann & bob
        again = {one.asked.row for one in session.following(8, "ann", ())}
        assert not again & bob


def test_an_item_on_screen_is_not_shown_behind_itself(pictures: Path, tmp_path: Path) -> None:
    with session_at(pictures, tmp_path / "edits.jsonl") as session:
        first = session.following(1, "ann", ())[0].asked.row
        assert first not in {one.asked.row for one in session.following(59, "ann", [first])}


def test_a_later_session_goes_on(pictures: Path, tmp_path: Path) -> None:
    log = tmp_path / "edits.jsonl"
    with session_at(pictures, log, ()) as session:
        for name in COLOURS:
            session.add_class(name, "ann")
        rows = label_next(session, 12)
    with session_at(pictures, log, ()) as session:
        assert session.classes.names == tuple(COLOURS)
        assert set(session.labels()) == set(rows)
        assert session.model is not None
        assert session.model.n_labels == 12


def test_a_label_of_another_process_is_learned(pictures: Path, tmp_path: Path) -> None:
    log = tmp_path / "edits.jsonl"
    with session_at(pictures, log) as session:
        label_next(session, 4)
        row = next(row for row in range(3 * EACH) if row not in session.labels())
        other = EditLog.open(log)
        item = item_of(session, row)
        other.record([Change(item.id, Standing("red", Fate.KEPT))], "bob", ticking()(), lambda _: Standing(None))
        assert len(session.refresh()) == 1
        settled(session)
        assert session.labels()[row] == "red"


def test_what_follows_from_an_edit_is_done_at_the_next_start(pictures: Path, tmp_path: Path) -> None:
    done: list[str] = []

    class Failing:
        works = False

        def settle(self, item: Item, edit: Edit) -> None:
            if not self.works:
                raise DataError(f"{item.name} cannot be written; make room")
            done.append(f"{item.name} {edit.after.label}")

    failing = Failing()
    session = opened(pictures, tmp_path / "edits.jsonl", aftermath=[failing])
    row = session.following(1, "ann", ())[0].asked.row
    label(session, row)
    assert session.unsettled is not None
    assert "make room" in session.unsettled
    assert row in session.labels()
    session.close()
    failing.works = True
    session = opened(pictures, tmp_path / "edits.jsonl", aftermath=[failing])
    session.close()
    assert session.unsettled is None
    item = item_of(session, row)
    assert done == [f"{item.name} {colour_of(item)}"]


def test_what_could_not_be_done_is_told_until_it_is_done(pictures: Path, tmp_path: Path) -> None:
    class Picky:
        refused: str | None = None

        def settle(self, item: Item, edit: Edit) -> None:
            self.refused = self.refused or item.name
            if item.name == self.refused and edit.after.label is not None:
                raise DataError(f"{item.name} cannot be written; make room")

    session = opened(pictures, tmp_path / "edits.jsonl", aftermath=[Picky()])
    first, second = (one.asked.row for one in session.following(2, "ann", ()))
    label(session, first)
    label(session, second)
    assert item_of(session, first).name in (session.unsettled or "")
    session.mark([Change(item_of(session, first).id, Standing(None))], "ann")
    assert session.unsettled is None
    session.close()


def test_the_newest_edit_of_an_item_has_the_last_word(pictures: Path, tmp_path: Path) -> None:
    begun, other_written, done = threading.Event(), threading.Event(), list[tuple[str, str | None]]()

    class Slow:
        def settle(self, item: Item, edit: Edit) -> None:
            if not begun.is_set():
                begun.set()
                assert other_written.wait(30)
                time.sleep(0.05)
            done.append((item.name, edit.after.label))

    session = opened(pictures, tmp_path / "edits.jsonl", aftermath=[Slow()])
    item = item_of(session, 0)

    def says(name: str) -> threading.Thread:
        thread = threading.Thread(target=session.mark, args=([Change(item.id, Standing(name, Fate.KEPT))], name))
        thread.start()
        return thread

    red = says("red")
    assert begun.wait(30)
    blue = says("blue")
    while len(session.edits.edits) < 2:
        time.sleep(0.01)
    other_written.set()
    red.join()
    blue.join()
    assert done[-1] == (item.name, session.labels()[0]) == (item.name, "blue")
    session.close()


def test_a_source_that_cannot_be_embedded_is_told(tmp_path: Path) -> None:
    edits = EditLog.open(tmp_path / "edits.jsonl")

    def fails(_progress: object) -> None:
        raise DataError("none of the 3 items can be used")

    session = LabellingSession(fails, edits, LabelClasses((), edits), ticking())  # type: ignore[arg-type]  # gives no pool
    session.start()
    settled(session)
    assert (session.state, session.problem) == ("failed", "none of the 3 items can be used")
    session.close()


def test_names_of_classes_are_names_of_folders(tmp_path: Path) -> None:
    assert checked_class("  polar   bear ") == "polar bear"
    assert checked_class("Ba\u0308r") == "Bär"
    for wrong in (
        "",
        " ",
        "a/b",
        "a\\b",
        "..",
        ".hidden",
        "end.",
        "nul",
        "COM1",
        "removed",
        "train",
        "a\tb\x07",
        "x" * 101,
        "a:b",
    ):
        with pytest.raises(UsageError, match="a class cannot be called"):
            checked_class(wrong)
    edits = EditLog.open(tmp_path / "edits.jsonl")
    classes = LabelClasses(["grizzly"], edits)
    with pytest.raises(UsageError, match="there is a class “grizzly” already"):
        classes.add("Grizzly", "ann", ticking()())
    classes.add("polar", "ann", ticking()())
    assert LabelClasses([], EditLog.open(tmp_path / "edits.jsonl")).names == ("polar",)
