"""One sitting at a set: edits that are on disk, refits that follow them, several people at one log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from made import classes, wait_for

from drivetrain.core.errors import DataError
from drivetrain.curate.suspect import Suspect
from drivetrain.data.edits.edit import Change, Fate, Standing
from drivetrain.data.edits.log import EditLog, Recorded
from drivetrain.data.edits.undoing import Refused
from drivetrain.workbench.session import FAULT, CleaningSession
from drivetrain.workbench.survey import Survey
from drivetrain.workbench.surveying import Surveying
from drivetrain.workbench.suspecting import suspects_of


class Made:
    """The looks at a set that was never pictures."""

    def __init__(self, lying: Survey) -> None:
        self.lying = lying
        self.before: Callable[[], None] = lambda: None
        self.looks = 0

    def survey(self, progress: Surveying) -> Survey:
        with progress.stage("embed", 2) as advance:
            advance(2)
        return self.lying

    def suspects(self, survey: Survey) -> tuple[Suspect, ...]:
        self.looks += 1
        self.before()
        return suspects_of(survey)


def begun(tmp_path: Path, looks: Made) -> CleaningSession:
    session = CleaningSession(looks, EditLog.open(tmp_path / "edits.jsonl"), lambda: datetime.now(UTC))
    session.start()
    wait_for(session, 1)
    return session


def change(session: CleaningSession, row: int, to: Standing, seen: str | None = None) -> Change:
    assert session.opened is not None
    return Change(session.opened.board.items[row].id, to, seen=seen)


def doubted(session: CleaningSession) -> set[int]:
    assert session.ranking is not None
    return {row for row, one in session.ranking.by_row.items() if one.suggested is not None}


@pytest.fixture(scope="module")
def planted() -> tuple[Survey, list[int], list[str]]:
    return classes()


def test_an_edit_is_on_disk_when_mark_returns_and_the_list_follows(
    tmp_path: Path, planted: tuple[Survey, list[int], list[str]]
) -> None:
    lying, wrong, truth = planted
    session = begun(tmp_path, Made(lying))
    assert session.ranking is not None
    assert len(set(wrong) & doubted(session)) >= len(wrong) - 2
    session.mark([change(session, row, Standing(truth[row], Fate.KEPT)) for row in wrong], "ann")
    assert len(EditLog.open(tmp_path / "edits.jsonl").edits) == len(wrong)
    assert session.situation is not None
    assert session.situation.fates[Fate.KEPT] == len(wrong)
    wait_for(session, 2)
    assert len(set(wrong) & doubted(session)) <= 2
    assert session.ranking.seconds is not None
    undone = session.undo("ann")
    assert isinstance(undone, Recorded)
    wait_for(session, 3)
    assert session.situation.fates[Fate.KEPT] == 0
    assert session.ranking.survey is lying
    session.close()


def test_while_one_refit_runs_at_most_one_waits(tmp_path: Path, planted: tuple[Survey, list[int], list[str]]) -> None:
    looks = Made(planted[0])
    session = begun(tmp_path, looks)
    running, go_on = threading.Event(), threading.Event()

    def held() -> None:
        running.set()
        assert go_on.wait(30)

    looks.before = held
    session.mark([change(session, 0, Standing("bee", Fate.KEPT))], "ann")
    assert running.wait(30)
    for row in range(1, 11):
        session.mark([change(session, row, Standing("bee", Fate.KEPT))], "ann")
    assert session.state == "refitting"
    go_on.set()
    wait_for(session, 3)
    assert looks.looks == 3
    assert session.ranking is not None
    assert session.ranking.situation.fates[Fate.KEPT] == 11
    session.close()


def test_a_refit_that_fails_is_told_and_the_list_before_it_stands(
    tmp_path: Path, planted: tuple[Survey, list[int], list[str]]
) -> None:
    looks = Made(planted[0])
    session = begun(tmp_path, looks)
    stands = session.ranking
    errors: list[Exception] = [DataError("a reason in words"), ValueError("a fault")]
    for error, told in zip(errors, ("a reason in words", FAULT), strict=True):

        def fail(error: Exception = error) -> None:
            raise error

        looks.before = fail
        session.mark([change(session, 0, Standing("bee", Fate.KEPT))], "ann")
        wait_for(session, 1)
        assert (session.state, session.problem) == ("failed", told)
        assert session.ranking is stands
    looks.before = lambda: None
    session.mark([change(session, 0, Standing("cat", Fate.KEPT))], "ann")
    wait_for(session, 2)
    assert (session.state, session.problem) == ("ready", None)
    session.close()


def test_a_survey_that_fails_is_told(tmp_path: Path, planted: tuple[Survey, list[int], list[str]]) -> None:
    class Broken(Made):
        def survey(self, progress: Surveying) -> Survey:  # noqa: ARG002  # the port's signature
            raise DataError("there is nothing to read")

    session = CleaningSession(Broken(planted[0]), EditLog.open(tmp_path / "e.jsonl"), lambda: datetime.now(UTC))
    told = threading.Event()
    session.listen(told.set)
    session.start()
    assert told.wait(30)
    assert (session.state, session.problem, session.opened) == ("failed", "there is nothing to read", None)


def test_two_processes_at_one_log_see_each_other_and_the_loser_is_told(
    tmp_path: Path, planted: tuple[Survey, list[int], list[str]]
) -> None:
    lying = planted[0]
    here, there = begun(tmp_path, Made(lying)), begun(tmp_path, Made(lying))
    (first,) = here.mark([change(here, 0, Standing("bee", Fate.KEPT))], "ann").edits
    told = there.mark([change(there, 0, Standing("cat", Fate.KEPT))], "bob")
    assert [edit.id for edit in told.overtaken] == [first.id]
    (seen,) = here.refresh()
    assert seen.by == "bob"
    assert here.situation is not None
    assert here.situation.standing(0).label == "cat"
    assert here.refresh() == ()
    refused = here.undo("ann")
    assert isinstance(refused, Refused)
    assert "bob" in refused.sentence
    again = here.mark([change(here, 0, Standing("bee", Fate.KEPT), seen=seen.id)], "ann")
    assert again.overtaken == ()
    for session in (here, there):
        session.close()


def test_a_session_goes_on_where_the_log_stands(tmp_path: Path, planted: tuple[Survey, list[int], list[str]]) -> None:
    lying = planted[0]
    session = begun(tmp_path, Made(lying))
    session.mark([change(session, 3, Standing("bee", Fate.REMOVED))], "ann")
    session.close()
    again = begun(tmp_path, Made(lying))
    assert again.situation is not None
    assert again.situation.standing(3) == Standing("bee", Fate.REMOVED)
    assert again.edited_rows() == frozenset()
    assert again.ranking is not None
    assert len(again.ranking.survey.sample) == len(lying.sample) - 1
    again.close()


def test_an_item_is_found_by_its_content_where_its_file_was_moved_and_others_are_reported(
    tmp_path: Path, planted: tuple[Survey, list[int], list[str]]
) -> None:
    from drivetrain.core.types import ItemId
    from drivetrain.workbench.board import Board
    from drivetrain.workbench.situation import Situation

    board = Board.of(planted[0])
    log = EditLog.open(tmp_path / "edits.jsonl")
    moved, replaced = ItemId("elsewhere/0007.jpg", board.items[7].sha256), ItemId("set/0009.jpg", "f" * 64)
    wishes = [Change(item, Standing("bee", Fate.KEPT)) for item in (moved, replaced)]
    log.record(wishes, "ann", datetime.now(UTC), lambda _item: Standing("ant"))
    now = Situation.of(board, log)
    assert now.standing(7) == Standing("bee", Fate.KEPT)
    assert now.standing(9) == board.lying[9]
    assert [one.item.name for one in now.lost] == ["set/0009.jpg"]
