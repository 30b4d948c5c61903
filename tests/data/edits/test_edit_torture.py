"""Programs that are killed at any moment: no edit that was acknowledged is lost, and undoing gives the first bytes."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from torture_worker import NOW, apply, mark

from drivetrain.core.types import ItemId
from drivetrain.data.edits.edit import Fate
from drivetrain.data.edits.last_step import every, finished, undo_last
from drivetrain.data.edits.log import EditLog
from drivetrain.data.edits.places import log_place
from drivetrain.data.edits.undoing import Refused
from drivetrain.learn.reading import read
from drivetrain.learn.target_options import TargetOptions

ROUNDS = 50
"""The times that everybody is killed."""

pytestmark = [
    pytest.mark.processes,
    pytest.mark.thorough,
    pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of POSIX"),
]


@pytest.fixture
def bears(tmp_path: Path) -> Path:
    root = tmp_path / "bears"
    for place, label in enumerate(("black", "grizzly", "teddy")):
        (root / label).mkdir(parents=True)
        for number in range(10):
            colour = (place * 80, number * 20, place * 10 + number)
            Image.new("RGB", (16, 16), colour).save(root / label / f"{number}.png")
    return root


def tree(root: Path) -> dict[str, bytes]:
    found = {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else b"" for path in root.rglob("*")
    }
    return {name: data for name, data in found.items() if name != "edits.jsonl"}


def by_content(root: Path) -> dict[str, str | None]:
    dataset = read(root, TargetOptions(), None, root.parent / "unpacked").dataset
    assert "not applied" not in " ".join(dataset.notes)
    return {hashlib.sha256(item.path.read_bytes()).hexdigest(): item.label for item in dataset.items}


def check_log(log: EditLog, acknowledged: set[str]) -> None:
    """Every edit that was acknowledged is there, every stroke whole, and each edit begins where the one before it ended."""
    edits = log.edits
    assert len({edit.id for edit in edits}) == len(edits)
    assert acknowledged <= {edit.id for edit in edits}
    stands: dict[str | None, object] = {}
    for edit in edits:
        key = edit.item.sha256
        assert edit.before == stands.get(key, edit.before)
        stands[key] = edit.after


def killed(root: Path, items: list[ItemId], seed: int, applying: bool) -> set[str]:
    """Start two people who mark, and perhaps one who applies, and kill each at a moment of its own; the ids acknowledged."""
    chance, context = random.Random(seed), multiprocessing.get_context("fork")  # at once, as nothing is imported anew
    notes = [root.parent / f"acknowledged-{by}" for by in ("ada", "ben")]
    people = [
        context.Process(target=mark, args=(root, items, by, chance.random(), noted))
        for by, noted in zip(("ada", "ben"), notes, strict=True)
    ]
    if applying:
        people.append(context.Process(target=apply, args=(root, chance.random())))
    sizes = [noted.stat().st_size if noted.exists() else 0 for noted in notes]
    for person in people:
        person.start()
    # The clock starts once both are at work.
    until = time.monotonic() + 60
    while any(not noted.exists() or noted.stat().st_size == size for noted, size in zip(notes, sizes, strict=True)):
        assert time.monotonic() < until, "nobody got to mark anything"
        time.sleep(0.001)
    for person in chance.sample(people, len(people)):
        time.sleep(chance.random() * 0.06)
        assert person.pid is not None
        os.kill(person.pid, signal.SIGKILL)
        person.join()
        assert person.exitcode == -signal.SIGKILL, (root.parent / "refused").read_text(encoding="utf-8")
    return {edit_id for noted in notes for line in whole_lines(noted) for edit_id in json.loads(line)}


def whole_lines(noted: Path) -> list[str]:
    """The lines of a file, whose last one is cut off if its writer was killed over it."""
    text = noted.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        noted.write_text(whole, encoding="utf-8")
    return whole.splitlines()


@pytest.mark.parametrize("applying", [False, True])
def test_killed_at_random_moments_nothing_acknowledged_is_lost(bears: Path, applying: bool) -> None:
    first, labels = tree(bears), by_content(bears)
    items = [ItemId(name, hashlib.sha256(data).hexdigest()) for name, data in first.items() if data]
    acknowledged: set[str] = set()
    for seed in range(ROUNDS):
        acknowledged |= killed(bears, items, seed, applying)
        log = EditLog.open(log_place(bears))
        check_log(log, acknowledged)
        expected = dict(labels)
        for stood in log.standings.all():
            assert stood.item.sha256 is not None
            expected[stood.item.sha256] = None if stood.standing.fate is Fate.REMOVED else stood.standing.label
        expected = {key: label for key, label in expected.items() if label is not None}
        assert by_content(bears) == expected, f"round {seed}"  # whatever was left half done
        finished(log)
        assert by_content(bears) == expected, f"round {seed}, once that was finished"
    assert len(acknowledged) > 2 * ROUNDS
    log = EditLog.open(log_place(bears))
    *_, end = every(lambda: undo_last(log, None, NOW))
    assert end == Refused("there is nothing to undo")
    assert tree(bears) == first
    assert by_content(bears) == labels
