"""One sitting at items without labels: what to label next, what people said, and the model that follows from it.

All may be called from several threads. Whoever writes goes through the log, which answers when an edit is on disk. Embedding and
refits have one thread, which begins anew where labels came in meanwhile. Rows are those of the pool.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Literal, Protocol

import numpy as np

from ..core.errors import DrivetrainError
from ..core.types import Item, ItemId
from ..data.edits.edit import Change, Edit, Fate, Standing
from ..data.edits.log import EditLog, Recorded
from ..data.edits.undoing import Refused
from .backstage import Backstage
from .board import Board
from .label_classes import LabelClasses
from .label_model import LabelModel, learn
from .label_progress import LabelProgress, Settling, progress_of
from .label_queue import Asked, Chosen, LabelQueue
from .pool import Pool
from .situation import Situation
from .surveying import Surveying

State = Literal["surveying", "ready", "refitting", "failed"]

FAULT = "a fault in this program; its log says more"

# Items that are on one person's screen are not shown to another for so long.
LEASE_S = 180.0

# Refits of which the answers are kept, to see whether they still change.
REMEMBERED = 60

log = logging.getLogger(__name__)


class Aftermath(Protocol):
    """Something to be done about each edit once it is on disk: a file to be put in place, a store to be told."""

    def settle(self, item: Item, edit: Edit) -> None:
        """Do it. May be called again for an edit that was settled before, and then changes nothing.

        Raises:
            DrivetrainError: it cannot be done; the edit stands, and is settled at the next start.
        """
        ...


@dataclass(frozen=True, eq=False)
class Opened:
    """The parts that are there once the items are embedded."""

    pool: Pool
    board: Board
    queue: LabelQueue


@dataclass(frozen=True, slots=True)
class Shown:
    """An item to be labelled: its row, why it is shown, and what the model suggests, where that is known and may be told."""

    asked: Asked
    suggestion: tuple[str, float] | None


@dataclass(eq=False)
class LabellingSession(Backstage):
    """Items to label, their log, and the model of the moment."""

    look: Callable[[Surveying], Pool]
    edits: EditLog
    classes: LabelClasses
    clock: Callable[[], datetime]
    aftermath: Sequence[Aftermath] = ()
    seed: int = 0
    surveying: Surveying = field(default_factory=Surveying)
    opened: Opened | None = None
    model: LabelModel | None = None
    version: int = 0
    """Grows with every refit."""
    seconds: float | None = None
    """From the newest edit until the last refit stood."""
    problem: str | None = None
    state: State = "surveying"

    def __post_init__(self) -> None:
        self._set_stage("labelling")
        self._skipped: set[int] = set()
        self._leases: dict[int, tuple[str, float]] = {}
        self._history: list[Settling] = []
        self._situation: Situation | None = None
        self._settling = threading.Lock()
        self._unsettled: dict[tuple[str, int], str] = {}

    @property
    def unsettled(self) -> str | None:
        """The reason why something about an edit could not be done, the newest; None where all has been."""
        return next(reversed(tuple(self._unsettled.values())), None)

    # The standing of items.

    @property
    def situation(self) -> Situation:
        """The label and fate of every item."""
        assert self._situation is not None, "there is a situation once the items are known"
        return self._situation

    def labels(self) -> dict[int, str]:
        """Row → label, of the items that have one."""
        found = enumerate(self.situation.standings) if self._situation else ()
        return {row: one.label for row, one in found if one.label is not None and one.fate is not Fate.REMOVED}

    def removed(self) -> set[int]:
        """Rows that a person left out: they are none of the classes."""
        found = enumerate(self.situation.standings) if self._situation else ()
        return {row for row, one in found if one.fate is Fate.REMOVED}

    def progress(self) -> LabelProgress:
        """Tell how far the work has come."""
        if self.opened is None:
            return progress_of(None, {}, set(), set(), None, ())
        return progress_of(
            self.opened.queue, self.labels(), self.removed(), set(self._skipped), self.model, tuple(self._history)
        )

    # Labelling, and taking it back.

    def following(self, count: int, by: str, on_screen: Sequence[int]) -> tuple[Shown, ...]:
        """Choose what a person is to be shown next, behind what is on their screen already."""
        assert self.opened is not None, "there is nothing to show before the items are known"
        queue, labels, now_s = self.opened.queue, self.labels(), time.monotonic()
        with self._work:
            self._leases = {row: lease for row, lease in self._leases.items() if lease[1] > now_s and lease[0] != by}
            passed = {*self._skipped, *self._leases, *on_screen} - labels.keys()
            passed |= self.removed()
            probs_AC = self._answers()
            asked = queue.following(count, labels, passed, probs_AC)
            if not asked and self._skipped:  # only what was skipped is left: it is shown once more
                self._skipped.clear()
                asked = queue.following(count, labels, passed - self._skipped, probs_AC)
            until_s = now_s + LEASE_S
            self._leases |= dict.fromkeys((*on_screen, *(one.row for one in asked)), (by, until_s))
        return tuple(self.shown(one) for one in asked)

    def shown(self, asked: Asked) -> Shown:
        """Return an item with its suggestion; none for one of the reserve, as that would bias what it is there for."""
        hidden = self.model is None or asked.chosen is Chosen.RESERVE
        return Shown(asked, None if hidden or self.model is None else self.model.suggestion(asked.row))

    def skip(self, row: int, *, back: bool = False) -> None:
        """Show an item no more until nothing else is left; or take that back."""
        with self._work:
            self._skipped.discard(row) if back else self._skipped.add(row)
        self._tell()

    def mark(self, changes: Sequence[Change], by: str) -> Recorded:
        """Write changes down; they are durable when this returns."""
        recorded = self.edits.record(changes, by, self.clock(), self._standing_of)
        self._changed(recorded.edits)
        return recorded

    def undo(self, by: str) -> Recorded | Refused:
        """Take back a person's last step."""
        return self._stepped(self.edits.undo(by, self.clock()))

    def redo(self, by: str) -> Recorded | Refused:
        """Make again what a person took back last."""
        return self._stepped(self.edits.redo(by, self.clock()))

    def refresh(self) -> tuple[Edit, ...]:
        """Read what other processes wrote into the log."""
        found = self.edits.refresh()
        if found:
            self._changed(())
        return found

    def add_class(self, name: str, by: str) -> str:
        """Add a class, as people may while they label; returns its name as it is written.

        Raises:
            UsageError: no folder can be called so, or there is one of that name.
        """
        added = self.classes.add(name, by, self.clock())
        self._tell()
        return added

    def _answers(self) -> np.ndarray | None:
        model = self.model
        return None if model is None or len(model.names) < 2 else model.probs_AC

    def _stepped(self, done: Recorded | Refused) -> Recorded | Refused:
        if not isinstance(done, Refused):
            self._changed(done.edits)
        return done

    def _standing_of(self, item: ItemId) -> Standing:
        assert self.opened is not None, "whoever changes an item has seen it"
        return self.opened.board.lying[self.opened.board.rows_by_name[item.name]]

    def _changed(self, edits: Sequence[Edit]) -> None:
        with self._work:
            if self.opened is not None:
                self._situation = Situation.of(self.opened.board, self.edits)
            self._dirty_s = time.monotonic()
            if self.state == "ready":
                self.state = "refitting"
            self._work.notify_all()
        self._settle([edit.item.name for edit in edits])
        self._tell()

    def _settle(self, names: Iterable[str]) -> None:
        """Have done what follows from the newest edits of items; where it fails, the edits stand, and people are told."""
        for name in names:
            row = self.opened.board.rows_by_name.get(name) if self.opened else None
            if self.opened is None or row is None:
                continue
            with self._settling:  # one after another, else an older edit could have the last word
                edit = self.situation.last_edit(row)
                if edit is not None:
                    self._settle_one(self.opened.pool.items[row], edit)

    def _settle_one(self, item: Item, edit: Edit) -> None:
        for place, one in enumerate(self.aftermath):
            self._unsettled.pop((item.name, place), None)
            try:
                one.settle(item, edit)
            except (DrivetrainError, OSError) as error:
                self._unsettled[item.name, place] = str(error)

    # Learning, in a thread of its own.

    def _run(self) -> None:
        self._try(self._look)
        if self.opened is None:
            return
        while True:
            with self._work:
                while self._dirty_s is None and not self._closed:
                    self._work.wait()
                if self._closed:
                    return
                since_s, self._dirty_s = self._dirty_s, None
                self.state = "refitting"
            self._try(partial(self._refit, since_s))

    def _try(self, work: Callable[[], None]) -> None:
        problem = None
        try:
            work()
        except DrivetrainError as error:
            problem = str(error)
        except Exception:  # whatever it is, people go on with the model there is
            log.exception("learning failed")
            problem = FAULT
        with self._work:
            self.problem = problem
            self.state = "failed" if problem else "refitting" if self._dirty_s is not None else "ready"
        self._tell()

    def _look(self) -> None:
        pool = self.look(self.surveying)
        board = Board(pool.items, pool.facts, pool.duplicates.groups_N)
        queue = LabelQueue(pool.features_AD, pool.duplicates.groups_N, self.seed, pool.taught is not None)
        with self._work:
            self._situation = Situation.of(board, self.edits)
            self.opened = Opened(pool, board, queue)
        self._settle([board.items[row].name for row in self.situation.stood])
        self._refit(None)

    def _refit(self, since_s: float | None) -> None:
        assert self.opened is not None, "the items are looked at first"
        pool, labels = self.opened.pool, self.labels()
        model = learn(pool.features_AD, pool.duplicates.groups_N, labels, pool.taught, self.model, self.seed)
        self.model = model
        self.version += 1
        self.seconds = None if since_s is None else time.monotonic() - since_s
        if model is not None:
            with suppress(IndexError):
                while self._history[-1].n_labels >= model.n_labels:  # labels were taken back
                    self._history.pop()
            self._history.append(Settling(model.n_labels, model.answers()))
            del self._history[:-REMEMBERED]
