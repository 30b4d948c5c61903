"""A pool to label that needs no network: small pictures of a few colours, whose features are their colours."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from drivetrain.core.types import Item, ItemFacts
from drivetrain.curate.duplicates import Duplicates
from drivetrain.data.edits.edit import Change, Fate, Standing
from drivetrain.data.edits.log import EditLog
from drivetrain.workbench.label_classes import LabelClasses
from drivetrain.workbench.labelling import Aftermath, LabellingSession
from drivetrain.workbench.pool import Pool

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 50, 40)}
EACH = 20
START = datetime(2026, 11, 30, 12, tzinfo=UTC)


def draw(folder: Path, each: int = EACH) -> None:
    """Write pictures whose file names say their colour to nobody but the tests."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for colour, value in COLOURS.items():
        for number in range(each):
            pixels = np.clip(random.normal(value, 25, size=(16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{colour}-{number}.png")


def colour_of(item: Item) -> str:
    """The right answer."""
    return item.name.rpartition("/")[2].partition("-")[0]


def pool(folder: Path) -> Pool:
    """The pictures of a folder."""
    items, features, facts = [], [], []
    for path in sorted(folder.glob("*.png")):
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        items.append(Item(path, path.name, sha256=sha256))
        features.append(np.asarray(Image.open(path), np.float32).mean(axis=(0, 1)) - 100)
        facts.append(ItemFacts(sha256, sha256, {"width": 16, "height": 16}))
    unit = np.stack(features) / np.linalg.norm(features, axis=1, keepdims=True)
    copies = Duplicates(np.arange(len(items)), (), None)
    return Pool("pictures", tuple(items), tuple(facts), unit.astype(np.float32), copies, None, (), ())


def ticking() -> Callable[[], datetime]:
    """A clock that goes on by a second whenever it is asked."""
    seconds = iter(range(10**6))
    return lambda: START + timedelta(seconds=next(seconds))


def made(
    folder: Path, log: Path, classes: Iterable[str] = COLOURS, aftermath: Iterable[Aftermath] = ()
) -> LabellingSession:
    """A session that has not begun."""
    edits = EditLog.open(log)
    return LabellingSession(
        lambda _progress: pool(folder), edits, LabelClasses(classes, edits), ticking(), tuple(aftermath)
    )


def opened(
    folder: Path, log: Path, classes: Iterable[str] = COLOURS, aftermath: Iterable[Aftermath] = ()
) -> LabellingSession:
    """A session whose items are known."""
    session = made(folder, log, classes, aftermath)
    session.start()
    settled(session)
    return session


def settled(session: LabellingSession) -> None:
    """Wait until no refit is to be waited for."""
    for _ in range(2000):
        if session.state in ("ready", "failed"):
            return
        time.sleep(0.005)
    raise AssertionError(f"still {session.state}")


def item_of(session: LabellingSession, row: int) -> Item:
    """The item of a row."""
    assert session.opened is not None
    return session.opened.pool.items[row]


def label(session: LabellingSession, row: int, to: str | None = None, by: str = "ann") -> None:
    """Say what an item is; by default what it is indeed."""
    item = item_of(session, row)
    session.mark([Change(item.id, Standing(to or colour_of(item), Fate.KEPT))], by)


def label_next(session: LabellingSession, count: int, by: str = "ann") -> list[int]:
    """Label what is shown next, rightly; returns the rows."""
    rows = [one.asked.row for one in session.following(count, by, ())]
    for row in rows:
        label(session, row, by=by)
    settled(session)
    return rows
