"""The log of edits: what is recorded is there, for everybody, and can be taken back by whoever made it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.told_how import ToldHow
from drivetrain.core.types import ItemId
from drivetrain.data.edits.edit import Change, Fate, Standing
from drivetrain.data.edits.log import EditLog, Recorded
from drivetrain.data.edits.matching import match
from drivetrain.data.edits.places import log_place
from drivetrain.data.edits.undoing import Refused

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
BLACK = Standing("black")


def item(number: int) -> ItemId:
    return ItemId(f"black/{number}.jpg", f"{number:064x}")


def change(number: int, to: Standing, seen: str | None = None) -> Change:
    return Change(item(number), to, seen=seen)


def removed(label: str = "black") -> Standing:
    return Standing(label, Fate.REMOVED)


def record(log: EditLog, by: str, *changes: Change) -> Recorded:
    return log.record(changes, by, NOW, lambda _: BLACK)


def done(found: Recorded | Refused) -> Recorded:
    assert isinstance(found, Recorded), found
    return found


def labels(log: EditLog) -> dict[str, tuple[str | None, str]]:
    return {name: (stood.standing.label, str(stood.standing.fate)) for name, stood in log.standings.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edits.jsonl"


def test_an_edit_is_read_again_as_it_was_recorded(path: Path) -> None:
    to = Standing("sea;sky", Fate.KEPT, ("sea", "sky"))
    wish = Change(ItemId("a b/ö\u2028\n\ud800.jpg", None), to, "near-duplicate", ToldHow.BLIND)
    (edit,) = record(EditLog.open(path), "Ada", wish).edits
    assert EditLog.open(path).edits == (edit,)
    assert (edit.before, edit.after, edit.why, edit.how) == (BLACK, to, "near-duplicate", ToldHow.BLIND)


def test_a_log_that_is_not_there_is_empty_and_looking_makes_none(path: Path) -> None:
    log = EditLog.open(path)
    assert log.edits == ()
    assert not log.standings
    assert not log.can_undo("ada")
    assert log.undo("ada", NOW) == Refused("there is nothing to undo for ada")
    assert not path.exists()


def test_the_place_of_a_log_is_in_a_folder_or_beside_a_file(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").touch()
    assert log_place(tmp_path) == tmp_path / "edits.jsonl"
    assert log_place(tmp_path / "labels.csv") == tmp_path / "labels.csv.edits.jsonl"


def test_a_second_edit_begins_where_the_first_ended(path: Path) -> None:
    log = EditLog.open(path)
    record(log, "ada", change(1, Standing("grizzly")), change(1, removed("grizzly")))
    second = record(log, "ada", change(1, Standing("teddy"))).edits[0]
    assert second.before == removed("grizzly")
    assert log.standings["black/1.jpg"].original == BLACK
    assert [edit.after.label for edit in log.standings.history(item(1))] == ["grizzly", "grizzly", "teddy"]


def test_another_content_under_the_same_name_is_another_item(path: Path) -> None:
    log = EditLog.open(path)
    record(log, "ada", change(1, removed()))
    other = ItemId("black/1.jpg", "f" * 64)
    (edit,) = record(log, "ada", Change(other, Standing("teddy"))).edits
    assert edit.before == BLACK
    first, second = log.standings.of(item(1)), log.standings.of(other)
    assert first is not None
    assert first.standing == removed()
    assert second is not None
    assert second.standing == Standing("teddy")
    assert len(log.standings.all()) == 2


def test_the_last_writer_wins_and_hears_whom_that_overtook(path: Path) -> None:
    ada, ben = EditLog.open(path), EditLog.open(path)
    (first,) = record(ada, "ada", change(1, Standing("grizzly"))).edits
    found = record(ben, "ben", change(1, Standing("teddy")))
    assert found.overtaken == (first,)
    assert found.edits[0].before == Standing("grizzly")
    assert ada.refresh() == found.edits
    assert ada.refresh() == ()
    assert labels(ada) == {"black/1.jpg": ("teddy", "open")}
    assert record(ada, "ada", change(1, removed("teddy"), seen=found.edits[0].id)).overtaken == ()
    assert record(ada, "ada", change(2, removed())).overtaken == ()


def test_what_others_wrote_meanwhile_is_told_once_also_after_own_edits(path: Path) -> None:
    ada, ben = EditLog.open(path), EditLog.open(path)
    (first,) = record(ada, "ada", change(1, removed())).edits
    own = record(ben, "ben", change(2, removed())).edits
    assert ben.refresh() == (first,)
    assert ben.after(first.id) == own
    assert ben.last_edit_id == own[0].id
    assert ben.after(None) == ben.edits


def test_a_batch_is_one_step_of_undo_and_redo(path: Path) -> None:
    log = EditLog.open(path)
    record(log, "ada", change(1, removed()))
    record(log, "ada", change(2, Standing("teddy")), change(2, removed("teddy")), change(3, removed()))
    back = done(log.undo("ada", NOW)).edits
    assert [edit.item for edit in back] == [item(3), item(2), item(2)]
    assert labels(log) == {
        "black/1.jpg": ("black", "removed"), "black/2.jpg": ("black", "open"), "black/3.jpg": ("black", "open")
    }  # fmt: skip
    done(log.undo("ada", NOW))
    assert log.undo("ada", NOW) == Refused("there is nothing to undo for ada")
    assert {stood.standing for stood in log.standings.all()} == {BLACK}
    done(log.redo("ada", NOW))
    again = done(log.redo("ada", NOW)).edits
    assert [edit.redoes for edit in again] == [edit.undoes for edit in reversed(back)]
    assert labels(log)["black/2.jpg"] == ("teddy", "removed")
    assert isinstance(log.redo("ada", NOW), Refused)
    done(log.undo("ada", NOW))
    assert labels(log)["black/2.jpg"] == ("black", "open")


def test_each_person_undoes_only_own_steps(path: Path) -> None:
    ada, ben = EditLog.open(path), EditLog.open(path)
    record(ada, "ada", change(1, removed()))
    record(ben, "ben", change(2, removed()))
    done(ada.undo("ada", NOW))
    assert labels(ada) == {"black/1.jpg": ("black", "open"), "black/2.jpg": ("black", "removed")}


def test_undo_is_refused_where_somebody_else_changed_the_item_since(path: Path) -> None:
    ada, ben = EditLog.open(path), EditLog.open(path)
    record(ada, "ada", change(1, removed()), change(2, removed()))
    record(ben, "ben", change(1, Standing("teddy")))
    refused = ada.undo("ada", NOW)
    assert refused == Refused(
        "cannot undo the change of black/1.jpg, as ben has changed it since (2026-05-04 09:30, to teddy); undo that first"
    )
    assert ada.standings["black/2.jpg"].standing == removed()
    done(ben.undo("ben", NOW))
    done(ada.undo("ada", NOW))
    assert {stood.standing for stood in ada.standings.all()} == {BLACK}
    record(ben, "ben", change(1, Standing("grizzly")))
    refused = ada.redo("ada", NOW)
    assert isinstance(refused, Refused)
    assert "as ben has changed it since" in refused.sentence


def test_a_new_edit_ends_what_could_be_redone_for_that_person_only(path: Path) -> None:
    log = EditLog.open(path)
    record(log, "ada", change(1, removed()))
    record(log, "ben", change(2, removed()))
    done(log.undo("ada", NOW))
    done(log.undo("ben", NOW))
    record(log, "ada", change(3, removed()))
    assert not log.can_redo("ada")
    assert log.can_redo("ben")


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_stroke_that_was_cut_short_counts_for_nothing_and_is_cut_off(path: Path, cut: int) -> None:
    log = EditLog.open(path)
    record(log, "ada", change(1, removed()))
    before = path.read_bytes()
    record(log, "ada", change(2, removed()), change(3, removed()))
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    again = EditLog.open(path)
    if cut == 1:  # only the line's end is missing
        assert len(again.edits) == 3
        record(again, "ada", change(4, removed()))
        assert path.read_bytes().startswith(whole)
        return
    assert len(again.edits) == 1
    record(again, "ada", change(4, removed()))
    assert path.read_bytes().startswith(before)
    assert len(EditLog.open(path).edits) == 2


def test_a_stroke_of_which_whole_lines_are_missing_counts_for_nothing(path: Path) -> None:
    log = EditLog.open(path)
    record(log, "ada", *(change(number, removed()) for number in range(5)))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    again = EditLog.open(path)
    assert again.edits == ()
    record(again, "ben", change(9, removed()))
    assert list(EditLog.open(path).standings) == ["black/9.jpg"]


def test_zeros_at_the_end_which_a_loss_of_power_leaves_are_cut_off(path: Path) -> None:
    record(EditLog.open(path), "ada", change(1, removed()))
    with path.open("ab") as file:
        file.write(b"\0" * 4096)
    log = EditLog.open(path)
    assert len(log.edits) == 1
    record(log, "ada", change(2, removed()))
    assert b"\0" not in path.read_bytes()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "broken JSON"),
        ("[1]", "it is a JSON list, no object"),
        ("{}", "it has no kind"),
        ('{"kind": "edit"}', "it has no item"),
        ('{"kind": "edit", "item": 3}', "item is 3"),
        ('{"kind": "moves", "moves": [1]}', "it is no journal of moved files"),
    ],
)
def test_a_line_that_is_no_edit_is_an_error_that_says_which(path: Path, line: str, reason: str) -> None:
    log = EditLog.open(path)
    record(log, "ada", change(1, removed()))
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}{line}\n{text}", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(DataError, match=rf"edits\.jsonl, line 2 is no edit \({reason}"):
            log.refresh()
    with pytest.raises(DataError, match="line 2"):
        record(log, "ada", change(2, removed()))
    path.write_text(text, encoding="utf-8")
    log.refresh()
    assert len(log.edits) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("at", "yesterday"), ("how", "guessed"), ("before", {"fate": "lost"}), ("after", {"labels": "sea"}), ("id", None)],
)
def test_an_edit_with_a_value_that_is_none_says_so(path: Path, field: str, value: object) -> None:
    record(EditLog.open(path), "ada", change(1, removed()))
    line = {**json.loads(path.read_bytes()), field: value}
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1 is no edit"):
        EditLog.open(path)


def test_moments_with_and_without_a_time_zone_are_put_in_order(path: Path) -> None:
    log = EditLog.open(path)
    record(log, "ada", change(1, removed()))
    record(log, "ada", change(2, removed()))
    first, second = path.read_text(encoding="utf-8").splitlines()
    by_hand = json.dumps({**json.loads(second), "at": "2026-01-02T03:04:05"})
    path.write_text(f"{first}\n{by_hand}\n", encoding="utf-8")
    read_again = EditLog.open(path)
    assert match(read_again.standings, [], [], lambda _: False).rows == {}
    assert [edit.at.tzinfo for edit in read_again.edits] == [UTC, UTC]


@pytest.mark.parametrize("content", [None, b""], ids=["missing", "empty"])
def test_a_log_that_is_a_link_out_of_the_folder_is_not_written(tmp_path: Path, content: bytes | None) -> None:
    target = tmp_path / "home" / "startup"
    target.parent.mkdir()
    if content is not None:
        target.write_bytes(content)
    (tmp_path / "bears").mkdir()
    (tmp_path / "bears" / "edits.jsonl").symlink_to(target)
    with pytest.raises(DataError, match="leads out of the folder; put the file itself there"):
        record(EditLog.open(tmp_path / "bears" / "edits.jsonl"), "ada", change(1, removed()))
    assert (target.read_bytes() if target.exists() else None) == content


def test_a_log_that_was_replaced_is_read_anew(path: Path, tmp_path: Path) -> None:
    log = EditLog.open(path)
    record(log, "ada", change(1, removed()), change(2, removed()))
    other = EditLog.open(tmp_path / "other.jsonl")
    record(other, "ben", change(3, removed()), change(4, removed()), change(5, removed()))
    other.path.replace(path)
    assert [edit.by for edit in log.refresh()] == ["ben"] * 3
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:0]))
    log.refresh()
    assert log.edits == ()
    path.unlink()
    log.refresh()
    record(log, "ada", change(1, removed()))
    assert list(log.standings) == ["black/1.jpg"]
    assert list(EditLog.open(path).standings) == ["black/1.jpg"]


def test_other_kinds_of_lines_stand_beside_edits(path: Path) -> None:
    log, other = EditLog.open(path), EditLog.open(path)
    record(log, "ada", change(1, removed()))
    log.append_line("audit", {"size": 100, "seed": 3})
    other.refresh()
    assert other.lines("audit") == ({"kind": "audit", "size": 100, "seed": 3},)
    assert other.lines("other") == ()
    assert len(other.edits) == 1
    for kind, payload in [("edit", {}), ("audit", {"kind": "edit"}), ("audit", {"left": 2})]:
        with pytest.raises(UsageError):
            log.append_line(kind, payload)


def test_an_edit_without_a_name_is_refused(path: Path) -> None:
    with pytest.raises(UsageError, match="--by NAME"):
        record(EditLog.open(path), " ", change(1, removed()))
    assert not path.exists()


def test_nothing_is_recorded_where_the_log_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "edits.jsonl").mkdir()
    with pytest.raises(DataError, match=r"cannot read .*edits\.jsonl: it is a folder"):
        EditLog.open(tmp_path / "edits.jsonl")
    log = EditLog.open(tmp_path / "gone" / "edits.jsonl")
    with pytest.raises(DataError, match=r"cannot write .*No such file or directory; nothing was recorded"):
        record(log, "ada", change(1, removed()))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="it is a pipe, not a file"):
        record(EditLog(tmp_path / "pipe"), "ada", change(1, removed()))


def test_threads_with_logs_of_their_own_lose_nothing(path: Path) -> None:
    shared = EditLog.open(path)

    def mark(log: EditLog, by: str, numbers: Sequence[int]) -> None:
        for number in numbers:
            record(log, by, change(number, removed()), change(number + 1000, removed()))

    threads = [
        threading.Thread(target=mark, args=(shared if place < 2 else EditLog.open(path), f"p{place}", range(20)))
        for place in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared.refresh()
    log = EditLog.open(path)
    assert len(log.edits) == len(shared.edits) == 4 * 20 * 2
    assert len({edit.id for edit in log.edits}) == 160
    assert all(a.step == b.step for a, b in zip(log.edits[::2], log.edits[1::2], strict=True))
    assert labels(log) == labels(shared)
