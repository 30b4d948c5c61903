"""Names that steer a terminal, and folders that may not be read: seen, named, and nothing more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CommandLine, OwnProcess

from drivetrain.core.visible import visible
from tiny_backbone import TINY

SMALL = ("--backbone", TINY)
RED, TURNED, MARKUP = "\x1b[31mred\x9b0m", "exe\u202egpj\u200b", "[bold]b[red] :bear:"


@pytest.fixture
def odd(pictures: Path, tmp_path: Path) -> Path:
    """Three classes of ten pictures, called as nobody should, and a file that is none."""
    for kind, name in zip(("discs", "squares", "stripes"), (RED, TURNED, MARKUP), strict=True):
        folder = tmp_path / "odd\x1b]0;title\x07" / name
        folder.mkdir(parents=True)
        for file in sorted((pictures / kind).iterdir())[:10]:
            shutil.copy(file, folder / f"{file.stem}\x1b[2J.jpg")
    (folder / "broken\n\x1b[31m.jpg").write_bytes(b"no picture")
    return folder.parent


def steering(text: str) -> set[str]:
    """Characters that a terminal or a reader's eye would follow."""
    return {character for character in text if visible(character, keep="\n\t\r") != character}


def test_names_never_steer_a_terminal_or_a_page(
    drivetrain: CommandLine, drivetrain_process: OwnProcess, odd: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "b.bundle"
    done = drivetrain_process("train", odd, "--out", bundle, *SMALL)
    assert done.code == 0, done.err
    told = done.out + done.err
    assert steering(told) == set()
    assert r"\x1b[31mred\x9b0m" in told
    assert MARKUP in told
    for page in ("card.md", "report.html"):
        text = (bundle / page).read_text(encoding="utf-8")
        assert steering(text) == set(), page
        assert r"\x1b" in text, page
    documents = {}
    for command in (("predict", bundle, odd), ("evaluate", bundle, odd, "--keep-leaks"), ("inspect", bundle)):
        shown = drivetrain(*command)
        assert steering(shown.out + shown.err) == set(), command
        told_json = drivetrain(*command, "--json")
        assert steering(told_json.out) == set(), command
        documents[command[0]] = json.loads(told_json.out)
    answers = documents["predict"]
    assert {answer["label"] for answer in answers if answer["label"]} <= {RED, TURNED, MARKUP}
    assert Path(answers[0]["path"]).exists()


def test_errors_do_not_steer_either(drivetrain: CommandLine) -> None:
    for command in (("predict", "\x1b[31m.bundle", "x"), ("train", "\u202eno"), ("\x1b[2J",), ("train", "--\x9bx")):
        done = drivetrain(*command)
        assert done.code == 2
        assert steering(done.err) == set(), command


@pytest.fixture
def for_all() -> Iterator[Path]:
    """A folder that nobody can reach too; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o700)
    shutil.rmtree(folder)


def as_somebody() -> list[str]:
    """What to put before a command so that modes keep it out; root may read everything."""
    if not hasattr(os, "getuid"):
        pytest.skip("there are no modes here")
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root needs setpriv to become somebody else")
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.mark.processes
@pytest.mark.parametrize("classes", [("discs", "squares", "stripes"), ("discs", "stripes")])
def test_a_class_folder_that_may_not_be_read_is_named(pictures: Path, for_all: Path, classes: tuple[str, ...]) -> None:
    for kind in classes:
        folder = for_all / "photos" / kind
        folder.mkdir(parents=True)
        for file in sorted((pictures / kind).iterdir())[:8]:
            shutil.copy(file, folder)
    (for_all / "photos" / "stripes").chmod(0o000)
    (for_all / "home").mkdir(mode=0o777)
    (for_all / "home").chmod(0o777)
    photos, home = for_all / "photos", for_all / "home"
    train = [sys.executable, "-m", "drivetrain", "train", str(photos), "--out", str(home / "b.bundle")]
    # Any other is first tried by a process, which somebody else may not start here.
    train += ["--backbone", "efficientnet-lite0"]
    done = subprocess.run(
        [*as_somebody(), *train],
        capture_output=True,
        text=True,
        check=False,
        cwd=for_all,
        env={**os.environ, "HOME": str(home), "DRIVETRAIN_CACHE": str(home / "cache")},
    )
    if len(classes) == 3:
        assert done.returncode == 0, done.stderr
        assert "What lies in “stripes” is not in the model, as it cannot be read; check the folder's" in done.stdout
    else:
        assert done.returncode == 2
        assert "one class, “discs” (8 images; the folder “stripes” cannot be read)" in done.stderr
