"""Sending cases: nothing is sent twice for good, nothing is lost by what passes, and what does not pass is said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from case_server import BUSY, CUT, LOST, Taken, case_server

from drivetrain.core.errors import UsageError
from drivetrain.rollout.sending.answers_sender import DECISION, OUTCOME, AnswersSender
from drivetrain.rollout.sending.answers_table import Told, read_decisions, read_outcomes
from drivetrain.rollout.sending.case_folder import CaseFolder
from drivetrain.rollout.sending.case_sender import CaseSender
from drivetrain.rollout.sending.case_table import read_case_table
from drivetrain.rollout.sending.folder_sending import MOST_WAIT_S, FolderSending
from drivetrain.rollout.sending.journal import Journal
from drivetrain.rollout.sending.key import key_of_file
from drivetrain.rollout.sending.outgoing import OutgoingCase
from drivetrain.rollout.sending.server_api import Patience, ServerApi, UnreachableError
from drivetrain.rollout.sending.tally import IN_A_ROW

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@dataclass
class Time:
    """A clock that goes on by sleeping alone."""

    now_s: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds

    def patience(self, give_up_s: float | None = 600.0) -> Patience:
        return Patience(lambda: self.now_s, self.sleep, lambda: 1.0, lambda: NOW, give_up_s)


@pytest.fixture
def taken() -> Iterator[Taken]:
    with case_server() as server:
        yield server


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of five cases of one picture each."""
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(b"picture %d" % number)
    rows = [f"case {number},{number}.jpg,north,crack\n" for number in range(5)]
    file = tmp_path / "cases.csv"
    file.write_text("".join(["key,path,site,label\n", *rows]))
    return file


def sender(taken: Taken, time: Time, folder: Path, at_once: int = 1) -> CaseSender:
    api = ServerApi(taken.url, None, time.patience())
    return CaseSender(api, "line", Journal.of(folder / "sent", taken.url, "line"), at_once=at_once)


def test_a_table_is_sent_and_a_second_time_nothing(taken: Taken, time: Time, table: Path, tmp_path: Path) -> None:
    read = read_case_table(table, slices=("site",))
    assert read.unsent == ("label",)
    sending = sender(taken, time, tmp_path, at_once=3)
    sending.send(read.cases)
    assert sending.tally.to_json() == {
        "sent": 5, "waiting": 5, "decided": 0, "before": 0, "refused": 0, "refusals": [], "growing": [],
    }  # fmt: skip
    assert sorted(taken.cases) == [f"case {number}" for number in range(5)]
    assert taken.cases["case 3"]["said"] == {"key": "case 3", "slices": {"site": "north"}}
    assert taken.pictures["case 3"] == [b"picture 3"]
    before = len(taken.requests)
    again = sender(taken, time, tmp_path)
    again.send(read.cases)
    assert (again.tally.sent, again.tally.before) == (0, 5)
    assert len(taken.requests) == before + 1, "the journal's last key is asked for, and nothing else"


def test_a_journal_of_a_rollout_that_is_no_more_counts_for_nothing(
    taken: Taken, time: Time, table: Path, tmp_path: Path
) -> None:
    cases = read_case_table(table).cases
    sender(taken, time, tmp_path).send(cases)
    taken.cases.clear()
    again = sender(taken, time, tmp_path)
    again.send(cases)
    assert again.tally.sent == len(taken.cases) == 5


@pytest.mark.parametrize("trouble", [[BUSY, BUSY], [CUT], [LOST], [LOST, BUSY, CUT]])
def test_what_passes_is_waited_for(taken: Taken, time: Time, table: Path, tmp_path: Path, trouble: list[str]) -> None:
    taken.trouble.extend(trouble)
    sending = sender(taken, time, tmp_path)
    sending.send(read_case_table(table).cases)
    assert sending.tally.sent == len(taken.cases) == 5
    assert len(time.slept) == len(trouble)
    assert [slept for slept, kind in zip(time.slept, trouble, strict=True) if kind == BUSY] == [7.0] * trouble.count(
        BUSY
    )


def test_a_server_that_is_not_there_is_given_up_in_time(time: Time, table: Path, tmp_path: Path) -> None:
    nowhere = Taken(url="http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match=r"has not taken it for \d+ s: it cannot be reached .* and it goes on"):
        sender(nowhere, time, tmp_path).send(read_case_table(table).cases)
    assert 500 < time.now_s <= 600
    assert time.slept[:3] == [1.0, 2.0, 4.0]


def test_a_refusal_is_told_and_the_others_go_on(taken: Taken, time: Time, table: Path, tmp_path: Path) -> None:
    taken.refuse["case 1"] = (422, "it is no image")
    sending = sender(taken, time, tmp_path)
    sending.send(read_case_table(table).cases)
    assert (sending.tally.sent, sending.tally.refused, sending.tally.is_whole) == (4, 1, False)
    assert sending.tally.to_json()["refusals"] == [{"key": "case 1", "why": "it is no image"}]
    taken.refuse.clear()
    again = sender(taken, time, tmp_path)
    again.send(read_case_table(table).cases)
    assert (again.tally.sent, again.tally.before) == (1, 4), "what was refused is tried again"


def test_what_is_refused_again_and_again_ends_it(taken: Taken, time: Time, tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"a")
    cases = [OutgoingCase(str(number), (file,)) for number in range(3 * IN_A_ROW)]
    taken.refuse.update({case.key: (409, "the rollout has ended") for case in cases})
    with pytest.raises(UsageError, match=f"{IN_A_ROW} cases in a row were refused: the rollout has ended"):
        sender(taken, time, tmp_path).send(cases)
    assert len([one for one in taken.requests if one[0] == "POST"]) == IN_A_ROW


def test_a_key_that_is_missing_or_no_server_is_said_at_once(
    taken: Taken, time: Time, table: Path, tmp_path: Path
) -> None:
    cases = read_case_table(table).cases
    taken.secret = "dt_secret"
    with pytest.raises(
        UsageError, match=r"asks for a key; put one in \$DRIVETRAIN_KEY, or name its file with --key-file"
    ):
        sender(taken, time, tmp_path).send(cases)
    assert time.slept == []
    api = ServerApi(taken.url, "dt_secret", time.patience())
    with_key = CaseSender(api, "line", Journal.of(tmp_path / "sent", "x"))
    with_key.send(cases)
    assert with_key.tally.sent == 5
    for address in ("ftp://a", "http://", "http://a:x", "http://a/?b=c"):
        with pytest.raises(UsageError, match=r"is no server's address; write one such as http://127.0.0.1:8000"):
            ServerApi(address, None, time.patience())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path\n0.jpg\n", "has no column 'key'; its columns are path"),
        ("key,path\na,0.jpg\na,1.jpg\n", "line 3: the key 'a' is that of .*line 2, too; a key stands for one case"),
        ("key,path\n,0.jpg\n", "line 2: the key is empty; every case needs one"),
        ("key,path\na,9.jpg\n", r"line 2: there is no file .*9\.jpg; paths are relative to the table's folder"),
        ("key,path\nä,0.jpg\n", "line 2: the key is 'ä'; write 1 to 200 letters, digits and signs of ASCII"),
        ("key,path,due\na,0.jpg,soon\n", "line 2: due is 'soon'; write a moment as ISO 8601"),
        ("key,path\n", "has no row"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(table: Path, text: str, message: str) -> None:
    table.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_case_table(table)
    table.write_text("key,path\na,0.jpg\n")
    with pytest.raises(UsageError, match="--slice names 'camera', and"):
        read_case_table(table, slices=("camera",))


def test_a_row_says_all_that_it_can(table: Path) -> None:
    table.write_text(
        "key,path,at,due,group,known,site,note\n"
        '7,"0.jpg; 1.jpg",2026-05-01T10:00:00+02:00,2026-05-02,burst,crack,north,by the river\n'
    )
    (case,) = read_case_table(table, slices=("site",), shown=("note",)).cases
    assert [file.name for file in case.files] == ["0.jpg", "1.jpg"]
    assert case.document() == {
        "key": "7",
        "at": "2026-05-01T10:00:00+02:00",
        "due": "2026-05-02T00:00:00+00:00",
        "slices": {"site": "north"},
        "group": "burst",
        "metadata": {"note": "by the river"},
        "known": "crack",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of two sites, written a while ago, and what is no picture."""
    root = tmp_path / "field"
    for name, data in (
        ("north/1.jpg", b"one"),
        ("south/cam 2/2.JPG", b"two"),
        ("notes.txt", b"x"),
        (".hid/3.jpg", b"x"),
    ):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        old(file)
    return root


def old(file: Path, seconds: float = 3600.0) -> None:
    moment = NOW.timestamp() - seconds
    os.utime(file, (moment, moment))


def send_folder(taken: Taken, time: Time, folder: Path, slices: tuple[str, ...] = ("site",)) -> CaseSender:
    sending = sender(taken, time, folder.parent)
    through = FolderSending(sending, CaseFolder(folder, slices), time.patience())
    through.begin()
    through.there(lambda _total: nullcontext(lambda _count, _note="": None))
    return sending


def test_a_folder_is_sent_by_path_and_content(taken: Taken, time: Time, folder: Path) -> None:
    first = send_folder(taken, time, folder)
    assert first.tally.sent == 2
    by_name = {key.split("@")[0]: case["said"] for key, case in taken.cases.items()}
    assert {name: said["slices"] for name, said in by_name.items()} == {
        "north/1.jpg": {"site": "north"},
        "south/cam%202/2.JPG": {"site": "south"},
    }
    requests = len(taken.requests)
    assert (send_folder(taken, time, folder).tally.before, len(taken.requests) - requests) == (2, 1)
    # Another content under the same path is another case; one that came back unchanged is not.
    (folder / "north/1.jpg").write_bytes(b"one more")
    old(folder / "north/1.jpg")
    (folder / "south/cam 2/2.JPG").touch()
    old(folder / "south/cam 2/2.JPG", 1800)
    again = send_folder(taken, time, folder)
    assert again.tally.sent == 2
    assert len(taken.cases) == 3


def test_a_file_that_is_still_being_written_is_waited_for(taken: Taken, time: Time, folder: Path) -> None:
    growing = folder / "north/9.jpg"
    growing.write_bytes(b"the first half")
    old(growing, 0)
    looks = 0

    def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        time.sleep(seconds)
        if looks == 1:
            with growing.open("ab") as file:
                file.write(b" and the second")
            old(growing, -2)

    sending = sender(taken, time, folder.parent)
    patience = Patience(lambda: time.now_s, sleep, lambda: 1.0, lambda: NOW, 600.0)
    through = FolderSending(sending, CaseFolder(folder), patience)
    through.there(lambda _total: nullcontext(lambda _count, _note="": None))
    assert sending.tally.sent == 3
    assert [b"the first half and the second"] in taken.pictures.values()
    assert [b"the first half"] not in taken.pictures.values()
    assert looks == 2


def test_a_file_that_never_is_complete_is_named(taken: Taken, time: Time, folder: Path) -> None:
    empty = folder / "north/9.jpg"
    empty.touch()
    old(empty)
    sending = send_folder(taken, time, folder)
    assert sending.tally.growing == ("north/9.jpg",)
    assert not sending.tally.is_whole
    assert MOST_WAIT_S < time.now_s < MOST_WAIT_S + 10


def test_a_watched_folder_is_gone_on_with_until_it_is_ended(taken: Taken, time: Time, folder: Path) -> None:
    sending = sender(taken, time, folder.parent)

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if len(time.slept) == 1:
            (folder / "north/new.png").write_bytes(b"new")
            old(folder / "north/new.png")
        if len(time.slept) == 3:
            raise KeyboardInterrupt

    patience = Patience(lambda: time.now_s, sleep, lambda: 1.0, lambda: NOW, None)
    with pytest.raises(KeyboardInterrupt):
        FolderSending(sending, CaseFolder(folder), patience).watch(
            lambda _total: nullcontext(lambda _count, _note="": None), 5.0
        )
    assert sending.tally.sent == len(taken.cases) == 3
    assert time.slept == [5.0, 5.0, 5.0]


def test_keys_of_files_are_short_and_their_own() -> None:
    long = "a/" * 300 + "ü.jpg"
    assert len(key_of_file(long, "0")) <= 200
    assert len({key_of_file(name, sha) for name in ("a.jpg", "b.jpg", long) for sha in ("0", "1")}) == 6
    assert key_of_file("a.jpg", "0").isascii()


def answers(taken: Taken, time: Time, folder: Path, what: str) -> AnswersSender:
    api = ServerApi(taken.url, None, time.patience())
    return AnswersSender(api, "line", what, Journal.of(folder / "sent", taken.url, what))


def test_decisions_and_outcomes_are_told_by_key(taken: Taken, time: Time, table: Path, tmp_path: Path) -> None:
    sender(taken, time, tmp_path).send(read_case_table(table).cases)
    decided = tmp_path / "decided.csv"
    decided.write_text(
        "key,label,by,seconds\ncase 0,crack,anna,12.5\ncase 1,?,bela,\ncase 2,,anna,\ncase 9,crack,anna,\n"
    )
    read = read_decisions(decided)
    assert (len(read.told), read.empty) == (3, 1)
    taken.trouble.append(LOST)  # taken, and then said to wait for none: that was this one
    sending = answers(taken, time, tmp_path, DECISION)
    sending.send(read.told)
    assert taken.told == [
        ("case 0", "decision", {"label": "crack", "by": "anna", "how": "blind", "seconds": 12.5}),
        ("case 1", "decision", {"label": None, "by": "bela", "how": "blind", "seconds": None}),
    ]
    assert (sending.tally.sent, sending.tally.refused) == (2, 1)
    assert sending.tally.refusals[0].why == "the rollout has no case of the key"
    outcomes = tmp_path / "outcomes.csv"
    outcomes.write_text("key,label\ncase 0,fine\n")
    told = answers(taken, time, tmp_path, OUTCOME)
    told.send(read_outcomes(outcomes, by="laboratory").told)
    assert taken.told[-1] == ("case 0", "outcome", {"label": "fine", "by": "laboratory"})
    before = len(taken.requests)
    again = answers(taken, time, tmp_path, DECISION)
    again.send(read.told)
    assert (again.tally.before, again.tally.refused) == (2, 1)
    assert len(taken.requests) - before == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key,label\na,b\n", "has no column 'by'"),
        ("key,label,by\na,b,\n", "line 2: by is empty; name the person who decided, or give --by NAME"),
        ("key,label,by\n,b,c\n", "line 2: the key is empty; it says which case is meant"),
        ("key,label,by\na,b,c\na,d,c\n", "'a' is there 2 times by c; leave one row of it"),
        ("key,label,by,seconds\na,b,c,-1\n", "line 2: seconds is '-1'; write a number of 0 or more"),
    ],
)
def test_what_is_wrong_in_decisions_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "decided.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_decisions(file)


def test_two_people_may_decide_one_case(tmp_path: Path) -> None:
    file = tmp_path / "decided.csv"
    file.write_text("key,label,by\na,b,anna\na,b,bela\n")
    assert read_decisions(file).told == (Told("a", "b", "anna"), Told("a", "b", "bela"))


def test_a_journal_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    journal = Journal.of(tmp_path, "a")
    journal.add({"key": "a"})
    journal.add({"key": "b"})
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-4])
    assert [line["key"] for line in journal.lines()] == ["a"]
