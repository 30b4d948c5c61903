"""People who mark and apply until they are killed. Every answer that they get is noted in a file of their own, at once."""

from __future__ import annotations

import json
import os
import random
import time
from datetime import UTC, datetime
from pathlib import Path

from drivetrain.core.errors import DataError
from drivetrain.core.types import ItemId
from drivetrain.data.edits.applying import apply_edits
from drivetrain.data.edits.edit import Change, Fate, Standing
from drivetrain.data.edits.last_step import finished, undo_last
from drivetrain.data.edits.log import EditLog, Recorded
from drivetrain.data.edits.places import log_place

PAUSE_S = 0.02
"""The longest pause between two marks, so that the log stays short enough to be read a hundred times."""
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
LABELS = ("black", "grizzly", "teddy", "polar")


def mark(root: Path, items: list[ItemId], by: str, seed: int, noted: Path) -> None:
    """Mark, undo and redo without end; each edit's id is noted once it is acknowledged."""
    chance, log = random.Random(seed), EditLog.open(log_place(root))
    notes = os.open(noted, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        time.sleep(chance.random() * PAUSE_S)
        roll = chance.random()
        if roll < 0.2:
            done = log.undo(by, NOW)
        elif roll < 0.3:
            done = log.redo(by, NOW)
        else:
            chosen = chance.sample(items, chance.randint(1, 6))
            changes = [Change(item, wish(chance), seen=None) for item in chosen]
            done = log.record(changes, by, NOW, lambda item: Standing(item.name.split("/")[0]))
        if isinstance(done, Recorded):
            os.write(notes, (json.dumps([edit.id for edit in done.edits]) + "\n").encode())


def wish(chance: random.Random) -> Standing:
    """Any standing."""
    return Standing(chance.choice(LABELS), chance.choice(list(Fate)))


def apply(root: Path, seed: int) -> None:
    """Apply, and undo whatever was done last, without end."""
    chance = random.Random(seed)
    while not log_place(root).exists():
        time.sleep(0.001)
    while True:
        log = EditLog.open(log_place(root))
        try:
            finished(log)
            if chance.random() < 0.7:
                apply_edits(root, "carl", NOW)
            else:
                undo_last(log, "carl", NOW)
        except DataError as error:
            (root.parent / "refused").write_text(str(error), encoding="utf-8")
            raise
