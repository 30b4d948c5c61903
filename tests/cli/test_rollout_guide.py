"""docs/rollout.md: its commands run as they stand, in their order, beside a server that takes what they send."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CommandLine
from rollout_field import POLICY

from drivetrain.core.errors import UsageError
from drivetrain.rollout.policy_file import policy_of_toml
from drivetrain.rollout.policy_schema import node_at

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "serve"))

from running import Running, jpeg, serving  # noqa: E402  # the servers of tests stand in another folder

GUIDE = (ROOT / "docs" / "rollout.md").read_text(encoding="utf-8")
BEGIN, SEND, TELL = re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL)

QUICKER = " --runs 1 --model-error 0.01 --lag-days 0.1 --slice site=north:0.5,south:0.5"
"""Added to the plan, whose figures are not what is tried here."""


def commands(block: str) -> list[list[str]]:
    """The words of every command of a block, without its comments."""
    return [shlex.split(line, comments=True)[1:] for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, kept: Path) -> Path:
    """The folder that the guide speaks of: a bundle, a table of cases, a folder of pictures, decisions and findings."""
    folder = tmp_path_factory.mktemp("guide")
    shutil.copytree(kept, folder / "cells.bundle")
    for number in range(6):
        for site in ("north", "south"):
            (folder / "photos" / site).mkdir(parents=True, exist_ok=True)
            (folder / "photos" / site / f"{number}.jpg").write_bytes(jpeg(10 * number + (site == "south")))
            os.utime(folder / "photos" / site / f"{number}.jpg", (1_700_000_000, 1_700_000_000))
    (folder / "a.jpg").write_bytes(jpeg(1000))
    (folder / "b.jpg").write_bytes(jpeg(1001))
    for name, rows in (
        ("cases", [("key", "path", "site"), ("case 1", "a.jpg", "north"), ("case 2", "b.jpg", "south")]),
        ("decided", [("key", "label", "by", "seconds"), ("case 1", "rot", "cora", "4"), ("case 2", "?", "cora", "9")]),
        ("found", [("key", "label"), ("case 1", "rot")]),
    ):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    return folder


@pytest.fixture(scope="module")
def kept() -> Path:
    """A tiny bundle."""
    return ROOT / "tests" / "bundles" / "v1"


@pytest.fixture(scope="module")
def secret(drivetrain: CommandLine, place: Path) -> str:
    """The key that the guide's first commands make for what sends cases, after all of them have run."""
    found = ""
    for words in commands(BEGIN):
        done = drivetrain(*words, *(QUICKER.split() if words[1] == "plan" else ()), cwd=place)
        assert done.code == 0, (words, done.err)
        if words[1] == "init":
            policy = (place / "rollout.toml").read_text(encoding="utf-8")
            assert (policy_of_toml(policy).name, policy_of_toml(policy).model) == ("line-3", "cells")
            (place / "rollout.toml").write_text(
                POLICY.replace('"farben"', '"cells"').replace("[cases]", '[cases]\nslices = ["site"]')
            )
        if "sender" in words:
            found = done.out.strip()
    assert found.startswith("dt_")
    return found


@pytest.fixture(scope="module")
def server(secret: str, place: Path) -> Iterator[Running]:
    """The server that the guide names, on a port of its own."""
    del secret  # keys and rollout are there before it starts
    with serving(f"cells={place / 'cells.bundle'}", store=place / "line.sqlite", log=place / "log") as running:
        yield running


@pytest.mark.processes
def test_its_commands_run(
    drivetrain: CommandLine, server: Running, secret: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIVETRAIN_KEY", secret)
    counts = {}
    for words in [*commands(SEND), *commands(TELL)]:
        done = drivetrain(
            *(word.replace("http://127.0.0.1:8000", server.address) for word in words), "--json", cwd=place
        )
        assert done.code == 0, (words, done.err, done.out)
        counts[" ".join(words[1:3])] = done.document["sent"]
    assert counts == {"send cases.csv": 2, "send photos": 12, "decide decided.csv": 2, "outcomes found.csv": 1}
    again = drivetrain("cases", "send", "photos", "--to", server.address, "--rollout", "line-3", "--json", cwd=place)
    assert (again.document["sent"], again.document["before"]) == (0, 12)
    status = drivetrain("rollout", "status", "line-3", "--store", "line.sqlite", "--json", cwd=place).document
    assert status["counts"]["arrived"] == 14
    assert {name: counts["arrived"] for name, counts in status["slices"].items()} == {"site=north": 7, "site=south": 7}
    assert drivetrain("rollout", "verify", "--store", "line.sqlite", cwd=place).code == 0


@pytest.mark.processes
def test_a_wrong_key_and_a_wrong_rollout_are_said(
    drivetrain: CommandLine, server: Running, secret: str, place: Path
) -> None:
    (place / "key").write_text("dt_wrong\n")
    call = ("cases", "send", "cases.csv", "--to", server.address)
    done = drivetrain(*call, "--rollout", "line-3", "--key-file", "key", cwd=place)
    assert done.code == 2
    assert "asks for a key; put one in $DRIVETRAIN_KEY" in done.err
    (place / "key").write_text(secret)
    done = drivetrain(*call, "--rollout", "line-4", "--key-file", "key", cwd=place)
    assert done.code == 2
    assert "line-4" in done.err


def test_the_error_it_shows_is_the_one_that_is_said() -> None:
    shown = re.search(r"^error: (rollout\.toml: .*)$", GUIDE, re.MULTILINE)
    assert shown is not None
    with pytest.raises(UsageError) as caught:
        policy_of_toml('name = "a"\nmodel = "m"\n[parallel]\nmargin = 3\n')
    assert str(caught.value) == shown[1]


def test_the_fields_it_names_are_there() -> None:
    named = re.findall(r"`((?:parallel|supervised|expanding|rollback|cases)\.[a-z_]+)`", GUIDE)
    assert len(named) > 5
    assert [field for field in named if node_at(field.split(".")) is None] == []
