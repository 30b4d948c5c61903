"""From labels of the field to a training set: what is kept apart, each picture once, and what counts where labels contradict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from drivetrain.core.case import Case
from drivetrain.core.errors import DataError
from drivetrain.core.told_how import ToldHow
from drivetrain.core.types import Item, ItemFacts
from drivetrain.workbench.field.labels import FieldLabel
from drivetrain.workbench.field.training_set import Dealt, FieldItem, TrainingSet, dealt, training_set
from field_log import START


class Bytes:
    """A reference to bytes that nobody reads here."""

    name = "1.jpg"

    def read_bytes(self) -> bytes:
        raise OSError(2, "No such file or directory")


def field_item(
    number: int,
    label: str = "bad",
    how: ToldHow = ToldHow.BLIND,
    *,
    group: str | None = None,
    reserve: bool = False,
    chance: float = 1.0,
) -> FieldItem:
    """The picture of case ``number``, an hour after the one before."""
    at = START + timedelta(hours=number)
    case = Case(f"{number:032x}", f"case {number}", at, (f"{number:064x}",), group=group)
    told = FieldLabel("line", case, label, how, ("ada",), at, chance, reserve)
    return FieldItem(told, Item(Bytes(), f"field/line/{number}", label, told.group))


def old_item(name: str, label: str) -> Item:
    return Item(Bytes(), name, label)


def built(
    training: Sequence[FieldItem],
    old: Sequence[Item] = (),
    reserve: Sequence[FieldItem] = (),
    alike: Sequence[Sequence[str]] = (),
) -> TrainingSet:
    """The training set, where the items named together show one picture."""
    names = [*(one.item.name for one in (*training, *reserve)), *(item.name for item in old)]
    picture = {name: min(next((group for group in alike if name in group), [name])) for name in names}
    facts = {name: ItemFacts(name, picture[name].encode().hex(), {}) for name in names}
    return training_set(Dealt(tuple(training), tuple(reserve), ()), old, facts, "line")


def names_of(found: TrainingSet) -> list[str]:
    return [item.name for item in found.dataset.items]


def test_reserve_and_what_came_last_are_kept_apart_by_unit() -> None:
    items = [
        *(field_item(n) for n in range(8)),
        field_item(8, reserve=True, group="module 1"),
        field_item(9, group="module 1"),
        field_item(2, group="module 2"),
        field_item(20, group="module 2"),
    ]
    found = dealt(items, 0.25)
    assert {one.label.case.unit for one in found.reserve} == {"module 1"}
    assert len(found.reserve) == 2  # a unit is drawn as one, whichever of its cases has a label
    assert [one.label.case.key for one in found.recent] == ["case 5", "case 6", "case 7"]
    assert {one.label.case.unit for one in found.training} == {"module 2", *(f"case {n}" for n in range(5))}
    assert dealt(items, 0.0).recent == ()
    assert len(items) == sum(map(len, (found.training, found.reserve, found.recent)))


def test_a_picture_that_is_trained_on_already_is_not_taken_twice() -> None:
    found = built(
        [field_item(1), field_item(2), field_item(3)],
        [old_item("bad/1.jpg", "bad")],
        alike=[["bad/1.jpg", "field/line/2"]],
    )
    assert names_of(found) == ["bad/1.jpg", "field/line/1", "field/line/3"]
    assert (found.copies, found.contradictions) == (1, ())


def test_a_copy_of_the_reserve_is_not_trained_on() -> None:
    reserve = [field_item(9, reserve=True)]
    found = built([field_item(1), field_item(2)], reserve=reserve, alike=[["field/line/2", "field/line/9"]])
    assert names_of(found) == ["field/line/1"]


@pytest.mark.parametrize(
    ("how", "kept", "counts"),
    [
        (ToldHow.BLIND, ["good/1.jpg", "field/line/1"], "what was trained on before counts"),
        (ToldHow.ADJUDICATED, ["field/line/1", "field/line/2"], "bad counts"),
        (ToldHow.OUTCOME, ["field/line/1", "field/line/2"], "bad counts"),
    ],
)
def test_only_an_outcome_or_an_adjudication_counts_before_an_old_label(
    how: ToldHow, kept: list[str], counts: str
) -> None:
    found = built(
        [field_item(1), field_item(2, how=how)],
        [old_item("good/1.jpg", "good")],
        alike=[["good/1.jpg", "field/line/2"]],
    )
    assert names_of(found) == kept
    assert found.contradictions == (f"good/1.jpg: good, case 2: bad ({how}); {counts}",)


def test_of_copies_from_the_field_the_surest_label_counts_and_equals_that_contradict_are_left_out() -> None:
    found = built(
        [
            field_item(1, "good"),
            field_item(2, "bad", ToldHow.ADJUDICATED),
            field_item(3, "good"),
            field_item(4, "bad"),
            field_item(5),
        ],
        alike=[["field/line/1", "field/line/2"], ["field/line/3", "field/line/4"]],
    )
    assert names_of(found) == ["field/line/2", "field/line/5"]
    assert sorted(found.contradictions) == [
        "case 1: good (blind), case 2: bad (adjudicated); bad counts",
        "case 3: good (blind), case 4: bad (blind); nothing from the field counts",
    ]


def test_weights_are_one_over_the_chance_of_being_seen_and_of_mean_one_beside_old_pictures() -> None:
    found = built([field_item(1), field_item(2, chance=0.1)], [old_item("bad/1.jpg", "bad")])
    assert [item.weight for item in found.dataset.items] == pytest.approx([1.0, 1 / 5.5, 10 / 5.5])


def test_every_picture_from_the_field_has_its_origin_on_record() -> None:
    found = built([field_item(1, how=ToldHow.OUTCOME, group="module 1")])
    (line,) = found.provenance()
    assert (line.name, line.sha256, line.source) == ("field/line/1", f"{1:064x}", "store")
    assert (line.label_how, line.label_by, line.group) == ("outcome", "ada", "field line/module 1")
    assert line.url == f"urn:drivetrain:case:line/{1:032x}"
    assert line.at == START + timedelta(hours=1)


def test_nothing_new_to_train_on_is_said() -> None:
    with pytest.raises(DataError, match="of 1 case of line with a label to train on, none shows anything"):
        built([field_item(2)], [old_item("bad/1.jpg", "bad")], alike=[["bad/1.jpg", "field/line/2"]])
