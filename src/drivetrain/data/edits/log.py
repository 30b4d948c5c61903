"""The log of edits: who changed what, when and why, in one file that is only appended to.

Any number of processes and threads may have it open. Whoever records takes a lock, reads what the others have written, appends,
and returns when the lines are on the disk; of two people who change one item the last one wins, and is told whom that overtook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any

from ...core.errors import DataError, UsageError
from ...core.identifiers import new_id
from ...core.types import ItemId
from .edit import Change, Edit, Standing
from .line import EDIT, KIND, LEFT, edit_line, read_edit
from .log_file import LogFile, News, Writer
from .moves import MOVED, MOVES, Journal
from .standings import Standings
from .undoing import Refused, last_of, redo_edits, undo_edits

Make = Callable[[Standings, str, datetime, Callable[[], str]], list[Edit] | Refused]
StandingOf = Callable[[ItemId], Standing]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Edits that are on the disk."""

    edits: tuple[Edit, ...]
    overtaken: tuple[Edit, ...] = ()
    """Edits by others of the same items which whoever recorded these had not seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Alone:
    """A log that nobody else writes to for the time being."""

    log: EditLog
    _writer: Writer

    def write(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Append a line; it is on the disk when this returns.

        Raises:
            DataError: it cannot be written, or could not be read again.
        """
        if kind == MOVES:
            _check_journal(payload)
        self._writer.append([{KIND: kind, **payload}])
        self.log._take(self._writer.news())

    def new_id(self) -> str:
        """Make an id."""
        return self.log._ids()


def _check_journal(payload: Mapping[str, Any]) -> None:
    try:
        Journal.of_line(payload)
    except ValueError as error:
        raise DataError(f"cannot apply the edits: {error}") from None


class EditLog:
    """The log of one source, as far as it has been read; `refresh` reads on."""

    def __init__(self, path: Path, ids: Callable[[], str] = new_id) -> None:
        self._file = LogFile(path)
        self._ids = ids
        self._turn = RLock()
        self._edits: list[Edit] = []
        self._places: dict[str, int] = {}
        self._others: list[tuple[str, dict[str, Any]]] = []
        self._untold: list[Edit] = []
        self._standings = Standings()

    @classmethod
    def open(cls, path: Path, ids: Callable[[], str] = new_id) -> EditLog:
        """Open a log and read it. A file that is not there is an empty log, and is made by the first edit.

        Raises:
            DataError: it cannot be read, or a line is no edit; says which.
        """
        log = cls(path, ids)
        log.refresh()
        log._untold.clear()
        return log

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def edits(self) -> tuple[Edit, ...]:
        """All edits that were read, the oldest first."""
        with self._turn:
            return tuple(self._edits)

    @property
    def last_edit_id(self) -> str | None:
        """Id of the newest edit that was read."""
        with self._turn:
            return self._edits[-1].id if self._edits else None

    @property
    def standings(self) -> Standings:
        """Name → current standing and last edit, for every item that was edited."""
        return self._standings

    def after(self, edit_id: str | None) -> tuple[Edit, ...]:
        """The edits behind one, the oldest first; all of them behind None, or behind one that is not known."""
        with self._turn:
            start = -1 if edit_id is None else self._places.get(edit_id, -1)
            return tuple(self._edits[start + 1 :])

    def refresh(self) -> tuple[Edit, ...]:
        """Read what others have appended, and return those of their edits that no call has returned before.

        Raises:
            DataError: as `open`.
        """
        with self._turn:
            self._take(self._file.news())
            untold, self._untold = tuple(self._untold), []
            return untold

    def record(self, changes: Sequence[Change], by: str, at: datetime, standing_of: StandingOf) -> Recorded:
        """Record changes at one stroke, which is one step of undoing; they are on the disk when this returns.

        ``standing_of`` gives the standing in the source of an item that the log has nothing about.

        Raises:
            UsageError: nobody is named.
            DataError: the log cannot be written to; nothing was recorded.
        """
        self._check(by)
        with self._turn, self._file.writing() as writer:
            self._take(writer.news())
            overtaken = self._overtaken(changes, by)
            step, stands, edits = self._ids(), dict[ItemId, Standing](), list[Edit]()
            for change in changes:
                stood = self._standings.of(change.item)
                item = stood.item if stood and stood.item.sha256 else change.item
                before = stands.get(item) or (stood.standing if stood else standing_of(change.item))
                stands[item] = change.to
                edits.append(Edit(self._ids(), at, by, item, before, change.to, change.why, change.how, step=step))
            return Recorded(self._append(writer, edits), overtaken)

    def undo(self, by: str, at: datetime) -> Recorded | Refused:
        """Take back the newest step of a person that holds. It is refused where somebody else changed an item of it since.

        Raises:
            DataError: the log cannot be written to.
        """
        return self._again(undo_edits, by, at)

    def redo(self, by: str, at: datetime) -> Recorded | Refused:
        """Make again what a person has undone last; refused as `undo` is, and where that person has changed anything since.

        Raises:
            DataError: the log cannot be written to.
        """
        return self._again(redo_edits, by, at)

    def can_undo(self, by: str) -> bool:
        """Tells whether a person has a step that holds."""
        return last_of(self._standings.done, by) is not None

    def can_redo(self, by: str) -> bool:
        """Tells whether a person has a step that was undone, and has done nothing else since."""
        return last_of(self._standings.undone, by) is not None

    def append_line(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Record something that is no edit, such as an audit's answers; it is on the disk when this returns.

        Raises:
            UsageError: the kind is that of edits, or a field has a name that is taken.
            DataError: the log cannot be written to.
        """
        if kind == EDIT or payload.keys() & {KIND, LEFT}:
            raise UsageError(f"a line of kind {kind!r} with {', '.join(payload)} is none that can be added to the log")
        with self._turn, self._file.writing() as writer:
            self._take(writer.news())
            writer.append([{KIND: kind, **payload}])
            self._take(writer.news())

    @contextmanager
    def alone(self) -> Iterator[Alone]:
        """Keep everybody else from writing, with all read that they have written.

        Raises:
            DataError: the log cannot be written to, or read.
        """
        with self._turn, self._file.writing() as writer:
            self._take(writer.news())
            yield Alone(self, writer)

    def lines(self, kind: str) -> tuple[dict[str, Any], ...]:
        """The lines of a kind that is not that of edits, the oldest first."""
        with self._turn:
            return tuple(fields for one, fields in self._others if one == kind)

    def _again(self, make: Make, by: str, at: datetime) -> Recorded | Refused:
        self._check(by)
        with self._turn:
            self._take(self._file.news())
            refused = make(self._standings, by, at, self._ids)
            if isinstance(refused, Refused):  # no file is made for this
                return refused
            with self._file.writing() as writer:
                self._take(writer.news())
                made = make(self._standings, by, at, self._ids)
                return made if isinstance(made, Refused) else Recorded(self._append(writer, made))

    def _append(self, writer: Writer, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """Write edits and take them in; nobody has to be told of them."""
        if edits:
            writer.append([edit_line(edit) for edit in edits])
            told = len(self._untold)
            self._take(writer.news())
            del self._untold[told:]
        return tuple(edits)

    def _overtaken(self, changes: Sequence[Change], by: str) -> tuple[Edit, ...]:
        """The edits by others that whoever wants these changes had not seen."""
        found: dict[str, Edit] = {}
        for change in changes:
            history = self._standings.history(change.item)
            seen = next((place for place, edit in enumerate(history) if edit.id == change.seen), -1)
            found |= {edit.id: edit for edit in history[seen + 1 :] if edit.by != by}
        return tuple(found.values())

    def _take(self, news: News) -> None:
        """Take in lines that were read."""
        if news.anew:
            self._empty()
        for line in news.lines:
            kind = line.fields.get(KIND)
            try:
                if kind == EDIT:
                    self._take_edit(read_edit(line.fields))
                    continue
                if not isinstance(kind, str):
                    raise ValueError("it has no kind")
                if kind == MOVES:
                    self._standings.begin(Journal.of_line(line.fields))
                if kind == MOVED:
                    self._standings.end()
            except ValueError as error:
                self._empty()
                self._file.forget()  # whoever asks again is to be told again
                raise self._file.refused(line.number, str(error)) from None
            self._others.append((kind, {name: value for name, value in line.fields.items() if name != LEFT}))

    def _empty(self) -> None:
        self._edits, self._places, self._others, self._standings = [], {}, [], Standings()

    def _take_edit(self, edit: Edit) -> None:
        self._places[edit.id] = len(self._edits)
        self._edits.append(edit)
        self._untold.append(edit)
        self._standings.add(edit)

    @staticmethod
    def _check(by: str) -> None:
        if not by.strip():
            raise UsageError("an edit needs the name of whoever makes it; give one (--by NAME)")
