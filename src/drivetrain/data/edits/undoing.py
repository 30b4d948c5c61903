"""Taking back a person's last step, and making it again, where nobody else has changed the items since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from .edit import Edit, Standing
from .standings import Pile, Standings, Step


@dataclass(frozen=True, slots=True)
class Refused:
    """The reason why nothing was undone or redone: a sentence."""

    sentence: str


NewId = Callable[[], str]


def undo_edits(standings: Standings, by: str, at: datetime, new_id: NewId) -> list[Edit] | Refused:
    """Make the edits that take back the newest step of a person; the last edit of it comes first."""
    step = last_of(standings.done, by)
    if step is None:
        return Refused(f"there is nothing to undo for {by}")
    depth: dict[int, int] = {}
    for edit in reversed(step.edits):
        pile = standings.pile_of(edit)
        below = depth[id(pile)] = depth.get(id(pile), 0) + 1
        if pile.held[-below:][:1] != [edit.id] or len(pile.held) < below:
            return Refused(_changed("undo", edit, pile))
    back = [replace(edit, after=edit.before, undoes=edit.id, redoes=None) for edit in reversed(step.edits)]
    return _chained(standings, step.edits[::-1], back, at, by, new_id)


def redo_edits(standings: Standings, by: str, at: datetime, new_id: NewId) -> list[Edit] | Refused:
    """Make the edits that make again what a person has undone last."""
    step = last_of(standings.undone, by)
    if step is None:
        return Refused(f"there is nothing to redo for {by}")
    tops: dict[int, str | None] = {}
    for edit in step.undone:
        pile = standings.pile_of(edit)
        if tops.get(id(pile), pile.top) != step.below[edit.id]:
            return Refused(_changed("redo", edit, pile))
        tops[id(pile)] = edit.id
    again = [replace(edit, undoes=None, redoes=edit.id) for edit in step.undone]
    return _chained(standings, step.undone, again, at, by, new_id)


def last_of(steps: Sequence[Step], by: str) -> Step | None:
    """The newest of the steps that is a person's."""
    return next((step for step in reversed(steps) if step.by == by), None)


def _chained(
    standings: Standings, of: Sequence[Edit], made: Sequence[Edit], at: datetime, by: str, new_id: NewId
) -> list[Edit]:
    """Complete edits that take back or repeat others: each begins where the one before it on the same item ended."""
    name, found = new_id(), list[Edit]()
    stands: dict[int, Standing] = {}
    for old, new in zip(of, made, strict=True):
        pile = standings.pile_of(old)
        before = stands.get(id(pile), pile.last.after)
        stands[id(pile)] = new.after
        found.append(replace(new, id=new_id(), step=name, at=at, by=by, item=pile.item, before=before))
    return found


def _changed(what: str, edit: Edit, pile: Pile) -> str:
    last = pile.last
    return (
        f"cannot {what} the change of {pile.item.name}, as {last.by} has changed it since ({last.at:%Y-%m-%d %H:%M}, to "
        f"{in_words(last.after)}); {'undo' if last.by != edit.by else 'look at'} that first"
    )


def in_words(standing: Standing) -> str:
    """Say how an item stands, in a few words."""
    label = standing.label if standing.label is not None else "no label"
    return label if standing.fate == "open" else f"{label}, {standing.fate}"
