"""From a folder to the items that a person should look at: with a network made for tests, and labels moved on purpose."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drivetrain.core.ports import Silent
from drivetrain.core.scratch import Scratch
from drivetrain.curate.suspect import CONTRADICTORY, LABEL, NEAR_BLACK, NEAR_DUPLICATE, OUTLIER, Suspect
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.training.options import TrainOptions
from drivetrain.workbench.survey import Survey, fit_survey, survey
from drivetrain.workbench.suspecting import examine, neighbours, suspects_of
from tiny_backbone import TINY

pytestmark = pytest.mark.trains


def surveyed(source: Path, **options: object) -> Survey:
    cache = EmbeddingCache(None)
    try:
        return survey(source, TrainOptions(backbone=TINY, **options), cache, Silent(), Scratch())
    finally:
        cache.close()


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """The drawn pictures with four labels wrong, a copy of a picture, and a copy under another label."""
    root = tmp_path_factory.mktemp("moved") / "pictures"
    shutil.copytree(pictures, root)
    for index in range(4):
        (root / "discs" / f"{index:02}.jpg").rename(root / "stripes" / f"wrong-{index}.jpg")
    Image.open(root / "squares" / "07.jpg").save(root / "squares" / "copy.png")
    shutil.copy(root / "discs" / "10.jpg", root / "squares" / "contradiction.jpg")
    return root


@pytest.fixture(scope="module")
def found(moved: Path) -> Survey:
    return surveyed(moved)


def codes(suspect: Suspect) -> list[str]:
    return [ground.code for ground in suspect.grounds]


def test_wrong_labels_come_first_with_what_they_should_be(found: Survey) -> None:
    suspects = suspects_of(found)
    doubted = [one for one in suspects if LABEL in codes(one) and one.name.startswith("stripes/wrong")]
    assert len(doubted) >= 3
    assert {one.suggested for one in doubted} <= {"discs", "squares"}
    assert all(one.label == "stripes" for one in doubted)
    assert all("by the other images it is “" in one.grounds[0].words for one in doubted)
    places = [place for place, one in enumerate(suspects) if one.name.startswith("stripes/wrong")]
    assert np.mean(places) < len(suspects) / 2
    assert [one.score for one in suspects] == sorted((one.score for one in suspects), reverse=True)


def test_copies_with_other_labels_are_both_named(found: Survey) -> None:
    by_name = {one.name: one for one in suspects_of(found)}
    first, second = by_name["discs/10.jpg"], by_name["squares/contradiction.jpg"]
    assert CONTRADICTORY in codes(first)
    assert CONTRADICTORY in codes(second)
    assert second.neighbours[0] == "discs/10.jpg"
    assert NEAR_DUPLICATE not in codes(first) + codes(second)
    words = next(ground.words for ground in second.grounds if ground.code == CONTRADICTORY)
    assert words == "it has the same pixels as discs/10.jpg, which is labelled “discs”"


def test_of_copies_with_one_label_all_but_one_are_named(found: Survey) -> None:
    named = [one for one in suspects_of(found) if NEAR_DUPLICATE in codes(one)]
    pair = {"squares/07.jpg", "squares/copy.png"}
    assert len(pair & {one.name for one in named}) == 1
    assert all(set(one.neighbours[:1]) <= pair for one in named if one.name in pair)


def dark(found: Survey, name: str) -> Survey:
    """The same survey of a set in which that picture is nearly black."""
    return replace(found, traits={**found.traits, name: replace(found.traits[name], highlight=0.02)})


def test_what_the_file_itself_shows_is_a_ground_of_its_own(found: Survey) -> None:
    name = found.sample.items[5].name
    assert NEAR_BLACK not in [code for one in suspects_of(found) for code in codes(one)]
    named = {one.name: one for one in suspects_of(dark(found, name))}
    assert NEAR_BLACK in codes(named[name])


def test_suspects_are_above_all_others_and_more_grounds_weigh_more(found: Survey) -> None:
    everything = examine(found)
    rows = {item.name: row for row, item in enumerate(found.sample.items)}
    suspected = {rows[one.name] for one in everything.suspects}
    rest = [score for row, score in enumerate(everything.score_A) if row not in suspected]
    assert max(rest) <= min(one.score for one in everything.suspects)
    assert ((everything.score_A >= 0) & (everything.score_A <= 1)).all()
    first = everything.suspects[0]
    assert examine(dark(found, first.name)).suspects[0].score > first.score


def test_neighbours_are_of_other_groups_and_the_nearest() -> None:
    features_AD = np.asarray([[1, 0], [0.99, 0.1], [0, 1], [0.1, 0.99]], np.float32)
    assert neighbours(features_AD, np.asarray([0, 0, 1, 2]), [0, 2]) == [[3, 2], [3, 1, 0]]
    assert neighbours(features_AD, np.zeros(4, np.int64), [0]) == [[]]


def test_a_new_label_changes_the_list_without_a_new_pass(found: Survey) -> None:
    names, values = found.sample.targets.names, found.sample.targets.values.copy()
    rows = [row for row, item in enumerate(found.sample.items) if item.name.startswith("stripes/wrong")]
    values[rows] = names.index("discs")
    sample = replace(found.sample, targets=found.sample.targets.with_values(values))
    again = fit_survey(replace(found, sample=sample))
    before = [one.name for one in suspects_of(found) if LABEL in codes(one)]
    after = [one.name for one in suspects_of(again) if LABEL in codes(one)]
    assert sum(name.startswith("stripes/wrong") for name in after) < sum(
        name.startswith("stripes/wrong") for name in before
    )


def few(root: Path, pictures: Path, counts: dict[str, int]) -> Path:
    for label, count in counts.items():
        (root / label).mkdir(parents=True)
        for index in range(count):
            shutil.copy(pictures / label / f"{index:02}.jpg", root / label)
    return root


@pytest.mark.parametrize(
    ("counts", "learned"),
    [
        ({"discs": 12}, False),
        ({"discs": 1, "squares": 1, "stripes": 1}, False),
        ({"discs": 2, "squares": 1}, False),
        ({"discs": 2, "squares": 2}, True),
        ({"discs": 9, "squares": 9, "stripes": 1}, True),
    ],
)
def test_sets_too_small_to_learn_from_are_looked_through_all_the_same(
    tmp_path: Path, pictures: Path, counts: dict[str, int], learned: bool
) -> None:
    root = few(tmp_path / "few", pictures, counts)
    first = sorted(counts)[0]
    shutil.copy(root / first / "00.jpg", root / first / "copy.jpg")
    examined = surveyed(root)
    assert (examined.fitted is not None) == learned
    assert (examined.unfit is None) == learned
    suspects = suspects_of(examined)
    assert any(NEAR_DUPLICATE in codes(one) for one in suspects)
    if not learned:
        assert not any(LABEL in codes(one) for one in suspects)


def test_an_item_alone_in_its_class_is_not_suspected_for_that(tmp_path: Path, pictures: Path) -> None:
    examined = surveyed(few(tmp_path / "few", pictures, {"discs": 9, "squares": 9, "stripes": 1}))
    assert examined.judged is not None
    alone = next(row for row, item in enumerate(examined.sample.items) if item.name.startswith("stripes"))
    assert alone not in examined.judged.rows_J
    everything = examine(examined)
    assert everything.suspicion_A[alone] == 0.5
    assert not any(LABEL in codes(one) for one in everything.suspects if one.name.startswith("stripes"))


def test_one_group_alone_can_be_looked_at(tmp_path: Path, pictures: Path) -> None:
    few(tmp_path / "images", pictures, {"discs": 4, "squares": 4})
    lines = [f"images/{label}/{index:02}.jpg,{label},all" for label in ("discs", "squares") for index in range(4)]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["path,label,group", *lines]), encoding="utf-8")
    examined = surveyed(table)
    assert examined.fitted is None
    assert examined.unfit is not None
    assert suspects_of(examined) == ()


def test_a_thing_unlike_its_class_is_an_outlier(tmp_path: Path, pictures: Path) -> None:
    root = tmp_path / "odd"
    shutil.copytree(pictures, root)
    Image.new("RGB", (96, 80), (255, 0, 255)).save(root / "discs" / "nothing.png")
    examined = surveyed(root)
    odd = next(one for one in suspects_of(examined) if one.name == "discs/nothing.png")
    assert OUTLIER in codes(odd) or LABEL in codes(odd)
