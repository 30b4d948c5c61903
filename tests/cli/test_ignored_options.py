"""A choice that would have no effect is refused, in one line, with exit code 2, before anything is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

import drivetrain as dt
from drivetrain.core.errors import UsageError
from drivetrain.data.block.blocks import ImageBlock, MultiCategoryBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.settings import Settings

REGRESSION, LABELS = ("--task", "regression"), ("--task", "multi-label")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--epochs", "4"), "epochs is for training the network itself; add --deep"),
        (("--stages", "2"), "stages is for training the network itself"),
        (("--turns",), "turns is for training the network itself"),
        (("--flip-vertical",), "flip_vertical is for training the network itself"),
        (("--maxima",), "maxima is for training the network itself"),
        (("--tta",), "tta is for training the network itself"),
        (("--swa",), "swa is for training the network itself"),
        (("--deep", "--turns", "--flip-vertical"), "turns (--turns) exchanges top and bottom already"),
        (("--delimiter", ";"), "delimiter is for the task multi-label; this is classification"),
        (("--delimiter", ";", *REGRESSION), "delimiter is for the task multi-label; this is regression"),
        (("--target", "years"), "target_names (--target) is for the task regression; this is classification"),
        (("--target", "years", *LABELS), "target_names (--target) is for the task regression; this is multi-label"),
        (("--accept", "0.9", *REGRESSION), "accept is a confidence, and numbers have none"),
        (("--balance", "none", *REGRESSION), "balance is for the task classification or ordinal; this is regression"),
        (("--balance", "classes", *LABELS), "balance is for the task classification or ordinal; this is multi-label"),
        (("--cache", "c", "--no-cache"), "--cache and --no-cache exclude each other"),
    ],
)
def test_train_refuses_what_it_would_ignore(
    drivetrain: CommandLine, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = drivetrain("train", tmp_path / "nothing", "--out", tmp_path / "b", *arguments)
    assert done.code == 2
    assert message in done.error


BLOCK = DataBlock((ImageBlock, MultiCategoryBlock))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"epochs": 4}, "epochs is for training the network itself"),
        ({"rate": 1e-3}, "rate is for training the network itself"),
        ({"batch_size": 8}, "batch_size is for training the network itself"),
        ({"device": "cpu"}, "device is for training the network itself"),
        ({"accept": 0.9, "task": "regression"}, "accept is a confidence"),
        ({"balance": "none", "task": "multi-label"}, "balance is for the task classification"),
        ({"block": BLOCK, "task": "classification"}, "the block reads targets for multi-label"),
        ({"block": BLOCK, "delimiter": ";"}, "the block says how labels are read"),
    ],
)
def test_python_refuses_the_same(tmp_path: Path, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dt.train(tmp_path / "nothing", tmp_path / "b", **choices)


def test_defaults_are_not_taken_for_choices(tmp_path: Path) -> None:
    for task in ("classification", "multi-label", "regression", "ordinal"):
        with pytest.raises(dt.DrivetrainError, match="there is no "):
            dt.train(tmp_path / "nothing", tmp_path / "b", task=task)
    with pytest.raises(dt.DrivetrainError, match="does not exist"):
        dt.train(tmp_path / "nothing", tmp_path / "b", task="multi-label", block=BLOCK)


def test_other_commands_refuse_what_they_would_ignore(drivetrain: CommandLine, kept: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (
            ("evaluate", kept, tmp_path, "--delimiter", ";"),
            "stands between several labels, and this bundle is for class",
        ),
        (("evaluate", kept, tmp_path, "--cache", "c", "--no-cache"), "--cache and --no-cache exclude each other"),
        (("demo", "--out", tmp_path, "--port", "8000"), "--port is for serving; add --serve"),
        (("store", "info", tmp_path / "a.db", "--store", tmp_path / "b.db"), "two stores are named"),
        (("store", "prune", tmp_path / "a", "--store", tmp_path / "b", "--records-days", "1"), "two stores are named"),
        (("store", "migrate", tmp_path / "a.db", "--store", tmp_path / "b.db"), "two stores are named"),
    ):
        done = drivetrain(*arguments)
        assert done.code == 2, arguments
        assert message in done.error


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"images": "none", "keep_metadata": True}, "with --images none none is"),
        ({"images": "hash", "keep_metadata": True}, "with --images hash none is"),
        ({"max_batch": 1, "max_wait_ms": 5.0}, "--max-batch 1 takes no more"),
        ({"target_ms": 500.0, "max_batch": 2, "max_wait_ms": 5.0, "queue": 9}, "all three are given"),
    ],
)
def test_serve_refuses_what_it_would_ignore(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Settings.of(ServeOptions(("b",), **choices))
    Settings.of(ServeOptions(("b",), keep_metadata=True, max_batch=2, max_wait_ms=5.0, target_ms=300.0))
