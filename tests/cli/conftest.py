"""What the tests of the commands share: one cache, one trained bundle, one tiny one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import CommandLine, InProcess, OwnProcess, TrainedByCommand

from tiny_backbone import TINY

KEPT = Path(__file__).parent.parent / "bundles" / "v1"


@pytest.fixture(scope="session")
def command_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder of every command here."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def drivetrain(command_cache: Path) -> CommandLine:
    """The command line, called in this process."""
    return InProcess(command_cache)


@pytest.fixture(scope="session")
def drivetrain_process(command_cache: Path) -> OwnProcess:
    """The command line in processes of their own: for pipes, terminals, signals and what is imported."""
    # Unbuffered output would hide what is not flushed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return OwnProcess(environment | {"DRIVETRAIN_CACHE": str(command_cache), "COLUMNS": "80", "TERM": "xterm"})


@pytest.fixture(scope="session")
def trained(
    drivetrain_process: OwnProcess, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> TrainedByCommand:
    """``drivetrain train … --json``, run once; the bundle is read only."""
    out = tmp_path_factory.mktemp("trained") / "pictures.bundle"
    done = drivetrain_process("train", pictures, "--out", out, "--backbone", TINY, "--seed", "1", "--json")
    assert done.code == 0, done.err
    return TrainedByCommand(out, pictures, done)


@pytest.fixture
def kept() -> Path:
    """A tiny bundle (blau, grün, rot) that loads in no time; read only."""
    return KEPT
