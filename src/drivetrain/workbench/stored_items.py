"""Answers that a server left to people, as items to label: inputs that a store kept, with their records."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..core.errors import DataError
from ..core.ports import PredictionStore, TruthStore
from ..core.records import Record, RecordFilter
from ..core.stored_reference import StoredReference
from ..core.types import Dataset, Item
from ..core.verdict import Verdict

_AT_ONCE = 200

VERDICTS = (Verdict.REVIEW, Verdict.OUT_OF_DOMAIN)
"""The verdicts that leave an answer to a person."""


class LabelledStore(PredictionStore, TruthStore, Protocol):
    """The part of a store that labelling needs. Safe to use from several threads; every method may raise `StoreError`."""

    @property
    def shown(self) -> str:
        """The store's location, without user and password."""
        ...


@dataclass(frozen=True, eq=False)
class StoredItems:
    """The items, and the record of each by the item's name."""

    dataset: Dataset
    records: dict[str, Record]


def stored_items(
    store: LabelledStore, verdicts: Sequence[Verdict] = VERDICTS, known: Collection[str] = ()
) -> StoredItems:
    """Return the inputs that got one of ``verdicts``, that the store kept, and of which nobody has told the right answer.

    Those of the records in ``known`` are among them all the same: they were labelled here. An input that was sent several times
    is one item: that of its newest record. Its group is the caller's. The name is the record's id.

    Raises:
        DataError: there is none; says why.
        StoreError: the store cannot be read.
    """
    newest: dict[str, Record] = {}
    told, nameless, seen = 0, 0, 0
    for records in _pages(store, verdicts):
        truths = store.truths_of([record.id for record in records])
        for record in records:
            seen += 1
            if record.id in truths and record.id not in known:
                told += 1
            elif record.input_sha256 is None:
                nameless += 1
            else:
                newest.setdefault(record.input_sha256, record)
    kept, asked = set[str](), list(newest)
    for start in range(0, len(asked), _AT_ONCE):
        kept |= store.kept(asked[start : start + _AT_ONCE])
    notes = tuple(_remarks(told, nameless + len(newest.keys() - kept)))
    found = sorted((newest[sha256] for sha256 in kept), key=lambda record: record.id)
    if not found:
        which = " or ".join(verdicts)
        why = "; ".join(notes) or f"{seen} predictions had such a verdict"
        raise DataError(
            f"{store.shown} has nothing to label with the verdict {which}: {why}; name others with --verdict"
        )
    items = tuple(
        Item(StoredReference(record.input_sha256 or "", store), record.id, None, record.context.group)
        for record in found
    )
    return StoredItems(Dataset(store.shown, items, notes=notes), {record.id: record for record in found})


def _pages(store: LabelledStore, verdicts: Sequence[Verdict]) -> Iterator[tuple[Record, ...]]:
    for verdict in verdicts:
        cursor: str | None = None
        while True:
            page = store.page(RecordFilter(verdict=verdict), _AT_ONCE, cursor)
            yield page.records
            cursor = page.next
            if cursor is None:
                break


def _remarks(told: int, not_kept: int) -> Iterator[str]:
    if told:
        yield f"{_many(told, 'prediction')} left out, as somebody has told the right answer already"
    if not_kept:
        yield f"{_many(not_kept, 'prediction')} left out, as the store did not keep the input (serve --images keeps it)"


def _many(count: int, noun: str) -> str:
    return f"1 {noun} is" if count == 1 else f"{count} {noun}s are"
