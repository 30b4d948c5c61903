"""The standing of every item that the log speaks of, and the steps that can be taken back or made again.

Each item has a pile of the edits that hold: an edit lies on those before it, undoing takes the top one off, and redoing puts it
back. So whoever undoes at any depth finds out whether somebody else's edit lies on top.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...core.types import ItemId
from ..sources.folder import shown
from .edit import Edit, Standing
from .moves import Journal, Move


@dataclass(frozen=True, slots=True)
class Stood:
    """The standing of one item by the log."""

    item: ItemId
    """The item under the name that it has now."""
    standing: Standing
    last: Edit
    """The newest edit of it, which may be one that undoes."""
    origin: str
    """The item's name before any edit."""
    original: Standing
    """The item's standing before any edit, as the source has it."""
    file: str | None = None
    """The name of its file, as the file system has it, where applying edits has moved it there."""
    home: str | None = None
    """The name that its file had before it was moved for the first time."""


@dataclass(eq=False)
class Pile:
    """One item: the edits of it that hold, the newest last."""

    item: ItemId
    origin: str
    original: Standing
    last: Edit
    held: list[str] = field(default_factory=list)
    """Ids of the edits that hold."""
    history: list[Edit] = field(default_factory=list)
    """Every edit of it, also those that undo others."""
    file: str | None = None
    home: str | None = None

    @property
    def top(self) -> str | None:
        """Id of the edit that the item's standing comes from; None where it stands as in the source."""
        return self.held[-1] if self.held else None

    def stood(self) -> Stood:
        """Return the standing."""
        return Stood(self.item, self.last.after, self.last, self.origin, self.original, self.file, self.home)


@dataclass(eq=False)
class Step:
    """Edits made at one stroke by one person."""

    by: str
    turn: int
    """The place among all that was done, undone and redone: the larger, the later."""
    edits: list[Edit] = field(default_factory=list)
    below: dict[str, str | None] = field(default_factory=dict)
    """Edit → the top of the item's pile before it."""
    undone: list[Edit] = field(default_factory=list)
    """The edits that have been taken back, in the order in which they were made."""


@dataclass(eq=False)
class Applied:
    """Edits that were applied to files at one stroke."""

    journal: Journal
    turn: int


class Standings(Mapping[str, Stood]):
    """Name → standing, for every item that was edited. Of two items of one name it is the one edited last."""

    def __init__(self) -> None:
        self._piles: dict[tuple[str, str | None], Pile] = {}
        self._named: dict[str, Pile] = {}
        self._former: dict[tuple[str, str | None], Pile] = {}
        self._steps: dict[str, Step] = {}
        self._of_edit: dict[str, tuple[Step, Pile]] = {}
        self.done: list[Step] = []
        """Steps that hold, the newest last."""
        self.undone: list[Step] = []
        """Steps that can be made again, the one undone last at the end."""
        self.applied: list[Applied] = []
        """Changes of files that hold, the newest last."""
        self.unapplied: list[Applied] = []
        """Changes of files that were taken back and can be made again; the one taken back last at the end."""
        self.pending: Journal | None = None
        """The changes of files that are being made, or were when a program was killed."""
        self.made: dict[str, None] = {}
        """Folders that were made when edits were applied."""
        self._turn = 0

    def __getitem__(self, name: str) -> Stood:
        return self._named[name].stood()

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._named))

    def __len__(self) -> int:
        return len(self._named)

    def all(self) -> list[Stood]:
        """The standings of all items, also of those that share a name."""
        return [pile.stood() for pile in tuple(self._piles.values())]

    def of(self, item: ItemId) -> Stood | None:
        """The standing of an item of this name and content; where either of the two hashes is not known, of this name."""
        pile = self._pile(item)
        return pile.stood() if pile else None

    def history(self, item: ItemId) -> tuple[Edit, ...]:
        """Every edit of an item, the oldest first, those that undo others included."""
        pile = self._pile(item)
        return tuple(pile.history) if pile else ()

    def pile_of(self, edit: Edit) -> Pile:
        """The pile of the item that an edit is about."""
        return self._of_edit[edit.id][1]

    def add(self, edit: Edit) -> None:
        """Take in the log's next edit."""
        self._turn += 1
        undone = self._of_edit.get(edit.undoes or "")
        redone = self._of_edit.get(edit.redoes or "")
        if undone:
            self._undo(edit, *undone)
        elif redone:
            self._redo(edit, *redone)
        else:
            self._do(edit)

    def begin(self, journal: Journal) -> None:
        """Take in that files are moved: items have other names from now on."""
        self._turn += 1
        self.pending = journal
        self.made |= dict.fromkeys(journal.made)
        for move in journal.moves:
            self._move(move)
        known = journal.undoes or journal.redoes
        held = self.applied if journal.undoes else self.unapplied
        one = next((one for one in held if one.journal.id == known), None)
        if one is not None:
            held.remove(one)
            one.turn = self._turn
            (self.unapplied if journal.undoes else self.applied).append(one)
        elif not known:
            self.applied.append(Applied(journal, self._turn))
            self.unapplied = []

    def end(self) -> None:
        """Take in that the files have been moved."""
        self.pending = None

    def _move(self, move: Move) -> None:
        old, new = shown(move.old), shown(move.new)
        pile = self._pile(ItemId(old, move.sha256))
        if pile is None:
            return
        del self._piles[pile.item.name, pile.item.sha256]
        if self._named.get(old) is pile:
            del self._named[old]
        # A session that read the data before this knows the item by the name that it had then.
        self._former[pile.item.name, pile.item.sha256] = pile
        pile.home = pile.home or move.old
        pile.file = move.new
        pile.item = ItemId(new, move.sha256 or pile.item.sha256)
        self._piles[pile.item.name, pile.item.sha256] = self._named[new] = pile

    def _pile(self, item: ItemId) -> Pile | None:
        found = self._piles.get((item.name, item.sha256)) or self._piles.get((item.name, None))
        if item.sha256 is None:
            return found or self._named.get(item.name)
        return found or self._former.get((item.name, item.sha256))

    def _do(self, edit: Edit) -> None:
        pile = self._pile(edit.item)
        if pile is None:
            pile = Pile(edit.item, edit.item.name, edit.before, edit)
            self._piles[edit.item.name, edit.item.sha256] = pile
        name = edit.step or edit.id
        if name not in self._steps:
            self._steps[name] = Step(edit.by, self._turn)
            self.done.append(self._steps[name])
            # A person who goes another way cannot go back to the one left.
            self.undone = [step for step in self.undone if step.by != edit.by]
            self.unapplied = []
        step = self._steps[name]
        step.edits.append(edit)
        step.below[edit.id] = pile.top
        pile.held.append(edit.id)
        self._stands(edit, step, pile)

    def _undo(self, edit: Edit, step: Step, pile: Pile) -> None:
        if edit.undoes in pile.held:
            pile.held.remove(edit.undoes)
        step.undone = [one for one in step.edits if one in step.undone or one.id == edit.undoes]
        step.turn = self._turn
        if step in self.done:
            self.done.remove(step)
            self.undone.append(step)
        self._stands(edit, step, pile)

    def _redo(self, edit: Edit, step: Step, pile: Pile) -> None:
        if edit.redoes is not None:
            pile.held.append(edit.redoes)
        step.undone = [one for one in step.undone if one.id != edit.redoes]
        step.turn = self._turn
        if step in self.undone:
            self.undone.remove(step)
            self.done.append(step)
        self._stands(edit, step, pile)

    def _stands(self, edit: Edit, step: Step, pile: Pile) -> None:
        pile.last = edit
        pile.history.append(edit)
        self._named[pile.item.name] = pile
        self._of_edit[edit.id] = (step, pile)
