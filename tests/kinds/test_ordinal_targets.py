"""What is read, learned and said of grades beside what every kind does: their order, and errors that know of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.types import Dataset, Item
from drivetrain.data.block.blocks import ImageBlock
from drivetrain.learn.kinds.answered import Answered
from drivetrain.learn.kinds.ordinal import OrdinalTargets
from drivetrain.learn.reading import read
from drivetrain.learn.sections import ConfidentFrom
from drivetrain.learn.target_options import TargetOptions
from drivetrain.model.kinds.ordinal import EXPECTED, OrdinalKind
from drivetrain.model.part import Calibration
from drivetrain.report.answers import with_answers
from drivetrain.report.page import Report, render
from drivetrain.stats.ordinal import quadratic_weighted_kappa


def targets_of(labels: list[str], order: tuple[str, ...] = ()) -> OrdinalTargets:
    items = tuple(Item(Path(f"{n}.png"), f"{n}.png", label) for n, label in enumerate(labels))
    found = read(Dataset("drawn", items), TargetOptions("ordinal", order=order), None, Path("unused")).targets
    assert isinstance(found, OrdinalTargets)
    return found


def test_numbers_are_ordered_as_numbers() -> None:
    targets = targets_of(["10", ".33", "2", "10"])
    assert targets.names == (".33", "2", "10")
    assert targets.values.tolist() == [2, 0, 1, 2]
    assert targets.width == 2


def test_words_are_ordered_as_they_are_told() -> None:
    labels = ["low", "high", "middle", "low"]
    assert targets_of(labels, ("low", "middle", "high")).values.tolist() == [0, 2, 1, 0]
    assert targets_of(["1", "2", "1"], ("2", "1")).names == ("2", "1")


@pytest.mark.parametrize(
    ("labels", "order", "message"),
    [
        (["low", "high"], (), "'high' is no number.*--order"),
        (["low", "high", "odd", "odd"], ("low", "high"), r"order \(--order\) lacks “odd” \(2 images\)"),
        (
            ["low", "high"],
            ("low", "middle", "high"),
            r"names middle, which no image of drawn has; its grades are high, low",
        ),
        (["low", "high"], ("low", "low", "high"), "names 'low' twice"),
        (["1", "1.0"], (), "the same number"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(labels: list[str], order: tuple[str, ...], message: str) -> None:
    with pytest.raises((DataError, UsageError), match=message):
        targets_of(labels, order)


def test_an_order_may_write_numbers_in_its_own_way() -> None:
    targets = targets_of([".33", "1", ".33", "0"], ("0", "0.33", "1"))
    assert targets.values.tolist() == [1, 2, 1, 0]
    kind = type(targets)
    assert kind.foreign("0.33", frozenset({"0", ".33"})) == []
    assert kind.foreign("0.5", frozenset({"0", ".33"})) == ["0.5"]


def test_one_grade_is_nothing_to_learn() -> None:
    with pytest.raises(DataError, match=r"one grade, “3”.*two or more grades"):
        targets_of(["3", "3"]).check_read("drawn", "")
    with pytest.raises(DataError, match="every grade needs at least two usable images: “2” has 1"):
        targets_of(["1", "1", "2"]).check_read("drawn", "")


def test_figures_know_how_far_off_an_answer_is() -> None:
    targets = targets_of(["0", "0", "1", "1", "2", "2", "3", "3"])
    predicted = np.asarray([0, 0, 1, 2, 2, 2, 3, 0])
    answered = Answered(0.05 + 0.8 * np.eye(4)[predicted], np.arange(8), "drawn")
    figures = targets.figures(answered)
    assert figures.headline.slug == "accuracy"
    assert figures["mean-absolute-error"].value == pytest.approx((1 + 3) / 8)
    assert figures["quadratic-weighted-kappa"].value == pytest.approx(
        quadratic_weighted_kappa(targets.values, predicted)
    )
    assert figures["baseline-mean-absolute-error"].value == pytest.approx(1.0)
    assert figures["baseline-mean-absolute-error"].name == "always naming the median grade, “1”"
    assert "one of the grades, which are equally common" in figures["baseline"].name
    lines = dict(line for line in figures.lines() if line[0])
    assert lines["Mean absolute error"].startswith("0.500 grades")


def test_a_bundle_reads_grades_in_its_own_order() -> None:
    block = OrdinalTargets.with_outputs(
        OrdinalTargets.data_block(TargetOptions("ordinal"), ImageBlock()).target_block,  # type: ignore[arg-type]
        ("b", "a"),
    )
    assert int(block.encode("a")) == 1
    assert OrdinalTargets.block_for_outputs(("b", "a")) == "OrdinalBlock(('b', 'a'))"
    assert OrdinalTargets.foreign("c", frozenset({"a", "b"})) == ["c"]


def test_the_answer_is_the_same_in_both_halves() -> None:
    targets = targets_of(["low", "middle", "high"], ("low", "middle", "high"))
    kind = OrdinalKind(grades=targets.names, calibration=Calibration(beta=0.7, fitted_on="drawn"))
    logits_W = np.float32([1.0, -0.5])
    ours = targets.answer(targets.answers(logits_W[None], 0.7)[0])
    assert ours == kind.answer(logits_W)
    assert EXPECTED in ours.values


def test_a_report_calls_grades_grades() -> None:
    targets = targets_of(["0", "1", "2"] * 8)
    answered = Answered(0.05 + 0.85 * np.eye(3)[np.minimum(targets.values + 1, 2)], np.arange(24), "drawn")
    items = [Item(Path(f"{n}.png"), f"{n}.png", "0") for n in range(24)]
    sections = targets.sections(items, answered, (), ConfidentFrom(0.9, unlooked=True))
    page = render(with_answers(Report("drawn", "", ()), sections, items))
    for words in ("Which grades it mixes up", "Grade by grade", "Images per grade", "the images of one grade;"):
        assert words in page
    read_by_people = re.sub("<style>.*?</style>|<[^>]*>", "", page, flags=re.S)
    assert not re.search("class(es)?", read_by_people, flags=re.I)
    worst = targets.worst(answered)
    assert worst is not None
    assert worst.what == "grade"
