"""Telling a store the right answers that people gave while they labelled, so that its monitors know of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.ports import TruthStore
from ..core.records import Record, Truth
from ..core.types import Item
from ..data.edits.edit import Edit, Fate

NONE_OF_THESE = "none of these"
"""The right answer, as a store is told it, where an item is of no class."""

NOTE = "drivetrain label"


@dataclass(frozen=True, eq=False)
class Telling:
    """Tells one store."""

    store: TruthStore
    records: Mapping[str, Record]
    """The record of each item, by the item's name."""

    def settle(self, item: Item, edit: Edit) -> None:
        """Tell what an edit makes the right answer; nothing where an item has no label any more, as a store forgets nothing.

        The truth has the edit's id, so that telling it twice leaves one.

        Raises:
            StoreError: the store cannot be written.
        """
        none_of_these = edit.after.fate is Fate.REMOVED
        label = NONE_OF_THESE if none_of_these else edit.after.label
        record = self.records.get(item.name)
        if label is None or record is None:
            return
        self.store.add_truth(
            Truth(
                id=edit.id,
                prediction_id=record.id,
                at=edit.at,
                by=edit.by,
                how=edit.how,
                label=label,
                note=NOTE,
            )
        )
