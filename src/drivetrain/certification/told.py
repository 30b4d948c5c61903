"""Right answers that people told a server, as labelled items: the inputs they are about, from the store that keeps them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.errors import DataError
from ..core.records import Record, StoredInput, ToldHow, Truth
from ..core.stored_reference import StoredReference
from ..core.types import Dataset, Item
from ..learn.kinds.registry import TARGETS
from ..model.manifest import Manifest
from .field_data import FieldData

_AT_ONCE = 500
_NONE_OF_THEM = "–"
"""The label's text where none of several is right; the labels themselves say it."""


class ToldStore(Protocol):
    """The part of a store that is read here. Safe to use from several threads; every method may raise `StoreError`."""

    @property
    def shown(self) -> str:
        """The store's location, without user and password."""
        ...

    def iterate_truths(self) -> Iterator[tuple[Truth, Record]]:
        """Yield every right answer with its record, from the newest back."""
        ...

    def kept(self, sha256s: Collection[str]) -> frozenset[str]:
        """Return the hashes among ``sha256s`` whose inputs are kept."""
        ...

    def input(self, sha256: str) -> StoredInput | None:
        """Return the input whose received bytes had that hash, where it is kept."""
        ...


@dataclass(slots=True)
class _LeftOut:
    """The right answers that are not used."""

    assisted: int = 0
    other: int = 0
    """Right answers of another form than the bundle's answers."""
    not_kept: int = 0
    """Inputs that the store does not keep."""

    def remarks(self) -> Iterator[str]:
        """Say how many, and why."""
        if self.assisted:
            yield (
                f"{_right_answers(self.assisted)} told with the model's answer in sight (assisted) and left out, as people who "
                "see it tend to agree with it"
            )
        if self.other:
            yield f"{_right_answers(self.other)} of another form than the bundle's answers and left out"
        if self.not_kept:
            inputs = "1 input is" if self.not_kept == 1 else f"{self.not_kept} inputs are"
            yield f"{inputs} not kept in the store, though the right answer was told, and left out; serve --images keeps them"


def told_items(store: ToldStore, manifest: Manifest) -> FieldData:
    """Return the inputs that are kept and that somebody told the right answer of, blind or adjudicated; the latest one counts.

    The predictions may be of any bundle. Groups, cameras and the caller's own values come from the record.

    Raises:
        DataError: there is none; says why.
        StoreError: the store cannot be read.
    """
    left_out = _LeftOut()
    latest = _latest(store, manifest, left_out)
    asked, kept = list(latest), set[str]()
    for start in range(0, len(asked), _AT_ONCE):
        kept |= store.kept(asked[start : start + _AT_ONCE])
    left_out.not_kept += len(latest.keys() - kept)
    found = sorted(
        ((record, truth) for sha256, (truth, record) in latest.items() if sha256 in kept), key=lambda one: one[0].id
    )
    if not found:
        said = "; ".join(left_out.remarks()) or "nobody has told one yet"
        raise DataError(
            f"{store.shown} has no right answer to certify with, told blind or adjudicated, of an input that is kept: {said}"
        )
    items = tuple(_item(record, truth, store) for record, truth in found)
    return FieldData(Dataset(store.shown, items), _columns([record for record, _ in found]), tuple(left_out.remarks()))


def _latest(store: ToldStore, manifest: Manifest, left_out: _LeftOut) -> dict[str, tuple[Truth, Record]]:
    """The right answer told last of each input, by the input's hash."""
    latest: dict[str, tuple[Truth, Record]] = {}
    several = TARGETS[manifest.task].delimited
    for truth, record in store.iterate_truths():
        if truth.how is ToldHow.ASSISTED:
            left_out.assisted += 1
        elif (truth.labels if several else truth.label) is None:
            left_out.other += 1
        elif record.input_sha256 is None:
            left_out.not_kept += 1
        else:
            latest.setdefault(record.input_sha256, (truth, record))
    return latest


def _item(record: Record, truth: Truth, store: ToldStore) -> Item:
    assert record.input_sha256 is not None  # as `_latest` takes no other
    label = truth.label if truth.labels is None else ", ".join(truth.labels) or _NONE_OF_THEM
    reference = StoredReference(record.input_sha256, store)
    return Item(reference, record.id, label, record.context.group, labels=truth.labels)


def _columns(records: Sequence[Record]) -> dict[str, dict[str, str]]:
    """Callers' own statements about each input, by column and by the record's id."""
    columns: dict[str, dict[str, str]] = {"camera": {}, "site": {}}
    for record in records:
        context = record.context
        said: Mapping[str, Any] = {**context.extra, "camera": context.camera, "site": context.site}
        for name, value in said.items():
            if isinstance(value, str | int | float) and value != "":
                columns.setdefault(name, {})[record.id] = str(value)
    return columns


def _right_answers(count: int) -> str:
    return "1 right answer was" if count == 1 else f"{count} right answers were"
