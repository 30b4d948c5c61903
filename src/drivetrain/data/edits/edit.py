"""Edits: what a person changed about one item, as a line of the log keeps it. Plain frozen data; the log does the work.

An item stands somewhere at every moment: with its label, and as open, kept (a person looked and agreed) or removed. An edit
leads from one standing to another. To undo one is an edit too, back to the standing before it, so that a log only ever grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ...core.told_how import ToldHow
from ...core.types import ItemId


class Fate(StrEnum):
    """Tells whether an item is in the data set, and whether a person has vouched for it."""

    OPEN = "open"
    """In the data set, and nobody has said that it is right."""
    KEPT = "kept"
    """In the data set, and a person has said that it is right as it stands."""
    REMOVED = "removed"
    """Left out of the data set. Its file is still there."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An item's label and fate at one moment."""

    label: str | None
    """All labels in one text, as `Item.label` has them; None of an item without one."""
    fate: Fate = Fate.OPEN
    labels: tuple[str, ...] | None = None
    """The labels one by one, as `Item.labels` has them."""


@dataclass(frozen=True, slots=True)
class Change:
    """A person's wish for one item, before it is in the log."""

    item: ItemId
    to: Standing
    why: str = ""
    """A word about the reason, for those who read the log later: ``label``, ``near-duplicate``, or a person's own."""
    how: ToldHow = ToldHow.ASSISTED
    """Tells whether a suggestion was in sight when the person decided."""
    seen: str | None = None
    """Id of the item's last edit that the person had seen; None where they had seen none."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One line of the log: who changed what, when, from what to what, and why."""

    id: str
    at: datetime
    by: str
    item: ItemId
    before: Standing
    after: Standing
    why: str = ""
    how: ToldHow = ToldHow.ASSISTED
    undoes: str | None = None
    """Id of the edit that this one takes back."""
    redoes: str | None = None
    """Id of the edit that this one makes again after it was taken back."""
    step: str | None = None
    """Id that the edits made at one stroke share: together they are one step of undoing. None of an edit by itself."""
