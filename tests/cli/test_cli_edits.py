"""``drivetrain edits``, ``apply``, ``undo`` and ``redo``: what was changed, applied to files, and taken back."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from PIL import Image

from drivetrain.core.types import ItemId
from drivetrain.data.edits.edit import Change, Fate, Standing
from drivetrain.data.edits.log import EditLog
from drivetrain.data.edits.places import log_place

JSON_PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


@pytest.fixture
def bears(tmp_path: Path) -> Path:
    root = tmp_path / "bears"
    for place, label in enumerate(("black", "grizzly")):
        (root / label).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (16, 16), (place * 90, number * 40, 7)).save(root / label / f"{number}.png")
    for by, name, to in (
        ("ada", "black/0.png", Standing("teddy")),
        ("ben", "black/1.png", Standing("black", Fate.REMOVED)),
    ):
        item = ItemId(name, hashlib.sha256((root / name).read_bytes()).hexdigest())
        EditLog.open(log_place(root)).record([Change(item, to, "label")], by, NOW, lambda _: Standing("black"))
    return root


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*.png")}


def test_an_item_with_another_label_is_not_counted_as_kept_too(bears: Path, drivetrain: CommandLine) -> None:
    kept = ItemId("grizzly/0.png", hashlib.sha256((bears / "grizzly" / "0.png").read_bytes()).hexdigest())
    again = EditLog.open(log_place(bears))
    again.record([Change(kept, Standing("teddy", Fate.KEPT), "label")], "ada", NOW, lambda _: Standing("grizzly"))
    assert drivetrain("edits", bears).out.splitlines()[-1] == "2 relabelled, 1 removed by now"


def test_edits_are_listed(bears: Path, drivetrain: CommandLine) -> None:
    done = drivetrain("edits", bears)
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines()]
    assert ["2026-05-04", "09:30", "ada", "black/0.png", "black", "teddy", "label"] in rows
    assert done.out.splitlines()[-1] == "1 relabelled, 1 removed by now"
    document = drivetrain("edits", bears, "--json").document
    assert [edit["by"] for edit in document["edits"]] == ["ada", "ben"]
    assert document["standings"][1] == {
        "name": "black/1.png",
        "label": "black",
        "fate": "removed",
        "before": {"label": "black", "fate": "open"},
    }
    assert document["log"] == str(bears / "edits.jsonl")
    assert document["applied"] == []
    assert len(drivetrain("edits", bears, "--by", "ben", "--json").document["edits"]) == 1


def test_every_field_is_documented(bears: Path, drivetrain: CommandLine) -> None:
    for words in (["apply"], ["edits"], ["undo", "--all"], ["edits"], ["redo"]):
        section = next(
            part for part in JSON_PAGE.split("\n## ") if f"`drivetrain {words[0]} DATA" in part.splitlines()[0]
        )
        named = set(re.findall(r"`([^`]+)`", section))
        document = drivetrain(words[0], bears, *words[1:], "--json").document
        missing = {
            name
            for name in fields(document)
            if not any(one.startswith(f"{name}[") or f"{name}[".startswith(f"{one}[") for one in named)
        }
        assert not missing, f"{words[0]}: {missing} are not in docs/json.md"


def fields(document: Any, before: str = "") -> Iterator[str]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield from fields(value, f"{before}.{name}" if before else name)
    elif isinstance(document, list) and any(isinstance(one, dict) for one in document):
        for one in document:
            yield from fields(one, f"{before}[]")
    else:
        yield before


def test_applied_undone_and_redone(bears: Path, drivetrain: CommandLine) -> None:
    before = files(bears)
    document = drivetrain("apply", bears, "--by", "ada", "--json").document
    assert document["applied"] is True
    assert [(move["from"], move["to"]) for move in document["moves"]] == [
        ("black/0.png", "teddy/0.png"),
        ("black/1.png", "removed/black/1.png"),
    ]
    assert (document["by"], document["tables"], document["not_applied"]) == ("ada", [], [])
    after = files(bears)
    assert drivetrain("apply", bears).out == "nothing to apply: every file lies as it was edited\n"
    assert drivetrain("undo", bears).out == "moved 2 files back\n"
    assert files(bears) == before
    assert drivetrain("redo", bears).out == "moved 2 files (1 to removed/)\n"
    assert files(bears) == after
    document = drivetrain("undo", bears, "--all", "--json").document
    assert [step["kind"] for step in document["steps"]] == ["apply", "edits", "edits"]
    assert document["refused"] is None
    assert files(bears) == before
    done = drivetrain("undo", bears)
    assert (done.code, done.out) == (1, "there is nothing to undo\n")
    assert drivetrain("redo", bears, "--all").out.splitlines() == [
        "black/0.png: black → teddy (ada)",
        "black/1.png: black → black, removed (ben)",
        "moved 2 files (1 to removed/)",
    ]
    assert files(bears) == after


def test_only_ones_own_steps_are_undone_by_name(bears: Path, drivetrain: CommandLine) -> None:
    assert drivetrain("undo", bears, "--by", "ada").out == "black/0.png: teddy → black (ada)\n"
    assert drivetrain("undo", bears, "--by", "ada").out == "there is nothing to undo for ada\n"
    document = drivetrain("edits", bears, "--json").document
    assert [one["fate"] for one in document["standings"]] == ["open", "removed"]


def test_wrong_calls_get_one_line(bears: Path, tmp_path: Path, drivetrain: CommandLine) -> None:
    for command in ("edits", "apply", "undo", "redo"):
        assert "there is no" in drivetrain(command, tmp_path / "nothing").error
        assert "has no edits" in drivetrain(command, bears / "black").error
        assert "edits.jsonl" in drivetrain(command, bears / "black").error
    (bears / "edits.jsonl").write_text("{}\n", encoding="utf-8")
    for command in ("edits", "apply", "undo", "redo"):
        assert "line 1 is no edit (it has no kind)" in drivetrain(command, bears).error


def test_training_says_what_it_read(bears: Path, drivetrain: CommandLine) -> None:
    done = drivetrain("train", bears, "--out", bears.parent / "m.bundle", "--no-edits", "--task", "nothing")
    assert done.code == 2
    assert "--no-edits" in drivetrain("train", "--help").out
    assert all("--no-edits" in drivetrain(command, "--help").out for command in ("evaluate", "certify"))
    assert os.path.lexists(bears / "black" / "0.png")
