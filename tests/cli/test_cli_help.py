"""Help: every command and every option says what it is for; wrong calls get one line."""

from __future__ import annotations

import re

import pytest
from command_line import CommandLine, OwnProcess

import drivetrain as dt

COMMANDS = (
    *("train", "predict", "evaluate", "report", "inspect"),
    *("gather", "provenance", "verify", "suspects", "clean", "label"),
    *("edits", "apply", "undo", "redo", "certify", "backtest", "retrain"),
    *("serve", "app", "trace", "sign", "demo"),
    *("monitor", "monitor watch", "monitor plan"),
    *("rollout", "rollout init", "rollout schema", "rollout plan", "rollout open", "rollout list", "rollout status"),
    *("rollout advance", "rollout pause", "rollout resume", "rollout rollback", "rollout clear", "rollout end"),
    *("rollout promote", "rollout history", "rollout export", "rollout verify"),
    *("cases", "cases send", "cases decide", "cases outcomes"),
    *("store", "store info", "store migrate", "store export", "store labels", "store prune"),
    *("keys", "keys add", "keys list", "keys revoke"),
    *("cache", "cache info", "cache prune"),
)
GROUPS = ("monitor", "rollout", "cases", "store", "keys", "cache")


@pytest.mark.processes
def test_help_lists_every_command_in_whole_sentences(drivetrain_process: OwnProcess) -> None:
    done = drivetrain_process("--help")
    assert done.code == 0
    assert done.err == ""
    listed = dict(re.findall(r"^  (\w+) +(\S.+)$", done.out.split("Commands:")[1], re.MULTILINE))
    assert tuple(listed) == tuple(name for name in COMMANDS if " " not in name)
    assert all(text.endswith(".") and not text.endswith("...") for text in listed.values())
    assert drivetrain_process("-h").out == done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(drivetrain: CommandLine, command: str) -> None:
    done = drivetrain(*command.split(), "--help")
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= 80
    options = done.out.split("Options:")[1]
    # A continuation line stands further in; joined to its option, every option has words behind it.
    entries = re.split(r"\n(?=  -)", re.sub(r"\n {6,}", "  ", options).strip("\n"))
    for entry in entries:
        declared, _, text = entry.strip().partition("  ")
        assert len(text.split()) >= 3, f"{command} {declared} is not explained"
    if command not in GROUPS:
        assert "--json" in options


def test_the_version(drivetrain: CommandLine) -> None:
    assert drivetrain("--version").out == f"drivetrain {dt.__version__}\n"


@pytest.mark.parametrize("command", [(), *((group,) for group in GROUPS)])
def test_without_a_command_help_is_shown(drivetrain: CommandLine, command: tuple[str, ...]) -> None:
    done = drivetrain(*command)
    assert done.code == 2
    assert done.err.startswith("Usage: ")
    assert "Commands:" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tarin",), "No such command 'tarin'"),
        (("train",), "Missing argument 'SOURCE'; see drivetrain train --help"),
        (("train", "photos"), "--out"),
        (("predict",), "Missing argument 'BUNDLE'; see drivetrain predict --help"),
        (("predict", "b"), "Missing argument 'PATH'"),
        (("trace", "a.jpg"), "--bundle"),
        (("train", "photos", "--out"), "requires an argument; see drivetrain train --help"),
        (("keys", "add", "me", "--role"), "requires an argument; see drivetrain keys add --help"),
        (
            ("predict", "b", "p", "--accept", "0.95"),
            "; it belongs to drivetrain train and retrain; see drivetrain predict --help",
        ),
        (("cache", "prune", "--unused-days", "-1"), "--unused-days"),
    ],
)
def test_a_wrong_call_gets_one_line(drivetrain: CommandLine, arguments: tuple[str, ...], message: str) -> None:
    done = drivetrain(*arguments)
    assert done.code == 2
    assert message in done.error


def test_a_process_says_the_same(drivetrain_process: OwnProcess, drivetrain: CommandLine) -> None:
    for arguments in (("train",), ("predict", "nothing", "nothing"), ("--version",), ("cache", "info", "--help")):
        assert drivetrain_process(*arguments) == drivetrain(*arguments)
