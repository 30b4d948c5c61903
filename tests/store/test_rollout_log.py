"""A log that somebody has changed behind the store's back, and the file that it is exported to."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from made_rollouts import ROLLOUT, START, at, made_body, made_rollout
from sqlalchemy import text

from drivetrain.core import log_text
from drivetrain.core.canonical_json import canonical_json
from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.rollout_records import LogLine, line_hash
from drivetrain.store.log_export import LogEnd, export_log, is_beginning, verify_file
from drivetrain.store.sql_store import SqlStore

LINES = 8
STORE_MD = Path(__file__).parents[2] / "docs" / "store.md"


def body(number: int, **parts: Any) -> str:
    return made_body(number, at=at(number).isoformat(), case_id=f"{number:032x}", share=0.1 + number / 7, **parts)


@pytest.fixture
def written(store: SqlStore) -> SqlStore:
    store.open_rollout(made_rollout())
    for number in range(LINES):
        with store.rollout_log(ROLLOUT) as log:
            log.append(at(number), body(number), f"{number:032x}")
    return store


def tamper(store: SqlStore, *statements: str, **values: Any) -> None:
    with store._writing() as connection:
        for statement in statements:
            connection.execute(text(statement), values)


CHANGES = {
    "line 4 was changed": ["UPDATE rollout_lines SET body = replace(body, 'ticked', 'ticket') WHERE number = 4"],
    "line 5 was changed": ["UPDATE rollout_lines SET at = at + 1 WHERE number = 5"],
    "line 6 was changed": ["UPDATE rollout_lines SET case_id = 'c' WHERE number = 6"],
    "line 3 is missing; line 4 stands": ["DELETE FROM rollout_lines WHERE number = 3"],
    "line 1 is missing; line 2 stands": ["DELETE FROM rollout_lines WHERE number = 1"],
    "line 8 is missing, and all behind it up to line 8": ["DELETE FROM rollout_lines WHERE number = 8"],
    "line 1 is missing, and all behind it up to line 8": ["DELETE FROM rollout_lines"],
    "line 2 was changed": [
        "UPDATE rollout_lines SET number = -1 WHERE number = 2",
        "UPDATE rollout_lines SET number = 2 WHERE number = 3",
        "UPDATE rollout_lines SET number = 3 WHERE number = -1",
    ],
    "line 7 is missing, and all behind it up to line 9": [
        "UPDATE rollouts SET head = 9",
        "DELETE FROM rollout_lines WHERE number > 6",
    ],
}


@pytest.mark.parametrize("said", CHANGES)
def test_a_line_that_was_changed_left_out_or_moved_is_named(written: SqlStore, said: str, tmp_path: Path) -> None:
    assert len(list(written.verify_log(ROLLOUT))) == LINES
    tamper(written, *CHANGES[said])
    with pytest.raises(StoreError, match=said) as caught:
        list(written.verify_log(ROLLOUT))
    assert "\n" not in str(caught.value)
    with pytest.raises(StoreError, match=said):
        export_log(written, ROLLOUT, tmp_path / "log.jsonl")
    assert list(tmp_path.glob("*log*")) == []


def test_a_line_with_a_hash_of_its_own_does_not_fit_in(written: SqlStore) -> None:
    lines = written.lines(ROLLOUT)
    other = body(3, by="somebody else")
    values = {"body": other, "hash": line_hash(lines[3].before, 4, other)}
    tamper(written, "UPDATE rollout_lines SET body = :body, hash = :hash WHERE number = 4", **values)
    with pytest.raises(StoreError, match="line 5 does not follow on the line before it"):
        list(written.verify_log(ROLLOUT))
    last = body(7, by="somebody else")
    values = {"a": lines[3].body, "b": lines[3].hash, "c": last, "d": line_hash(lines[7].before, 8, last)}
    tamper(
        written,
        "UPDATE rollout_lines SET body = :a, hash = :b WHERE number = 4",
        "UPDATE rollout_lines SET body = :c, hash = :d WHERE number = 8",
        **values,
    )
    with pytest.raises(StoreError, match="line 8 is not the one that the rollout ends in"):
        list(written.verify_log(ROLLOUT))


def test_a_line_put_in_behind_the_end_is_named(written: SqlStore) -> None:
    last = written.lines(ROLLOUT)[-1]
    forged = body(8)
    tamper(
        written,
        "INSERT INTO rollout_lines (rollout_id, number, at, case_id, before, hash, body) "
        "VALUES (:rollout, 9, 0, NULL, :before, :hash, :body)",
        rollout=ROLLOUT, before=last.hash, hash=line_hash(last.hash, 9, forged), body=forged,
    )  # fmt: skip
    with pytest.raises(StoreError, match="line 9 stands behind its end"):
        list(written.verify_log(ROLLOUT))


def test_lines_written_while_it_is_verified_are_left_for_the_next_time(written: SqlStore) -> None:
    found = []
    for line in written.verify_log(ROLLOUT):
        found.append(line.number)
        with written.rollout_log(ROLLOUT) as log:
            log.append(START, made_body(99))
    assert found == list(range(1, LINES + 1))
    assert len(list(written.verify_log(ROLLOUT))) == 2 * LINES


def test_a_long_log_is_read_in_pages(written: SqlStore) -> None:
    with written.rollout_log(ROLLOUT) as log:
        for number in range(LINES, 2500):
            log.append(at(number), made_body(number))
        assert len(log.since(0)) == 1000
    assert [line.number for line in written.verify_log(ROLLOUT)] == list(range(1, 2501))


def test_an_exported_log_is_verified_by_itself(written: SqlStore, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    end = export_log(written, ROLLOUT, path)
    row = written.rollout(ROLLOUT)
    assert row is not None
    assert end == verify_file(path) == LogEnd(LINES, row.head_hash)
    assert is_beginning(written, ROLLOUT, end)
    lines = [log_text.of_text(one) for one in path.read_text().splitlines()]
    assert lines == list(written.lines(ROLLOUT))
    # Written again, over itself; and it is the beginning of what follows.
    with written.rollout_log(ROLLOUT) as log:
        log.append(START, made_body(99))
    assert is_beginning(written, ROLLOUT, end)
    assert export_log(written, ROLLOUT, path).number == LINES + 1
    assert not is_beginning(written, "d" * 32, end)
    assert not is_beginning(written, ROLLOUT, LogEnd(3, end.hash))
    assert not is_beginning(written, ROLLOUT, LogEnd(99, end.hash))


@pytest.mark.processes
def test_anybody_can_verify_a_file_without_this_program(written: SqlStore, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    export_log(written, ROLLOUT, path)
    block = re.search(r"```python\n(.*?)```", STORE_MD.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    script = textwrap.dedent(block[1])
    whole = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
    assert (whole.returncode, whole.stderr) == (0, "")
    path.write_text(path.read_text().replace('"number":4,"share"', '"number":5,"share"'))
    changed = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
    assert changed.stderr.endswith("AssertionError: line 5\n")


def rewrite(lines: list[str], said: str) -> list[str]:
    match said:
        case "line 3 was changed":
            return [line.replace("ticked", "ticket") if place == 2 else line for place, line in enumerate(lines)]
        case "line 4 was changed":
            return [line.replace(at(3).isoformat()[:16], at(4).isoformat()[:16]) if place == 3 else line
                    for place, line in enumerate(lines)]  # fmt: skip
        case "line 2 is missing":
            return [lines[0], *lines[2:]]
        case "line 6 stands where line 7 should":
            return [*lines[:6], lines[5], *lines[6:]]
        case "line 5 is missing; line 6 stands":
            return [*lines[:4], lines[5], lines[4], *lines[6:]]
        case "line 8 cannot be read, or was cut":
            return [*lines[:-1], lines[-1][:-20]]
    raise AssertionError(said)


@pytest.mark.parametrize(
    "said",
    [
        "line 3 was changed",
        "line 4 was changed",
        "line 2 is missing",
        "line 6 stands where line 7 should",
        "line 5 is missing; line 6 stands",
        "line 8 cannot be read, or was cut",
    ],
)
def test_a_changed_file_is_told_by_the_line(written: SqlStore, said: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    export_log(written, ROLLOUT, path)
    path.write_text("\n".join(rewrite(path.read_text().splitlines(), said)))
    with pytest.raises(StoreError, match=said) as caught:
        verify_file(path)
    assert "\n" not in str(caught.value)


def test_what_is_no_log_is_said_in_words(written: SqlStore, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with pytest.raises(UsageError, match="cannot be read"):
        verify_file(path)
    for content in ("", "a,b\n1,2\n", "[]\n", "null\n", '{"number": "1"}\n', "{" * 100_000):
        path.write_text(content)
        with pytest.raises(UsageError, match=r"no line of a log|not the exported log"):
            verify_file(path)
    with pytest.raises(UsageError, match="no rollout"):
        export_log(written, "nobody", tmp_path / "other.jsonl")
    path.write_text("somebody's own")
    with pytest.raises(StoreError, match="another file stands there"):
        export_log(written, ROLLOUT, path)
    with pytest.raises(StoreError, match="cannot be written"):
        export_log(written, ROLLOUT, tmp_path)
    assert path.read_text() == "somebody's own"


def test_a_line_comes_back_from_its_text() -> None:
    event = canonical_json(
        {"a": [1e-7, 0.1 + 0.2, -0.0, 1e22, 12345678901234567890], "w": "größe\u2028\ud83d", "n": None}
    )
    line = LogLine(3, at(0.0001), None, event, "a" * 64, line_hash("a" * 64, 3, event))
    assert log_text.of_text(log_text.to_text(line)) == line
    assert "\n" not in log_text.to_text(line)
    assert log_text.to_text(line).isascii()
