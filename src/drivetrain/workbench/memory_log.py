"""Edits that are kept in memory only, for as long as a set has no place on disk for a log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..core.identifiers import new_id
from ..core.types import ItemId
from ..data.edits.edit import Change, Edit, Standing


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was written, and the edits of others that the writer had not seen."""

    edits: tuple[Edit, ...]
    overtaken: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The reason why nothing was taken back, in a sentence."""

    why: str


@dataclass
class MemoryLog:
    """A log without a file."""

    edits: list[Edit] = field(default_factory=list)
    last: dict[str, Edit] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _undone: dict[str, list[tuple[Edit, ...]]] = field(default_factory=dict)
    _done: dict[str, list[tuple[Edit, ...]]] = field(default_factory=dict)

    @property
    def standings(self) -> Mapping[str, Edit]:
        """The last edit of each item, by name."""
        return self.last

    def record(
        self, changes: Sequence[Change], by: str, at: datetime, standing_of: Callable[[ItemId], Standing]
    ) -> Recorded:
        """Write changes down."""
        with self._lock:
            made, overtaken = [], []
            for change in changes:
                last = self.last.get(change.item.name)
                if last is not None and last.by != by and last.id != change.seen:
                    overtaken.append(last)
                before = last.after if last else standing_of(change.item)
                made.append(Edit(new_id(), at, by, change.item, before, change.to, change.why, change.how))
                self._put(made[-1])
            self._done.setdefault(by, []).append(tuple(made))
            self._undone.pop(by, None)
            return Recorded(tuple(made), tuple(overtaken))

    def refresh(self) -> tuple[Edit, ...]:
        """Nobody else writes here."""
        return ()

    def undo(self, by: str, at: datetime) -> tuple[Edit, ...] | Refused:
        """Take back a person's last step."""
        return self._step(by, at, self._done, self._undone, "undoes")

    def redo(self, by: str, at: datetime) -> tuple[Edit, ...] | Refused:
        """Make again what was taken back last."""
        return self._step(by, at, self._undone, self._done, "redoes")

    def can_undo(self, by: str) -> bool:
        """Tells whether there is a step to take back."""
        return bool(self._done.get(by))

    def can_redo(self, by: str) -> bool:
        """Tells whether there is a step to make again."""
        return bool(self._undone.get(by))

    def _step(
        self,
        by: str,
        at: datetime,
        source: dict[str, list[tuple[Edit, ...]]],
        target: dict[str, list[tuple[Edit, ...]]],
        field: str,
    ) -> tuple[Edit, ...] | Refused:
        with self._lock:
            steps = source.get(by)
            if not steps:
                return Refused(
                    f"{by} has made no edit that could be taken {'back' if field == 'undoes' else 'up again'}"
                )
            step = steps[-1]
            for edit in step:
                last = self.last[edit.item.name]
                if last.id != edit.id:
                    return Refused(f"{last.by} has changed {edit.item.name} since; change it by hand")
            steps.pop()
            made = []
            for edit in reversed(step):
                link = {field: edit.id}
                made.append(Edit(new_id(), at, by, edit.item, edit.after, edit.before, edit.why, edit.how, **link))
                self._put(made[-1])
            target.setdefault(by, []).append(tuple(made))
            return tuple(made)

    def _put(self, edit: Edit) -> None:
        self.edits.append(edit)
        self.last[edit.item.name] = edit
