"""The training set from the field: labels and pictures, each picture once, beside the data that was trained on before.

Copies are found by pixels and perceptual hash, the two looks that hold for whatever the pictures show; frames that are only
alike are kept, and training joins them in a group. Shapes: N pictures, old ones first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from ...core.errors import DataError
from ...core.told_how import ToldHow
from ...core.types import Dataset, Item, ItemFacts
from ...curate.duplicates import find_duplicates
from ...data.provenance.line import Provenance
from .labels import FieldLabel

RANKS = {ToldHow.OUTCOME: 3, ToldHow.ADJUDICATED: 2, ToldHow.BLIND: 0, ToldHow.ASSISTED: -1}
OLD = 1
"""The rank of a label trained on before: nobody knows any more how it was made, so that only an outcome or an adjudication counts
before it."""


@dataclass(frozen=True, slots=True)
class FieldItem:
    """A picture from the field with its label."""

    label: FieldLabel
    item: Item


@dataclass(frozen=True)
class Dealt:
    """Pictures of the field: to train on, and kept to compare on."""

    training: tuple[FieldItem, ...]
    reserve: tuple[FieldItem, ...]
    recent: tuple[FieldItem, ...]
    """Pictures that came last, of the others."""


@dataclass(frozen=True)
class TrainingSet:
    """All that a candidate is trained on, and what was left out."""

    dataset: Dataset
    field: tuple[FieldItem, ...]
    """The pictures from the field in it, each with its weight among them, of mean 1."""
    copies: int
    """Pictures from the field that are there already, or that show what is kept to compare on."""
    contradictions: tuple[str, ...]
    """Pictures that are copies of each other and have different labels: who said what, and which counts."""

    def provenance(self) -> Iterator[Provenance]:
        """Yield the origin of each picture from the field: the case, and who told its label when and how."""
        for one in self.field:
            told = one.label
            yield Provenance(
                one.item.name,
                told.case.inputs[0],
                "store",
                told.at,
                url=f"urn:drivetrain:case:{told.rollout}/{told.case.id}",
                title=told.case.key,
                group=one.item.group,
                label_how=str(told.how),
                label_by=", ".join(told.by),
            )


def dealt(items: Sequence[FieldItem], recent_share: float) -> Dealt:
    """Deal pictures by the random reserve, and by time: the last share of the others, by their cases' arrival, is kept too.

    What is assigned as one stays on one side; that of a unit goes by the unit's first case.
    """
    began = {
        one.label.unit: one.label.case.at for one in sorted(items, key=lambda one: one.label.case.at, reverse=True)
    }
    reserved = {one.label.unit for one in items if one.label.reserve}
    order = sorted((unit for unit in began if unit not in reserved), key=lambda unit: (began[unit], unit))
    late = set(order[len(order) - ceil(recent_share * len(order)) :]) if recent_share > 0 else set[str]()
    sides: tuple[list[FieldItem], list[FieldItem], list[FieldItem]] = ([], [], [])
    for one in items:
        sides[1 if one.label.unit in reserved else 2 if one.label.unit in late else 0].append(one)
    return Dealt(*(tuple(side) for side in sides))


def training_set(field: Dealt, old: Sequence[Item], facts: dict[str, ItemFacts], title: str) -> TrainingSet:
    """Put old and new together; ``facts`` by the items' names. Old items without facts, whose files cannot be used, stay for
    training to speak of.

    Raises:
        DataError: nothing from the field is left to train on.
    """
    known = [item for item in old if item.name in facts]
    new = [*field.training, *field.reserve]
    numbers_N = find_duplicates(
        tuple(facts[name] for name in [*(item.name for item in known), *(one.item.name for one in new)]),
        np.empty((len(known) + len(new), 0), np.float32),
    ).pictures_N.tolist()
    pictures: dict[int, _Picture] = {}
    for number, item in zip(numbers_N, known, strict=False):
        pictures.setdefault(number, _Picture()).old.append(item)
    kept_apart = {one.item.name for one in field.reserve}
    for number, one in zip(numbers_N[len(known) :], new, strict=True):
        picture = pictures.setdefault(number, _Picture())
        (picture.apart if one.item.name in kept_apart else picture.new).append(one)
    gone, chosen, sentences = set[str](), list[FieldItem](), list[str]()
    for picture in pictures.values():
        picked = picture.chosen()
        chosen += picked.field
        gone |= picked.old_gone
        sentences += picked.sentences
    if not chosen:
        raise DataError(
            f"of {_cases(len(field.training))} of {title} with a label to train on, none shows anything that is not trained on "
            "already, or kept to compare on; wait for more"
        )
    weighted = _of_mean_one(sorted(chosen, key=lambda one: one.label.case.at))
    items = (*(item for item in old if item.name not in gone), *(one.item for one in weighted))
    return TrainingSet(Dataset(title, items), weighted, len(field.training) - len(weighted), tuple(sentences))


class _Picture:
    """Copies of one picture."""

    def __init__(self) -> None:
        self.old: list[Item] = []
        self.new: list[FieldItem] = []
        self.apart: list[FieldItem] = []
        """Copies of the reserve."""

    def chosen(self) -> _Picked:
        """Choose at most one of the field's, and say which of the old are contradicted by a surer label."""
        if not self.new or self.apart:
            return _Picked()
        best = max(RANKS[one.label.how] for one in self.new)
        surest = [one for one in self.new if RANKS[one.label.how] == best]
        labels = {one.label.label for one in self.new} | {str(item.label) for item in self.old}
        said = self._said()
        if len({one.label.label for one in surest}) > 1:
            return _Picked(sentences=(f"{said}; nothing from the field counts",))
        first = min(surest, key=lambda one: one.label.at)
        if self.old and best < OLD:
            return _Picked(sentences=(f"{said}; what was trained on before counts",) if len(labels) > 1 else ())
        against = frozenset(item.name for item in self.old if item.label != first.label.label)
        sentences = (f"{said}; {first.label.label} counts",) if len(labels) > 1 else ()
        if len(against) < len(self.old):
            return _Picked(old_gone=against, sentences=sentences)
        return _Picked((first,), against, sentences)

    def _said(self) -> str:
        old = [f"{item.name}: {item.label}" for item in self.old]
        return ", ".join([*old, *(f"{one.label.case.key}: {one.label.label} ({one.label.how})" for one in self.new)])


@dataclass(frozen=True)
class _Picked:
    field: tuple[FieldItem, ...] = ()
    old_gone: frozenset[str] = frozenset()
    sentences: tuple[str, ...] = ()


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count} cases"


def _of_mean_one(chosen: Sequence[FieldItem]) -> tuple[FieldItem, ...]:
    """Weigh items among themselves, so that the field as a whole counts for as many as it has."""
    mean = sum(one.label.weight for one in chosen) / len(chosen)
    return tuple(replace(one, item=replace(one.item, weight=one.label.weight / mean)) for one in chosen)
