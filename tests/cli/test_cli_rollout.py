"""``drivetrain rollout``: from a policy that fits a bundle to the end of a rollout, beside whatever else works on the store."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest
from command_line import CommandLine
from rollout_field import POLICY, live, work

from drivetrain.core.canonical_json import canonical_json
from drivetrain.core.rollout_records import GENESIS, line_hash
from drivetrain.rollout.policy_file import read_policy
from drivetrain.rollout.policy_schema import policy_schema

BUNDLES = Path(__file__).parent.parent / "bundles"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "rollout.toml"
    file.write_text(POLICY)
    return file


@pytest.fixture
def store(drivetrain: CommandLine, policy: Path, kept: Path, tmp_path: Path) -> str:
    """A store with one rollout, ``line-3``."""
    place = str(tmp_path / "store.sqlite")
    done = drivetrain("rollout", "open", policy, "--bundle", kept, "--by", "anna", "--store", place)
    assert done.code == 0, done.err
    return place


def test_init_writes_a_policy_that_fits_the_bundle(drivetrain: CommandLine, kept: Path, tmp_path: Path) -> None:
    done = drivetrain("rollout", "init", "--bundle", kept, cwd=tmp_path)
    assert done.code == 0
    assert "drivetrain rollout plan rollout.toml --bundle" in done.out
    policy = read_policy(tmp_path / "rollout.toml")
    assert (policy.name, policy.model) == ("farben", "farben")
    text = (tmp_path / "rollout.toml").read_text(encoding="utf-8")
    assert '# labels = ["blau"]' in text
    assert "a stated convention, which promises nothing" in text.replace("\n# ", " ")
    again = drivetrain("rollout", "init", "--bundle", kept, cwd=tmp_path)
    assert (again.code, again.error) == (
        2, "error: rollout.toml is there already; change it by hand, or name another file with --into",
    )  # fmt: skip
    other = drivetrain(
        "rollout",
        "init",
        "--bundle",
        kept,
        "--name",
        "line-3",
        "--model",
        "cells",
        "--into",
        tmp_path / "b.toml",
        "--json",
    )
    assert other.document["policy"]["name"] == "line-3"
    assert read_policy(tmp_path / "b.toml").model == "cells"


@pytest.mark.parametrize(
    ("bundle", "message"),
    [
        ("v2-labels", "is of the task multi-label, and a rollout compares one label with one label; give a bundle of"),
        ("v2-numbers", "is of the task regression"),
    ],
)
def test_a_bundle_that_cannot_be_rolled_out_is_refused(
    drivetrain: CommandLine, tmp_path: Path, bundle: str, message: str
) -> None:
    done = drivetrain("rollout", "init", "--bundle", BUNDLES / bundle, cwd=tmp_path)
    assert done.code == 2
    assert message in done.error
    assert list(tmp_path.iterdir()) == []


def test_the_schema_is_printed(drivetrain: CommandLine) -> None:
    assert drivetrain("rollout", "schema").document == policy_schema()


def test_open_says_what_comes_next_and_keeps_its_salt(
    drivetrain: CommandLine, policy: Path, kept: Path, tmp_path: Path
) -> None:
    place = tmp_path / "a store.sqlite"
    done = drivetrain("rollout", "open", policy, "--bundle", kept, "--by", "anna", "--store", place)
    assert done.code == 0
    assert done.out.startswith("opened line-3: farben (f4f315e1b8b3121f) runs in parallel; people decide every case\n")
    assert f"drivetrain serve farben={kept} --store '{place}'" in done.out
    assert "drivetrain keys add NAME --role review --store" in done.out
    twice = drivetrain("rollout", "open", policy, "--bundle", kept, "--by", "anna", "--store", place)
    assert twice.code == 2
    assert "line-3" in twice.error
    (row,) = drivetrain("rollout", "list", "--store", place, "--json").document
    assert (row["name"], row["stage"], row["head"]) == ("line-3", "parallel", 1)
    with sqlite3.connect(place) as connection:
        ((salt,),) = connection.execute("SELECT salt FROM rollouts").fetchall()
    shown = drivetrain("rollout", "status", "--store", place, "--json").out + done.out + json.dumps(row)
    assert bytes(salt).hex() not in shown


def test_a_bundle_that_is_tried_again_is_told_what_that_costs(
    drivetrain: CommandLine, store: str, kept: Path, tmp_path: Path
) -> None:
    file = tmp_path / "again.toml"
    file.write_text(POLICY.replace("line-3", "line-4"))
    assert drivetrain("rollout", "end", "line-3", "--store", store, "--by", "a", "--reason", "b").code == 0
    done = drivetrain("rollout", "open", file, "--bundle", kept, "--by", "anna", "--store", store, "--json")
    assert done.document["name"] == "line-4"
    assert "this is rollout 2 of bundle f4f315e1b8b3121f in this store" in done.err
    assert "lower alpha to allow for it" in done.err
    assert "this bundle has no gate" in done.err


def test_cases_are_sent_with_the_slices_of_the_policy(
    drivetrain: CommandLine, policy: Path, kept: Path, tmp_path: Path
) -> None:
    text = policy.read_text(encoding="utf-8")
    policy.write_text(text.replace("[cases]\n", '[cases]\nslices = ["site", "the camera"]\n'), "utf-8")
    done = drivetrain("rollout", "open", policy, "--bundle", kept, "--by", "anna", "--store", tmp_path / "a.sqlite")
    assert "--rollout line-3 --slice site --slice 'the camera'\n" in done.out


def test_open_refuses_a_policy_that_does_not_fit(drivetrain: CommandLine, kept: Path, tmp_path: Path) -> None:
    file = tmp_path / "rollout.toml"
    file.write_text('name = "a"\nmodel = "b"\n[supervised.scope]\nlabels = ["gelb"]\n')
    done = drivetrain("rollout", "open", file, "--bundle", kept, "--by", "anna", "--store", tmp_path / "s.sqlite")
    assert done.code == 2
    assert (
        "supervised.scope.labels names 'gelb', which the bundle never answers; write some of blau, grün, rot"
        in done.error
    )
    assert not (tmp_path / "s.sqlite").exists()
    nobody = drivetrain("rollout", "open", file, "--bundle", kept, "--store", tmp_path / "s.sqlite")
    assert nobody.code == 2
    assert "--by" in nobody.error


def test_the_gates_say_no_and_then_yes(drivetrain: CommandLine, store: str) -> None:
    said = ("--by", "anna", "--reason", "four weeks")
    early = drivetrain("rollout", "advance", "line-3", "--store", store, *said)
    assert early.code == 1
    assert early.out.startswith("line-3 stays in parallel:\n  ")
    work(store, 40)
    status = drivetrain("rollout", "status", "--store", store)
    assert status.code == 0, status.err
    assert re.search(r"^non-inferior +all +.* pass", status.out, re.MULTILINE), status.out
    assert "Next     supervised; the gates let it, and a person has to" in status.out
    document = drivetrain("rollout", "status", "--store", store, "--json").document
    # Days go on between two looks.
    passing = {"at", "readings", "curves"}
    assert {name: value for name, value in document.items() if name not in passing} == {
        name: value for name, value in live(store).status().to_json().items() if name not in passing
    }
    assert document["may_advance"] is True
    done = drivetrain("rollout", "advance", "line-3", "--store", store, *said)
    assert done.code == 0, done.out
    assert "Stage    supervised; in its scope the model proposes, and a person confirms" in done.out
    turn = drivetrain("rollout", "status", "--store", store, "--json").document["turns"][0]
    assert (turn["turn"], turn["by"], turn["reason"]) == ("advanced", "anna", "four weeks")


def test_a_model_that_errs_is_not_let_through(drivetrain: CommandLine, store: str) -> None:
    work(store, 40, wrong=True)
    done = drivetrain("rollout", "advance", "--store", store, "--by", "anna", "--reason", "so", "--json")
    assert done.code == 1
    assert done.document["stage"] == "parallel"
    assert any("non-inferior" in refusal for refusal in done.document["refusals"])


def test_people_pause_and_roll_back_and_clear(drivetrain: CommandLine, store: str) -> None:
    work(store, 40)

    def turn(verb: str, reason: str = "so it is") -> tuple[int, str]:
        done = drivetrain("rollout", verb, "--store", store, "--by", "anna", "--reason", reason)
        return done.code, done.out + done.err

    assert turn("advance")[0] == 0
    code, out = turn("pause", "lamps are replaced")
    assert code == 0
    assert "lamps are replaced" in out
    assert turn("resume")[0] == 0
    code, out = turn("rollback")
    assert (code, "rolled-back" in out) == (0, True)
    assert turn("advance")[0] == 1
    assert turn("clear")[0] == 0
    assert "spent on advances in attempt 2" in drivetrain("rollout", "status", "--store", store).out
    code, out = turn("clear")
    assert code == 2
    assert out.startswith("error: ")
    assert turn("end")[0] == 0
    assert turn("pause")[0] == 2
    assert drivetrain("rollout", "status", "--store", store).code == 0
    empty = drivetrain("rollout", "pause", "--store", store, "--by", "anna", "--reason", " ")
    assert (empty.code, empty.error) == (2, "error: --reason is empty; say why, as it stands in the log for good")


def test_a_rollout_is_named_where_several_are_live(
    drivetrain: CommandLine, store: str, policy: Path, kept: Path, tmp_path: Path
) -> None:
    policy.write_text(POLICY.replace("line-3", "line-4"))
    assert drivetrain("rollout", "open", policy, "--bundle", kept, "--by", "anna", "--store", store).code == 0
    done = drivetrain("rollout", "status", "--store", store)
    assert (done.code, done.error) == (2, "error: several rollouts are live; name one of line-4, line-3")
    assert drivetrain("rollout", "status", "line-3", "--store", store).code == 0
    none = drivetrain("rollout", "status", "line-5", "--store", store)
    assert none.error == "error: there is no rollout 'line-5' in this store; it has line-4, line-3"
    empty = str(tmp_path / "empty.sqlite")
    drivetrain("keys", "add", "a", "--store", empty)
    assert "this store has no rollout yet; begin one with" in drivetrain("rollout", "status", "--store", empty).error
    assert "no rollouts yet" in drivetrain("rollout", "list", "--store", empty).err


def test_a_log_is_exported_and_verified(drivetrain: CommandLine, store: str, tmp_path: Path) -> None:
    work(store, 10)
    log = tmp_path / "log.jsonl"
    done = drivetrain("rollout", "export", log, "--store", store, "--json")
    assert done.code == 0
    lines = log.read_text().splitlines()
    assert (done.document["rollout"], done.document["lines"]) == ("line-3", len(lines))
    whole = drivetrain("rollout", "verify", log, "--json").document
    assert whole == {"whole": True, "problem": None, "lines": len(lines), "hash": done.document["hash"]}
    assert drivetrain("rollout", "verify", "--store", store, "--json").document == whole
    assert f"is whole: {len(lines)} lines" in drivetrain("rollout", "verify", log, "--store", store).out
    # More has happened since: the file is still the beginning.
    work(store, 1)
    assert drivetrain("rollout", "verify", log, "--store", store).code == 0
    log.write_text("\n".join(lines[:5] + lines[6:]) + "\n")
    cut = drivetrain("rollout", "verify", log, "--json")
    assert cut.code == 1
    assert "line 6" in cut.document["problem"]
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE rollout_lines SET body = replace(body, 'anna', 'hans') WHERE number = 1")
    broken = drivetrain("rollout", "verify", "--store", store)
    assert broken.code == 1
    assert "line 1 was changed" in broken.out
    log.write_text("nonsense")
    assert drivetrain("rollout", "verify", log).code in (1, 2)


def test_a_log_whose_hashes_were_all_made_anew_is_found_out(drivetrain: CommandLine, store: str) -> None:
    work(store, 10)
    assert drivetrain("rollout", "verify", "--store", store).code == 0
    with sqlite3.connect(store) as connection:
        rows = connection.execute("SELECT number, body FROM rollout_lines ORDER BY number").fetchall()
        before, changed = GENESIS, 0
        for number, body in rows:
            event = json.loads(body)
            if event["event"] == "arrived" and not changed:
                event["draw"]["audit"], changed = not event["draw"]["audit"], number
            body = canonical_json(event)
            hashed = line_hash(before, number, body)
            connection.execute(
                "UPDATE rollout_lines SET body = ?, before = ?, hash = ? WHERE number = ?",
                (body, before, hashed, number),
            )
            before = hashed
        connection.execute("UPDATE rollouts SET head_hash = ?", (before,))
    found = drivetrain("rollout", "verify", "--store", store)
    assert found.code == 1
    assert f"line {changed}: case" in found.out
    assert "was drawn otherwise than its salt and stage say" in found.out
