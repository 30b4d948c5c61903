"""An audit: random items that nobody suspects, mixed among suspects with no suggestion in sight, to learn how dirty a set is.

The draw is a line of the log, so that it outlives the program; the answers are edits of its items that were made blind, later.
Suspects tell how many of those called wrong are, the others what the list misses; together, the share of wrong labels in the set.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..core.told_how import ToldHow
from ..core.types import ItemId
from ..data.edits.edit import Edit, Fate
from ..data.edits.log import EditLog
from ..stats.stratified import Stratum
from .survey import Survey
from .suspecting import Examined

KIND = "audit"
"""The kind of its line in the log."""

MIXED_IN = 4
"""One suspect is drawn for so many items that nobody suspects: of what is rare, most has to be seen to tell how rare it is."""


class NothingLeftError(DataError):
    """No item is left to draw from."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One item of an audit."""

    item: ItemId
    label: str
    suspected: bool
    """Tells which of the two parts it was drawn from; not for the person who answers."""


@dataclass(frozen=True)
class Audit:
    """A draw from a set, in the order in which items are to be shown."""

    at: datetime
    seed: int
    suspects: int
    """Suspects in the set when it was drawn, without those that a person had looked at."""
    others: int
    """Other items in the set, without those that a person had looked at."""
    items: tuple[Drawn, ...]

    def to_line(self) -> dict[str, Any]:
        """Return the fields of its line in the log."""
        return {
            "at": self.at.isoformat(),
            "seed": self.seed,
            "suspects": self.suspects,
            "others": self.others,
            "items": [
                {"name": one.item.name, "sha256": one.item.sha256, "label": one.label, "suspected": one.suspected}
                for one in self.items
            ],
        }

    @classmethod
    def of_line(cls, line: Mapping[str, Any]) -> Audit:
        """Read it from its line.

        Raises:
            DataError: the line is none of an audit.
        """
        try:
            items = tuple(
                Drawn(ItemId(one["name"], one["sha256"]), one["label"], bool(one["suspected"])) for one in line["items"]
            )
            at = datetime.fromisoformat(line["at"])
            return cls(at, int(line["seed"]), int(line["suspects"]), int(line["others"]), items)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"a line of kind “{KIND}” in the log of edits cannot be read ({error}); remove it"
            ) from None


@dataclass(frozen=True)
class Answers:
    """The answers to an audit so far: item's name → whether its label was wrong."""

    audit: Audit
    wrong: Mapping[str, bool]

    @property
    def open(self) -> tuple[Drawn, ...]:
        """The items that nobody has answered yet, in their order."""
        return tuple(one for one in self.audit.items if one.item.name not in self.wrong)

    @property
    def suspects(self) -> Stratum:
        """The part of the set that is suspected."""
        return self._part(suspected=True)

    @property
    def others(self) -> Stratum:
        """The rest of the set."""
        return self._part(suspected=False)

    def _part(self, *, suspected: bool) -> Stratum:
        told = [self.wrong[one.item.name] for one in self.audit.items if one.suspected == suspected and self._told(one)]
        size = self.audit.suspects if suspected else self.audit.others
        return Stratum(size, len(told), sum(told))

    def _told(self, one: Drawn) -> bool:
        return one.item.name in self.wrong


def draw(
    survey: Survey, examined: Examined, size: int, *, seed: int, at: datetime, seen: Collection[str] = ()
) -> Audit:
    """Draw from a survey; see `draw_from`."""
    items = [(item.id, survey.sample.targets.text(row)) for row, item in enumerate(survey.sample.items)]
    return draw_from(items, {one.name for one in examined.suspects}, size, seed=seed, at=at, seen=seen)


def draw_from(
    items: Sequence[tuple[ItemId, str]],
    suspected: Collection[str],
    size: int,
    *,
    seed: int,
    at: datetime,
    seen: Collection[str] = (),
) -> Audit:
    """Draw ``size`` items that nobody suspects and a suspect for every `MIXED_IN` of them, at least 1, in random order.

    ``items`` with their labels; ``seen``: names of items that a person has looked at already, which are left out.

    Raises:
        NothingLeftError: every item is suspected, or has been looked at.
    """
    open_items = [Drawn(item, label, item.name in suspected) for item, label in items if item.name not in seen]
    among = [one for one in open_items if one.suspected]
    rest = [one for one in open_items if not one.suspected]
    if not rest:
        raise NothingLeftError(
            f"all {len(items)} items are suspected or have been looked at, so that none is left to draw for an audit"
        )
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(among))[: max(1, size // MIXED_IN)].tolist()
    others = rng.permutation(len(rest))[:size].tolist()
    drawn = [*(among[place] for place in some), *(rest[place] for place in others)]
    shown = tuple(drawn[place] for place in rng.permutation(len(drawn)).tolist())
    return Audit(at, seed, len(among), len(rest), shown)


def vouched(log: EditLog) -> frozenset[str]:
    """Return the names of items that a person has looked at: those that do not stand as they lie in the source."""
    return frozenset(stood.item.name for stood in log.standings.all() if stood.standing != stood.original)


def keep(log: EditLog, audit: Audit) -> None:
    """Write an audit into the log.

    Raises:
        DataError: the log cannot be written to.
    """
    log.append_line(KIND, audit.to_line())


def latest(log: EditLog) -> Audit | None:
    """Return the audit that was drawn last; None where there is none.

    Raises:
        DataError: its line cannot be read.
    """
    lines = log.lines(KIND)
    return Audit.of_line(lines[-1]) if lines else None


def answers(audit: Audit, log: EditLog) -> Answers:
    """Read the answers from the log: of each item the last edit that was made blind since, unless it was undone.

    A label is judged as it was drawn: somebody may have changed it meanwhile, with a suggestion in sight.
    """
    wrong = {}
    for one in audit.items:
        since = [edit for edit in _standing(log.standings.history(one.item)) if edit.at >= audit.at]
        blind = [edit for edit in since if edit.how is ToldHow.BLIND]
        if blind and blind[-1].after.fate is not Fate.OPEN:
            after = blind[-1].after
            wrong[one.item.name] = after.fate is Fate.REMOVED or after.label != since[0].before.label
    return Answers(audit, wrong)


def still_there(told: Answers, items: Collection[ItemId]) -> Answers:
    """Leave out what nobody has answered and nobody can: items that the set has no more, neither by name nor by content."""
    names, contents = {item.name for item in items}, {item.sha256 for item in items if item.sha256}
    kept = tuple(
        one
        for one in told.audit.items
        if one.item.name in told.wrong or one.item.name in names or one.item.sha256 in contents
    )
    return told if len(kept) == len(told.audit.items) else Answers(replace(told.audit, items=kept), told.wrong)


def _standing(history: Sequence[Edit]) -> list[Edit]:
    """The edits of an item that hold, without those that undo or redo others."""
    undone: set[str] = set()
    for edit in history:
        if edit.undoes is not None:
            undone.add(edit.undoes)
        if edit.redoes is not None:
            undone.discard(edit.redoes)
    return [edit for edit in history if edit.undoes is None and edit.redoes is None and edit.id not in undone]
